"""One question through the whole house: what is stored, what is reused, and what must not change the answer."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench import registry, runner
from mindrec_bench.contracts import FitReport
from mindrec_bench.data.simulation import ArtsSim
from mindrec_bench.decoding import UserDecoder
from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.fits import FitFolder
from mindrec_bench.question import Question, resolve_question
from mindrec_bench.runner import Setup, run_question
from mindrec_bench.runs import RunFolder
from mindrec_bench.testing import catalogue_model

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=USERS, items=50).load(None, users=None, notify=pytest.fail)


@pytest.fixture
def ask(tmp_path):
    """ask("markov", "bs", beam=3, setup={"fresh": True}): the summary; `ask.notices` has what was said."""

    def run(model="markov", decoder="bs", setup=None, data=DATA, **question):
        settings = {"runs_dir": tmp_path / "runs", "device": "cpu", "notify": run.notices.append} | (setup or {})
        return run_question(Question(model, decoder, data=data, **question), Setup(**settings))

    run.notices = []
    return run


def rankings(summary):
    return pq.ParquetFile(Path(summary["path"]) / "rankings.parquet").read()


def answer(summary):
    """The bytes of what a run found."""
    return [(Path(summary["path"]) / name).read_bytes() for name in ("rankings.parquet", "metrics.parquet")]


@pytest.fixture
def decoded(monkeypatch):
    """Counts the users that are decoded."""
    count = Counter()
    decode = UserDecoder._decode

    def counting(self, batch, meter):
        count["users"] += len(batch)
        return decode(self, batch, meter)

    monkeypatch.setattr(UserDecoder, "_decode", counting)
    return count


def test_what_a_run_leaves(ask, data):
    summary = ask("markov", "rank-items", beam=5)
    table = rankings(summary)
    assert table["user"].to_pylist() == [user for user in range(USERS) for _ in range(5)]
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5] * USERS
    space = data.space(categories=True)
    items = np.array([int(item) for item in table["item"].to_pylist()])
    expected = space.to_numbers(space.item_codes[items], tuple(range(space.n_slots)))
    assert table["codes"].to_pylist() == expected.tolist()
    metrics = pq.ParquetFile(Path(summary["path"]) / "metrics.parquet").read()
    assert metrics["user"].to_pylist() == data.users.tolist()
    hits = (space.sid_keys[items] == space.sid_keys[np.repeat(data.test().targets, 5)]).reshape(USERS, 5)
    for k in (1, 3, 5):
        assert metrics[f"hr@{k}"].to_pylist() == hits[:, :k].any(axis=1).tolist()
        assert summary["metrics"][f"hr@{k}"] == pytest.approx(hits[:, :k].any(axis=1).mean())
    stored = json.loads((Path(summary["path"]) / "summary.json").read_text())
    assert stored == {key: value for key, value in summary.items() if key != "path"}


def test_the_summary_has_what_a_machine_reads(ask):
    summary = ask()
    assert {"run", "path", "model", "decoder", "data", "size", "users", "metrics", "seconds"} <= set(summary)
    keys = {f"{name}@{k}" for name in ("hr", "ndcg") for k in (1, 3, 5, 10)}
    assert keys | {"entropy", "ttr", "valid"} <= set(summary["metrics"])
    assert set(summary["optimum"]) == keys
    assert (summary["model"], summary["decoder"], summary["data"], summary["size"]) == ("markov", "bs", DATA, "")
    assert summary["users"] == USERS
    assert summary["seconds"] > 0
    assert summary["timings"]["forward_passes"] == 7, "one batch, a pass a slot"


def test_the_oracle_reaches_the_optimum_on_average(ask):
    summary = ask("oracle", "rank-items", data="arts-sim:users=500,items=50")
    spread = 1 / np.sqrt(500)
    for key, best in summary["optimum"].items():
        assert abs(summary["metrics"][key] - best) < 2 * spread, key
    assert summary["optimum"]["hr@10"] > summary["optimum"]["hr@1"] > 0.02


def test_a_second_time_the_stored_answer_is_given(ask, decoded):
    first = ask()
    second = ask(model="markov:decay=0.8")
    assert second == first
    assert decoded["users"] == USERS
    assert ask.notices == ["this run is done already; --fresh computes it again"]


def test_fresh_computes_it_again(ask, decoded):
    first = ask()
    content = answer(first)
    second = ask(setup={"fresh": True})
    assert decoded["users"] == 2 * USERS
    assert second["run"] == first["run"]
    assert answer(second) == content
    assert ask.notices == []


def test_a_damaged_answer_is_computed_again(ask, decoded):
    first = ask()
    content = answer(first)
    path = Path(first["path"]) / "rankings.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    assert answer(ask()) == content
    assert decoded["users"] == 2 * USERS
    assert [str(path) in notice for notice in ask.notices] == [True]


def test_the_validation_split_is_a_run_of_its_own_with_the_same_fit(ask):
    test, valid = (ask("llada", "bs", split=split, size="tiny", max_minutes=0.01) for split in ("test", "valid"))
    assert test["run"] != valid["run"]
    assert (test["spec"]["split"], valid["split"]) == ("test", "valid")
    assert valid["command"].endswith("--split valid")
    assert "--split" not in test["command"]
    assert sum("training" in line for line in ask.notices) == 1


def test_the_validation_split_asks_for_the_last_but_one_item(ask, data):
    valid = data.validation()
    found = ask("oracle", "rank-items", split="valid", beam=1)
    best = data.simulation.log_probs(valid.histories.items).argmax(axis=1)
    sids = data.space(categories=False).sid_keys
    assert found["metrics"]["hr@1"] == pytest.approx(np.mean(sids[best] == sids[valid.targets]))


def test_eval_users_decodes_the_first_ones_only(ask, decoded):
    whole, some = ask(), ask(eval_users=7)
    assert decoded["users"] == USERS + 7
    assert (some["users"], some["eval_users"], whole["eval_users"]) == (USERS, 7, None)
    assert some["run"] != whole["run"]
    first = rankings(whole).filter(np.asarray(rankings(whole)["user"]) < 7)
    assert rankings(some).equals(first)
    assert len(pq.ParquetFile(Path(some["path"]) / "metrics.parquet").read()) == 7


def test_users_choose_the_data(ask):
    every, enough, fewer = ask(users=None), ask(users=USERS), ask(users=20)
    assert every["run"] == enough["run"] != fewer["run"]
    assert [summary["users_asked"] for summary in (every, fewer)] == [None, 20]
    assert fewer["users"] == 20
    assert set(rankings(fewer)["user"].to_pylist()) == set(range(20))


@pytest.mark.parametrize("decoder", ["rank-items", "dbs-dedup"])
def test_exclude_history(ask, data, decoder):
    sids = data.sids.tolist()
    shared = Counter(map(tuple, sids))
    histories = dict(zip(data.users.tolist(), data.test().histories.items.tolist(), strict=True))

    def repeats(summary):
        """Recommendations of an item of the history whose SID is its alone."""
        found = 0
        for row in rankings(summary).select(["user", "codes"]).to_pylist():
            seen = {tuple(sids[item]) for item in histories[row["user"]] if item >= 0}
            sid = tuple(row["codes"][-4:])
            found += sid in seen and shared[sid] == 1
        return found

    assert repeats(ask("pop", decoder)) > 0
    assert repeats(ask("pop", decoder, exclude_history=True)) == 0


@pytest.mark.parametrize("model", ["markov", "oracle"])
@pytest.mark.parametrize(("categories", "slots"), [("none", 4), ("history", 4), ("generate", 7), ("given", 7)])
def test_categories(ask, data, model, categories, slots):
    summary = ask(model, "dbs-penalty", categories=categories)
    table = rankings(summary)
    assert {len(codes) for codes in table["codes"].to_pylist()} == {slots}
    assert summary["categories"] == categories
    assert summary["metrics"]["valid"] > 0.9, "a lifted model has no probability for what is no item"
    assert summary["slots"]["sid_codes"] == sum(data.space(categories=False).sizes)
    if categories == "given":
        true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
        assert all(row["codes"][:3] == true[row["user"]] for row in table.select(["user", "codes"]).to_pylist())
        assert any("given categories" in note for note in summary["notes"])
    else:
        assert summary["notes"] == []


def test_items_models_rank_only_items_that_fit_the_given_categories(ask, data):
    summary = ask("markov", "rank-items", categories="given")
    true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
    for row in rankings(summary).select(["user", "item"]).to_pylist():
        assert data.categories[int(row["item"])].tolist() == true[row["user"]]


def test_sharding_changes_no_number(ask, monkeypatch, tmp_path):
    whole = ask("markov", "dbs-penalty")
    monkeypatch.setattr(runner, "SHARD_USERS", 7)
    parts = ask("markov", "dbs-penalty", setup={"runs_dir": tmp_path / "parts"})
    assert parts["metrics"] == whole["metrics"]
    assert parts["optimum"] == whole["optimum"]
    assert rankings(parts).select(["user", "rank", "codes"]).equals(rankings(whole).select(["user", "rank", "codes"]))
    assert answer(parts)[1] == answer(whole)[1]


@pytest.mark.parametrize("decoder", ["bs", "dbs-dedup", "dbs-penalty", "rank-items"])
@pytest.mark.parametrize("batch_size", [1, 13])
def test_the_batch_size_changes_no_ranking_of_a_lifted_model(ask, tmp_path, decoder, batch_size):
    whole = ask("markov", decoder, eval_users=30)
    other = ask("markov", decoder, eval_users=30, setup={"runs_dir": tmp_path / "other", "batch_size": batch_size})
    for column in ("user", "rank", "codes", "item"):
        assert rankings(other)[column].equals(rankings(whole)[column]), column
    assert other["metrics"] == whole["metrics"]
    assert np.asarray(rankings(other)["score"]) == pytest.approx(np.asarray(rankings(whole)["score"]), abs=1e-9)
    assert other["timings"]["batch_size"] == batch_size


@pytest.fixture
def interrupt(monkeypatch, decoded):
    """interrupt(n): the n-th batch from now on is stopped by Ctrl-C."""
    decode = UserDecoder._decode

    def arm(batches):
        left = iter(range(batches - 1))

        def stopping(self, batch, meter):
            if next(left, None) is None:
                monkeypatch.setattr(UserDecoder, "_decode", decode)
                raise KeyboardInterrupt
            return decode(self, batch, meter)

        monkeypatch.setattr(UserDecoder, "_decode", stopping)

    return arm


@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_run_continues_to_the_same_bytes(ask, interrupt, decoded, monkeypatch, tmp_path, damaged):
    monkeypatch.setattr(runner, "SHARD_USERS", 16)
    straight = ask(setup={"runs_dir": tmp_path / "straight", "batch_size": 8})
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        ask(setup={"batch_size": 8})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = sorted(folder.iterdir())
    assert [shard.name[:5] for shard in shards] == ["00000", "00001"]
    if damaged:
        shards[0].write_bytes(shards[0].read_bytes()[:100])
    decoded.clear()
    again = ask(setup={"batch_size": 8})
    assert answer(again) == answer(straight)
    assert decoded["users"] == USERS - (16 if damaged else 32)
    assert [str(shards[0]) in notice for notice in ask.notices] == [True] * damaged
    assert not folder.exists()


def test_parts_of_another_batch_size_are_not_mixed_in(ask, interrupt, decoded, monkeypatch):
    monkeypatch.setattr(runner, "SHARD_USERS", 16)
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        ask(setup={"batch_size": 8})
    decoded.clear()
    ask(setup={"batch_size": 4})
    assert decoded["users"] == USERS
    assert "cpu in batches of 8, and can't be mixed with cpu in batches of 4" in ask.notices[0]


def test_a_full_disk_says_so_and_the_run_continues(ask, monkeypatch, decoded):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.storage.os.fsync", full)
        with pytest.raises(MrbenchError, match="the disk is full"):
            ask()
    assert ask()["users"] == USERS


@pytest.mark.parametrize("size", [0, -5])
def test_a_batch_needs_a_user(ask, size):
    with pytest.raises(UsageError, match=f"--batch-size is {size}; it must be from 1 to 512"):
        ask(setup={"batch_size": size})


def test_a_run_that_another_process_computes(ask, tmp_path, data):
    spec = resolve_question(Question("markov", "bs", data=DATA)).spec(data)
    folder = RunFolder(spec, tmp_path / "runs", pytest.fail)
    with folder.lock(wait=False), pytest.raises(MrbenchError, match=r"is being computed by process .*--no-wait"):
        ask(setup={"wait": False})


def test_the_oracle_refuses_real_data_and_leaves_no_run(ask, tmp_path):
    write_shop(tmp_path / "Shop")
    with pytest.raises(UsageError, match="'oracle' needs data whose true distribution is known, and 'Shop' is not"):
        ask("oracle", "rank-items", data=str(tmp_path / "Shop"))
    assert [path for path in (tmp_path / "runs").rglob("*") if path.suffix == ".json"] == []


def write_shop(folder, **changes):
    """A folder of users' own data, without categories; user 9 is too short."""
    folder.mkdir()
    sequences = {"1": [3, 10, 1, 2], "3": [10, 3, 2, 1], "7": [1, 2, 3], "9": [2]}
    index = {"1": ["<a_2>", "<b_0>"], "2": ["<a_10>", "<b_0>"], "3": ["<a_2>", "<b_7>"], "10": ["<a_10>", "<b_7>"]}
    for kind, content in ({"inter": sequences, "index": index} | changes).items():
        (folder / f"{folder.name}.{kind}.json").write_text(json.dumps(content))


