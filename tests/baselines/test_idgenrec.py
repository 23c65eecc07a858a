"""`idgenrec`: what learns when, IDs that stay, search that is exact, and starts from scratch or from a checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from mindrec_baselines import id_rounds, training
from mindrec_baselines.id_model import IdModel
from mindrec_baselines.id_network import IdNetwork
from mindrec_baselines.id_parts import checkpoint_folder, read_t5
from mindrec_baselines.idgenrec import PUBLISHED, SHAPES, IdGenRec
from mindrec_baselines.subwords import END, PAD, Subwords
from mindrec_baselines.textual_ids import id_space
from mindrec_bench.contracts import FitReport, Histories, Task
from mindrec_bench.data.dataset import Dataset
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.question import Question, resolve_question
from mindrec_bench.runner import Setup, run_question
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

from .causal import task
from .titled import titled

SHORT = IdGenRec(rounds=2, epochs=1, batch=64, keyword_epochs=4, generator_lr=1e-3)
STEPS = ["keywords", "generator", "recommender", "generator", "recommender"]


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """The size `tiny`, but narrower still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPES, "tiny", {"layers": 1, "hidden": 16, "inner": 32, "key": 8, "heads": 2})
        yield


@pytest.fixture(scope="module")
def data(chain: Callable[..., Dataset]) -> Dataset:
    return titled(chain(users=30))


@pytest.fixture(scope="module")
def given(data: Dataset) -> Task:
    return task(data)


@dataclasses.dataclass
class Fitted:
    folder: Path
    report: FitReport
    weights: list[dict[str, Tensor]]
    """Before the first phase, and after each."""


@pytest.fixture(scope="module")
def fitted(given: Task, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """One training, watched."""
    folder, weights = tmp_path_factory.mktemp("idgenrec"), list[dict[str, Tensor]]()
    step = id_rounds._fit_step

    def watched(network: IdNetwork, *rest: Any) -> FitReport:
        if not weights:
            weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        report = step(network, *rest)
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_rounds, "_fit_step", watched)
        report = SHORT.fit(given, folder)
    return Fitted(folder, report, weights)