def test_a_folder_of_ones_own(ask, tmp_path):
    write_shop(tmp_path / "Shop")
    summary = ask("pop", "rank-items", data=str(tmp_path / "Shop"), beam=10)
    assert (summary["users"], summary["categories"], summary["slots"]["categories"]) == (3, "none", 0)
    assert "optimum" not in summary
    assert "1 users with fewer than 3 interactions were skipped" in summary["notes"]
    table = rankings(summary)
    # Training parts: [3, 10], [10, 3], [1]; items 3 and 10 tie, and the lower number comes first.
    assert table["item"].to_pylist() == ["3", "10", "1"] * 3
    assert table["codes"].to_pylist() == [[2, 7], [10, 7], [2, 0]] * 3
    assert summary["metrics"]["hr@3"] == pytest.approx(2 / 3)


@dataclass(frozen=True)
class Trained:
    """A model that is 'trained' into a file; every training gives other weights. Counts its trainings."""

    trainings: ClassVar[list[bool]] = []
    capability: ClassVar[str] = "items"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")

    def at(self, size):
        return self

    def fit(self, task, folder):
        self.trainings.append(task.space.n_categories > 0)
        (folder / "weights").write_text(str(len(self.trainings)))
        return FitReport(1.0, 10, 3, 0.1, (1.5, 1.25), under_trained=True)

    def load(self, task, folder):
        rng = np.random.default_rng(int((folder / "weights").read_text()))
        return catalogue_model(rng.random((task.data.n_users, task.data.n_items)))


@pytest.fixture
def trainings(monkeypatch):
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Trained if name == "trained" else load(kind, name))
    monkeypatch.setattr(Trained, "trainings", [])
    return Trained.trainings


def test_a_fitted_model_is_shared_by_decoders_and_uses_of_categories(ask, trainings):
    summaries = [ask("trained", decoder) for decoder in ("bs", "dbs-dedup", "rank-items")]
    summaries += [ask("trained", "bs", categories=categories) for categories in ("history", "given")]
    summaries += [ask("trained", "bs", eval_users=5), ask("trained", "bs", beam=3)]
    assert trainings == [True]
    assert len({summary["run"] for summary in summaries}) == len(summaries)
    assert [summary["fit"]["valid_loss"] for summary in summaries] == [[1.5, 1.25]] * len(summaries)
    ask("trained", "bs", categories="none")
    assert trainings == [True, False]
    for change in ({"seed": 1}, {"max_minutes": 9.0}, {"users": 20}, {"size": "small"}):
        ask("trained", "bs", **change)
    assert len(trainings) == 6


def test_fresh_forgets_the_fitted_model_too(ask, trainings):
    first = answer(ask("trained", "rank-items"))
    second = answer(ask("trained", "rank-items", setup={"fresh": True}))
    assert len(trainings) == 2
    assert second != first