def content(folder: Path) -> dict[str, bytes]:
    """All files; `model.json` without the time that training took."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    card = json.loads(found["model.json"])
    del card["report"]["seconds"]
    return found | {"model.json": json.dumps(card).encode()}


def random_model(given: Task, size: int = 12) -> IdModel:
    """Untrained, with IDs of 1 to 3 tokens drawn at random; some begin others."""
    filled = IdGenRec().at("tiny")
    texts = given.data.named_texts("the test")
    subwords = filled._subwords(texts, "tiny", Path("none"))
    network = filled._network_over(subwords, texts, given)
    rng = np.random.default_rng(0)
    ids: dict[tuple[int, ...], None] = {}
    while len(ids) < given.data.n_items:
        ids[tuple(rng.integers(5, 5 + size, rng.integers(1, 4)).tolist())] = None
    id_rounds.show_ids(network, list(ids))
    return IdModel(network.eval(), id_space(list(ids)))


def test_rounds_alternate_what_learns(fitted: Fitted) -> None:
    assert len(fitted.weights) == 1 + len(STEPS)
    for step, before, after in zip(STEPS, fitted.weights, fitted.weights[1:], strict=False):
        changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"recommender" if step == "recommender" else "generator"}


def test_what_is_left(fitted: Fitted, data: Dataset) -> None:
    names = {"ids.json", "model.json", "t5.json", "tokenizer.json", "weights.safetensors"}
    assert {path.name for path in fitted.folder.iterdir()} == names
    assert fitted.report.epochs == 2, "the recommender's, over both rounds"
    assert len(fitted.report.valid_loss) == 2
    n_examples = len(data.train_examples())
    assert fitted.report.steps == 4 * 1 + 4 * -(-n_examples // 64), "24 items are one batch; then two rounds of two"
    assert fitted.report.parameters == sum(tensor.numel() for tensor in fitted.weights[0].values())


def test_every_item_has_an_id_of_its_own(fitted: Fitted, given: Task) -> None:
    ids = json.loads((fitted.folder / "ids.json").read_text())
    assert list(ids) == given.data.item_ids
    assert len({tuple(entry["tokens"]) for entry in ids.values()}) == given.data.n_items
    assert all(entry["id"] for entry in ids.values())
    model = IdGenRec().load(given, fitted.folder)
    for item, entry in enumerate(ids.values()):
        numbers = model.own_space.to_numbers(model.own_space.item_codes[item], model.own_space.sid_slots)
        assert [number for number in numbers if number >= 0] == entry["tokens"]
        assert numbers[-1] == -1, "the last slot says that the longest ID is over"
    assert model.own_space.find(model.own_space.item_codes).tolist() == list(range(given.data.n_items))


def test_an_interrupted_training_ends_with_the_same_bits(
    fitted: Fitted, given: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the second round's generator; so IDs and weights are a matter of the seed, too."""
    calls = []
    fit = training.fit

    def stops(*arguments: Any, **rest: Any) -> FitReport:
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(*arguments, **rest)

    monkeypatch.setattr(training, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        SHORT.fit(given, tmp_path)
    assert not (tmp_path / "model.json").exists()
    report = SHORT.fit(given, tmp_path)
    assert content(tmp_path) == content(fitted.folder)
    assert report.valid_loss == fitted.report.valid_loss
    n_calls = len(calls)
    assert SHORT.fit(given, tmp_path) == report
    assert len(calls) == n_calls, "nothing is left to do"


def test_time_is_shared_among_the_phases_that_are_left(given: Task) -> None:
    steps = IdGenRec(rounds=2).at("tiny")._steps("tiny")
    assert [step.phase for step in steps] == STEPS
    assert [step.recipe.lr for step in steps] == [3e-3, 1e-8, 3e-3, 1e-8, 3e-3]
    limited = dataclasses.replace(given, max_minutes=11.0)
    first = id_rounds._limited(limited, [], steps)
    assert first.max_minutes == pytest.approx(1.0), "1 + 1 + 4 + 1 + 4 shares"
    used = [FitReport(1.0, 1, 1, seconds=30.0)]
    second = id_rounds._limited(limited, used, steps[1:])
    assert second.max_minutes == pytest.approx(10.5 / 10)
    assert (first.seed, second.seed) == (given.seed, given.seed + 1)


def scores_of_all_items(model: IdModel, items: np.ndarray) -> Tensor:
    """log p of every item's whole ID by T5 of transformers, sequence by sequence, no cache. Shape: (B, N)"""
    network = model.network.recommender
    config = T5Config(**{**network.t5.config.to_dict(), "tie_word_embeddings": True})
    t5 = T5ForConditionalGeneration(config).eval()
    lacks = t5.load_state_dict(network.t5.state_dict(), strict=False)
    assert lacks.unexpected_keys == []
    t5.shared.weight.data.copy_(network.embedding.weight)
    assert t5.lm_head.weight is t5.shared.weight
    ids = [[token for token in row if token not in (PAD, END)] for row in model.network.ids.tolist()]
    found = torch.zeros(len(items), len(ids), dtype=torch.float64)
    for user, history in enumerate(items):
        read = torch.tensor([[token for item in history if item >= 0 for token in [*ids[item], END]]])
        for item, tokens in enumerate(ids):
            with torch.no_grad():
                logits = t5(input_ids=read, decoder_input_ids=torch.tensor([[PAD, *tokens]])).logits[0]
            written = torch.tensor([*tokens, END])
            found[user, item] = logits.double().log_softmax(-1)[torch.arange(len(written)), written].sum()
    return found


def test_a_wide_search_is_the_exact_ranking_of_all_ids(given: Task) -> None:
    model = random_model(given)
    n_items = given.data.n_items
    histories = given.data.test().histories[:4]
    exact = scores_of_all_items(model, histories.items)
    context = model.begin(histories, tuple(range(model.own_space.n_slots)))
    canvas = make_canvas(model.own_space, histories.users, catalogue=True)
    found = ArBeam().decode(context, canvas, beam=n_items)
    assert found.lengths.tolist() == [n_items] * 4, "every item, and nothing else"
    items = model.own_space.find(found.codes.numpy())
    assert (np.sort(items, axis=1) == np.arange(n_items)).all()
    torch.testing.assert_close(found.scores, exact.gather(1, torch.from_numpy(items)), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.scores, exact.sort(dim=1, descending=True).values, atol=1e-4, rtol=0)


def test_a_narrow_search_returns_catalogue_ids_only_under_the_constraint(given: Task) -> None:
    model = random_model(given)
    histories = given.data.test().histories
    slots = tuple(range(model.own_space.n_slots))
    share = {}
    for catalogue in (False, True):
        canvas = make_canvas(model.own_space, histories.users, catalogue=catalogue)
        codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=10).codes.numpy()
        share[catalogue] = (model.own_space.find(codes) >= 0).mean()
        over = model.own_space.to_numbers(codes, slots) == -1
        assert (over[:, :, 1:] >= over[:, :, :-1]).all(), "nothing follows an end"
        assert over[:, :, -1].all()
    assert share[True] == 1.0
    assert share[False] < 1.0