@pytest.mark.parametrize("trained_anew", [False, True])
def test_parts_of_an_older_training_are_not_mixed_in(ask, trainings, interrupt, decoded, monkeypatch, trained_anew):
    monkeypatch.setattr(runner, "SHARD_USERS", 16)
    interrupt(3)
    with pytest.raises(KeyboardInterrupt):
        ask("trained", "bs")
    ask("trained", "rank-items", setup={"fresh": trained_anew})
    decoded.clear()
    ask("trained", "bs")
    assert len(trainings) == 1 + trained_anew
    assert decoded["users"] == (USERS if trained_anew else USERS - 32)
    assert any("with weights" in notice for notice in ask.notices) == trained_anew


def test_a_damaged_model_is_fitted_again(ask, trainings, tmp_path, data):
    ask("trained", "bs")
    fit = FitFolder(resolve_question(Question("trained", "bs", data=DATA)).spec(data), tmp_path / "runs", pytest.fail)
    (fit.path / "weights").write_text("7")
    ask("trained", "dbs-dedup")
    assert len(trainings) == 2
    assert any(str(fit.path / "weights") in notice for notice in ask.notices)


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"model": "markov:decay=0.5", "decoder": "dbs-penalty:variant=released", "beam": 3, "seed": 12345678},
        {"categories": "none", "users": None, "eval_users": 9},
        {"categories": "history", "users": 40, "exclude_history": True},
        {"model": "trained", "size": "small", "max_minutes": 1.2345678},
    ],
    ids=str,
)
def test_the_command_asks_the_same_question(ask, trainings, question, tmp_path, monkeypatch):
    from mindrec_bench.cli import cli

    summary = ask(**question)
    words = shlex.split(summary["command"])
    assert words[:2] == ["mrbench", "run"]
    asked = []
    monkeypatch.setattr(runner, "run_question", lambda question, setup: asked.append(question) or summary)
    cli.main(words[1:], standalone_mode=False)
    resolved = resolve_question(asked[0])
    data = resolved.source.load(None, users=asked[0].users, notify=lambda line: None)
    assert resolved.spec(data).id == summary["run"]


def test_the_stored_device_is_the_one_that_was_used(ask):
    assert ask(setup={"device": "auto"})["environment"]["device"] == ("cuda" if torch.cuda.is_available() else "cpu")


def test_setup_never_changes_the_id(ask, tmp_path):
    first = ask()
    other = ask(setup={"runs_dir": tmp_path / "other", "batch_size": 3, "wait": False, "data_dir": tmp_path})
    assert other["run"] == first["run"]


@pytest.fixture
def jobs(monkeypatch):
    """The module of jobs, which worker processes find too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import jobs

    return jobs


def test_any_number_of_processes_decodes_to_the_same_bytes(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "SHARD_USERS", 16)
    runs = [ask("markov", "dbs-penalty", setup={"runs_dir": tmp_path / str(n), "devices": n}) for n in (1, 2, 3)]
    assert answer(runs[0]) == answer(runs[1]) == answer(runs[2])
    assert runs[0]["metrics"] == runs[1]["metrics"] == runs[2]["metrics"]
    assert runs[0]["run"] == runs[1]["run"] == runs[2]["run"]
    assert [run["timings"]["processes"] for run in runs] == [1, 2, 3]
    assert [run["timings"]["forward_passes"] for run in runs] == [4 * 7] * 3
    assert ask.notices == []


def test_a_killed_process_ends_the_run_and_the_next_start_continues(ask, monkeypatch, decoded, tmp_path, jobs):
    monkeypatch.setattr(runner, "SHARD_USERS", 12)
    straight = ask(setup={"runs_dir": tmp_path / "straight"})
    with monkeypatch.context() as patch:
        patch.setattr(runner, "_work", jobs.killed_after_a_part)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            ask(setup={"devices": 2})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = {shard.name[:5] for shard in folder.glob("[0-9]*.parquet")}
    assert "00001" in shards, "the killed process wrote its first part"
    assert "00003" not in shards, "and not its second"
    decoded.clear()
    assert answer(ask()) == answer(straight)
    assert decoded["users"] == USERS - 12 * len(shards)


def fits(root):
    """The weights of all fitted models under a run store."""
    return [path.read_bytes() for path in sorted(root.glob("*/*/fit/*/weights.safetensors"))]


def test_a_model_that_two_processes_trained_is_decoded_by_any_number(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "SHARD_USERS", 32)
    two = ask("llada:epochs=1", "bs", setup={"devices": 2})
    assert "--train-devices 2" in two["command"]
    assert "llada on arts-sim, cpu, size tiny (auto: the smallest, for a simulation), 2 processes" in ask.notices[0]
    shutil.copytree(tmp_path / "runs", tmp_path / "copy", ignore=shutil.ignore_patterns("bs"))
    one = ask("llada:epochs=1", "bs", train_devices=2, setup={"devices": 1, "runs_dir": tmp_path / "copy"})
    assert answer(one) == answer(two)
    assert one["run"] == two["run"]
    assert (one["timings"]["processes"], two["timings"]["processes"]) == (1, 2)
    assert sum(line.startswith("training") for line in ask.notices) == 1, "the model was reused"
    alone = ask("llada:epochs=1", "bs")
    assert alone["run"] != two["run"]
    assert len(set(fits(tmp_path / "runs"))) == 2


@pytest.mark.slow
def test_a_killed_training_process_ends_the_run_and_the_next_start_continues_to_the_same_bits(
    ask, monkeypatch, tmp_path, jobs
):
    question = {"model": "llada:epochs=2", "decoder": "bs", "train_devices": 2, "eval_users": 1}
    straight = ask(**question, setup={"runs_dir": tmp_path / "straight"})
    assert straight["fit"]["steps"] == 10
    with monkeypatch.context() as patch:
        patch.setattr(runner, "_work", jobs.killed_at_step_7)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            ask(**question)
    ask.notices.clear()
    ask(**question)
    assert "training continues at step 6 of 10" in ask.notices
    assert fits(tmp_path / "runs") == fits(tmp_path / "straight")


def test_devices_without_a_gpu_each_are_refused(ask, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"2 processes take a GPU each, and this machine has 1; give --devices"):
        ask(setup={"device": "cuda", "devices": 2})


def test_the_number_of_training_processes_is_part_of_the_question_where_they_share_it(tmp_path, data):
    def spec(model, **question):
        return resolve_question(Question(model, "dbs-dedup", data=DATA, **question)).spec(data)

    for model, several in (("llada", True), ("sasrec", False), ("markov", False)):
        alone, two = spec(model), spec(model, train_devices=2)
        assert (alone.train_devices, two.train_devices) == (1, 2 if several else 1)
        assert (alone.id != two.id, alone.fit_id != two.fit_id) == (several, several)


@pytest.mark.parametrize(("flag", "settings"), [("--devices", {"setup": {"devices": 0}}), ("--train-devices", {})])
def test_no_process_at_all(ask, flag, settings):
    with pytest.raises(UsageError, match=f"{flag} is 0; it must be at least 1"):
        ask(**(settings or {"train_devices": 0}))