def test_probabilities_of_what_may_follow_sum_to_at_most_one_and_after_an_end_to_one(given: Task) -> None:
    model = random_model(given)
    histories = given.data.test().histories[:2]
    space = model.own_space
    context = model.begin(histories, tuple(range(space.n_slots)))
    short = space.item_codes[:, :2][space.numbers[1][space.item_codes[:, 1]] == -1][:3]
    assert len(short) == 3
    answer = context.next_log_probs(torch.from_numpy(short).expand(2, 3, 2)).exp().sum(dim=-1)
    assert torch.equal(answer, torch.ones(2, 3))
    first = context.next_log_probs(torch.zeros(2, 1, 0, dtype=torch.int64)).exp().sum(dim=-1)
    assert (first < 1).all(), "normalised over the whole vocabulary"


def test_a_history_is_its_ids_and_nothing_else(given: Task) -> None:
    """The latest on the right, the padding on the left; who the user is changes nothing."""
    network = random_model(given).network
    items = torch.tensor([[-1, 3, 7], [1, 2, 3], [-1, -1, -1]])
    tokens, there, _ = network.history(items)
    expected = [[token for item in row for token in network.ids[item].tolist() if item >= 0 and token] for row in items]
    assert [row[keep].tolist() for row, keep in zip(tokens, there, strict=True)] == expected
    assert (there.int().diff(dim=1) >= 0).all()
    model = random_model(given)
    histories = given.data.test().histories[:5]
    prefix = torch.zeros(5, 1, 0, dtype=torch.int64)
    answers = [
        model.begin(Histories(histories.items, users), (0, 1)).next_log_probs(prefix)
        for users in (histories.users, histories.users + 1000)
    ]
    assert torch.equal(*answers)


def test_the_generator_is_judged_by_the_recommender_through_the_latest_items(given: Task) -> None:
    network = random_model(given).network.enter("generator").train()
    assert (network.generator.training, network.recommender.training) == (True, False)
    test = given.data.test()
    items, targets = torch.from_numpy(test.histories.items), torch.from_numpy(test.targets)
    network(targets, items)["loss"].backward()
    assert all(p.grad is None for p in network.recommender.parameters())
    assert network.generator.embedding.weight.grad.abs().sum() > 0
    # An item beyond the reach is shown by the vectors of its ID: the generator has no part in it.
    network.zero_grad()
    with torch.no_grad():
        soft = network._soft(items)
    known = network.recommender.embedding(network.ids[items.clamp(min=0)])
    assert torch.equal(soft[:, :-1], known[:, :-1])
    assert not torch.allclose(soft[:, -1], known[:, -1])


def test_sizes(given: Task) -> None:
    assert IdGenRec().at("small").lr == IdGenRec().at(PUBLISHED).lr == 1e-3
    assert (IdGenRec().rounds, IdGenRec().generator_lr, IdGenRec().generator_epochs) == (3, 1e-8, 1)
    assert IdGenRec().at(PUBLISHED).epochs == IdGenRec().at("small").epochs == 10
    assert IdGenRec().at(PUBLISHED).checkpoint == "t5-small"
    assert IdGenRec().auto_size(simulation=True, device="cpu")[0] == "tiny"
    assert IdGenRec().auto_size(simulation=False, device="cuda")[0] == "small"
    for name in ("rounds", "keywords", "reach", "keyword_epochs", "generator_epochs", "generator_lr"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            IdGenRec(**{name: 0})


def test_data_without_texts_is_refused(chain: Callable[..., Dataset], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no item of chain has a title or a description; add them to chain.item.json"):
        SHORT.fit(task(chain(users=30)), tmp_path)


def test_public_data_has_no_titles(real_data: Path, tmp_path: Path) -> None:
    """It says so before anything is written."""
    asked = Question("idgenrec", "ar-beam", data="instruments", constrain="catalogue")
    with pytest.raises(DataError, match="model 'idgenrec' reads what items are called, and no item of Instruments has"):
        run_question(asked, Setup(runs_dir=tmp_path / "runs", data_dir=real_data, device="cpu"))
    assert not (tmp_path / "runs").exists()


def test_a_damaged_folder(fitted: Fitted, given: Task, tmp_path: Path) -> None:
    for name, message in (("t5.json", "t5.json is missing"), ("ids.json", "ids.json is missing")):
        folder = tmp_path / name
        folder.mkdir()
        for path in fitted.folder.iterdir():
            if path.name != name:
                (folder / path.name).write_bytes(path.read_bytes())
        with pytest.raises(DataError, match=message):
            IdGenRec().load(given, folder)


@pytest.fixture(scope="module")
def checkpoint(given: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 with random weights, in the files that published ones have."""
    return save_t5(tmp_path_factory.mktemp("t5"), given)


def save_t5(folder: Path, given: Task, **changes: Any) -> Path:
    texts = given.data.named_texts("the test")
    subwords = Subwords.trained(texts.title, 120)
    widths = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2}
    settings = {"vocab_size": 128, "decoder_start_token_id": PAD, **widths}
    torch.manual_seed(5)
    T5ForConditionalGeneration(T5Config(**settings | changes)).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(subwords.json, encoding="utf-8")
    return folder


def test_both_parts_start_from_the_checkpoint(given: Task, checkpoint: Path, tmp_path: Path) -> None:
    backbone = dataclasses.replace(SHORT, rounds=1, checkpoint=str(checkpoint))
    ours = dataclasses.replace(given, size=PUBLISHED)
    filled = backbone.at(PUBLISHED)
    texts = given.data.named_texts("the test")
    network = filled._network_over(filled._subwords(texts, PUBLISHED, tmp_path), texts, ours)
    theirs = T5ForConditionalGeneration.from_pretrained(checkpoint)
    for part in (network.generator, network.recommender):
        assert torch.equal(part.embedding.weight, theirs.shared.weight)
        query = "encoder.block.0.layer.0.SelfAttention.q.weight"
        assert torch.equal(part.t5.state_dict()[query], theirs.state_dict()[query])
    backbone.fit(ours, tmp_path)
    model = backbone.load(ours, tmp_path)
    assert len(set(map(tuple, model.own_space.item_codes.tolist()))) == given.data.n_items
    histories = given.data.test().histories[:3]
    slots = tuple(range(model.own_space.n_slots))
    canvas = make_canvas(model.own_space, histories.users, catalogue=True)
    codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=5).codes
    assert (model.own_space.find(codes.numpy()) >= 0).all()


def test_a_tagger_takes_the_place_of_keywords(given: Task, checkpoint: Path) -> None:
    steps = IdGenRec(tagger=str(checkpoint)).at(PUBLISHED)._steps(PUBLISHED)
    assert [step.phase for step in steps] == ["generator", "recommender"] * 3


def test_what_the_checkpoints_hold_is_the_runs_identity(
    given: Task, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model at the same path is another run; the sizes from scratch keep the identity that they had."""
    assert SHORT.identity("tiny") == IdGenRec().identity("small") == {}
    with pytest.raises(UsageError, match="are for --size t5-small"):
        IdGenRec(tagger=str(checkpoint)).identity("small")
    other = save_t5(tmp_path / "other", given, d_ff=16)
    both = IdGenRec(checkpoint=str(checkpoint), tagger=str(other))
    first = both.identity(PUBLISHED)
    assert set(first) == {"checkpoint", "tagger"}
    assert first["checkpoint"] != first["tagger"]
    assert set(IdGenRec(checkpoint=str(checkpoint)).identity(PUBLISHED)) == {"checkpoint"}
    save_t5(other, given, d_ff=24)
    second = both.identity(PUBLISHED)
    assert second["checkpoint"] == first["checkpoint"]
    assert second["tagger"] != first["tagger"]
    monkeypatch.setattr("mindrec_baselines.checkpoint_files._commit", lambda name: f"commit of {name}")
    assert IdGenRec().identity(PUBLISHED) == {"checkpoint": "google-t5/t5-small@commit of google-t5/t5-small"}


def test_checkpoints_that_do_not_fit(given: Task, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are for --size t5-small"):
        dataclasses.replace(SHORT, checkpoint=str(checkpoint)).fit(given, tmp_path / "fit")
    other = save_t5(tmp_path / "other", given, vocab_size=130)
    like = read_t5(str(checkpoint), dropout=0.1).t5.config
    with pytest.raises(DataError, match="has 130 tokens and the checkpoint 128"):
        read_t5(str(other), dropout=0.1, like=like)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no T5 that can be read"):
        read_t5(str(tmp_path / "empty"), dropout=0.1)
    newer = save_t5(tmp_path / "newer", given, tie_word_embeddings=False)
    with pytest.raises(DataError, match="output head of its own"):
        read_t5(str(newer), dropout=0.1)


def test_a_checkpoint_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(name: str, **_: Any) -> str:
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", nowhere)
    with pytest.raises(DataError, match="the checkpoint google-t5/t5-small is no folder and can't be had from the hub"):
        checkpoint_folder("t5-small")
    assert asked == ["t5-small", "google-t5/t5-small"]


def test_one_process_trains_whatever_decodes():
    """Its phases hand weights on in files, so several processes would read what is not written yet."""
    asked = Question("idgenrec", "ar-beam", data="arts-sim:users=20,items=50", train_devices=2)
    resolved = resolve_question(asked)
    spec = resolved.spec(resolved.source.load(None, users=None, notify=pytest.fail))
    assert spec.train_devices == 1
