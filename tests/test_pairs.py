"""Every registered backbone with every registered decoder, in both constraints: allowed pairs run, and refused pairs
say why."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mindrec_baselines.recbole_backend import compat
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.plugins import registry
from mindrec_bench.store.models import FittedModelFolder

pytestmark = pytest.mark.usefixtures("small_networks")

USERS, ITEMS, BEAM = 16, 60, 5
DATA = f"arts-sim:users={USERS},items={ITEMS}"
CONSTRAINTS = ("slots", "catalogue")

MODEL_OPTIONS = dict.fromkeys(
    ("esasrec", "llada", "llama3", "qwen2.5", "recbole", "sasrec", "tiger"), "epochs=1,batch=64"
)
MODEL_OPTIONS["idgenrec"] = "epochs=1,batch=64,rounds=1,keyword_epochs=2"
DECODER_OPTIONS = {"n-per-step": "n=2", "block-m": "m=2"}

RECBOLE_MODELS = {"recbole", "sasrec"}
ITEMS_MODELS = {"esasrec", "itemknn", "last-items", "markov", "oracle", "pop"} | RECBOLE_MODELS
DENOISERS = {"llada", "rpg"}
CAUSAL_MODELS = {"idgenrec", "llama3", "qwen2.5", "tiger"}
WITH_MODEL_CODES = {"idgenrec"}
DIFFUSION_DECODERS = {"adaptive", "block-m", "bs", "dbs-dedup", "dbs-penalty", "n-per-step"}

PAIRS = list(product(registry.names("model"), registry.names("decoder")))
ALLOWED = [
    (model, decoder)
    for model, decoder in PAIRS
    if registry.can_answer(registry.load("model", model).capability, registry.load("decoder", decoder).needs)
]


def is_slow(model: str, constrain: str) -> bool:
    """For models that score items the constraint is the decoder's alone, and `markov` stands for them."""
    return constrain == "slots" and model in ITEMS_MODELS - {"markov"}


ALLOWED_CONSTRAINED = [
    pytest.param(model, decoder, constrain, marks=[pytest.mark.slow] * is_slow(model, constrain))
    for model, decoder in ALLOWED
    for constrain in CONSTRAINTS
]
REFUSED = [pair for pair in PAIRS if pair not in ALLOWED]
TRAINED = [name for name in registry.names("model") if registry.load("model", name).sizes]

DATASET = ArtsSim(users=USERS, items=ITEMS).load(None, users=None)
SPACE = DATASET.space(categories=True)
SLOTS = tuple(range(SPACE.n_slots))
SEEN = seen_items(DATASET.test().histories, SPACE.sid_index)


def with_options(name: str, options: dict[str, str]) -> str:
    return f"{name}:{options[name]}" if name in options else name


def make_config(model: str, decoder: str, **changes) -> ExperimentConfig:
    size = "tiny" if model in TRAINED else "auto"
    names = with_options(model, MODEL_OPTIONS), with_options(decoder, DECODER_OPTIONS)
    return ExperimentConfig(*names, data=DATA, beam=BEAM, size=size, **changes)


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory) -> Path:
    """One run store for all tests of all pytest workers, so that each backbone is fitted once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pairs"


@pytest.fixture
def run(runs_dir, notices):
    """run(config): the summary; `run.notices` has the messages."""

    def run(config: ExperimentConfig):
        options = ExecutionOptions(runs_dir=runs_dir, device="cpu")
        return run_experiment(config, options).run.as_dict()

    run.notices = notices
    return run


def skip_without_recbole(model: str) -> None:
    if model not in RECBOLE_MODELS:
        return
    try:
        compat.require_recbole()
    except UsageError as error:
        pytest.skip(str(error))


def read_rankings(summary):
    return pq.ParquetFile(Path(summary["path"]) / "rankings.parquet").read()


def check_lists(table, model_codes: bool = False, all_users: bool = True) -> np.ndarray:
    """Check that every user (`all_users`), or some, have 1 to BEAM results, ranked from 1, with falling scores.

    Returns:
        The code indices; for models with codes of their own, those of the items (-1 without an item). Shape: (rows, T)
    """
    user, rank, score = (table[name].to_numpy() for name in ("user", "rank", "score"))
    users, lengths = np.unique(user, return_counts=True)
    assert set(users) == set(DATASET.users) if all_users else set(users) <= set(DATASET.users)
    assert lengths.max() <= BEAM
    assert rank.tolist() == [position for length in lengths for position in range(1, length + 1)]
    assert np.isfinite(score).all()
    assert (np.diff(score)[np.diff(user) == 0] <= 1e-8).all()
    if model_codes:
        indices = {item: index for index, item in enumerate(DATASET.item_ids)} | {None: -1}
        items = np.array([indices[item] for item in table["item"].to_pylist()])
        return np.where(items[:, None] >= 0, SPACE.item_codes[items], -1)
    numbers = np.array(table["codes"].to_pylist())
    codes = SPACE.from_numbers(numbers, SLOTS)
    assert (codes >= 0).all(), "a code that is not in its slot's vocabulary"
    return codes


def test_all_pairs_are_covered():
    assert len(ITEMS_MODELS | DENOISERS | CAUSAL_MODELS) == 14
    assert len(DIFFUSION_DECODERS | {"ar-beam", "rank-items"}) == 8
    assert set(registry.names("model")) == ITEMS_MODELS | DENOISERS | CAUSAL_MODELS
    assert set(registry.names("decoder")) == DIFFUSION_DECODERS | {"ar-beam", "rank-items"}
    allowed = set(product(ITEMS_MODELS, DIFFUSION_DECODERS | {"ar-beam", "rank-items"}))
    allowed |= set(product(DENOISERS, DIFFUSION_DECODERS | {"ar-beam", "rank-items"}))
    allowed |= set(product(CAUSAL_MODELS, {"ar-beam", "rank-items"}))
    assert set(ALLOWED) == allowed
    assert (len(PAIRS), len(ALLOWED), len(REFUSED)) == (112, 88, 24)
    assert set(TRAINED) == DENOISERS | CAUSAL_MODELS | RECBOLE_MODELS | {"esasrec"}
    assert SPACE.n_categories > 0, "the searches fill category slots too"


@pytest.mark.parametrize(("model", "decoder", "constrain"), ALLOWED_CONSTRAINED)
def test_allowed_pair_runs(run, model, decoder, constrain):
    skip_without_recbole(model)
    summary = run(make_config(model, decoder, constrain=constrain))
    codes = check_lists(read_rankings(summary), model_codes=model in WITH_MODEL_CODES)
    metrics = summary["metrics"]
    sids = codes[:, None, SPACE.n_categories :]
    assert metrics["valid"] == pytest.approx((sids == SPACE.item_sids).all(axis=2).any(axis=1).mean())
    assert all(0 <= metrics[f"{name}@{k}"] <= 1 for name in ("hr", "ndcg") for k in (1, 3, 5))
    assert summary["size"] == ("tiny" if model in TRAINED else "")
    assert (summary["fit"] is not None) == (model in TRAINED)
    if constrain == "catalogue" or decoder == "rank-items":
        assert (codes[:, None] == SPACE.item_codes).all(axis=2).any(axis=1).all(), "a result is no catalogue item"
        assert metrics["valid"] == 1.0


def test_without_the_catalogue_constraint_an_untrained_model_makes_items_up(run):
    """What the constraint prevents."""
    for model, decoder in (("llada", "bs"), ("llama3", "ar-beam")):
        assert run(make_config(model, decoder, constrain="slots"))["metrics"]["valid"] < 0.9


@pytest.mark.parametrize("exclude_history", [False, True])
@pytest.mark.parametrize("model", sorted(ITEMS_MODELS))
def test_rank_items_is_the_exact_ranking(run, runs_dir, model, exclude_history):
    skip_without_recbole(model)
    config = make_config(model, "rank-items", exclude_history=exclude_history)
    table = read_rankings(run(config))
    codes = check_lists(table)
    resolved = resolve_config(config)
    folder = FittedModelFolder(resolved.run_spec(DATASET), runs_dir).path
    fitted = resolved.backbone.load(Task(DATASET, SPACE, size=resolved.size(DATASET)), folder)
    histories = DATASET.test().histories
    scores = fitted.begin(histories, SLOTS).log_probs().double()
    if exclude_history:
        user, place = (SEEN >= 0).nonzero()
        scores[user, SEEN[user, place]] = -torch.inf
        scores = scores.log_softmax(dim=1)
    assert torch.allclose(scores.exp().sum(dim=1), torch.ones(USERS, dtype=torch.float64), atol=1e-6)
    best = scores.sort(dim=1, descending=True).values[:, :BEAM].flatten().numpy()
    np.testing.assert_allclose(table["score"].to_numpy(), best, atol=1e-5)
    items = np.array([int(item) for item in table["item"].to_pylist()])
    rows = np.repeat(np.arange(USERS), BEAM)
    np.testing.assert_allclose(scores.numpy()[rows, items], best, atol=1e-5)
    assert (SPACE.item_codes[items] == codes).all()
    if exclude_history:
        assert not (SEEN[rows] == items[:, None]).any()


@pytest.mark.parametrize("constrain", CONSTRAINTS)
@pytest.mark.parametrize(
    ("model", "decoder"), [pair for pair in ALLOWED if pair[0] not in ITEMS_MODELS - {"markov"}], ids=lambda name: name
)
def test_history_is_excluded_and_as_many_results_remain(run, model, decoder, constrain):
    table = read_rankings(run(make_config(model, decoder, constrain=constrain, exclude_history=True)))
    # Where what no item has is impossible, all beams of a small catalogue may lead to the history; an ID that ends has
    # one continuation.
    can_go_on = constrain == "slots" and model not in {"markov"} | WITH_MODEL_CODES
    codes = check_lists(table, model_codes=model in WITH_MODEL_CODES, all_users=can_go_on)
    rows, counts = np.unique(np.searchsorted(DATASET.users, table["user"].to_numpy()), return_counts=True)
    seen_codes = np.where((SEEN >= 0)[..., None], SPACE.item_sids[SEEN], -1)
    results = np.split(codes[:, SPACE.n_categories :], np.cumsum(counts)[:-1])
    for row, sids in zip(rows, results, strict=True):
        assert not (sids[:, None] == seen_codes[row]).all(axis=2)[(sids >= 0).all(axis=1)].any()
    if can_go_on:
        assert (counts == BEAM).all()


REASONS = dict.fromkeys(product(CAUSAL_MODELS, DIFFUSION_DECODERS), "it only knows the next code from left to right")


@pytest.mark.parametrize(("model", "decoder"), REFUSED, ids=lambda name: name)
def test_refused_pair_says_why_and_what_fits(tmp_path, model, decoder):
    with pytest.raises(UsageError) as caught:
        run_experiment(make_config(model, decoder), ExecutionOptions(runs_dir=tmp_path / "runs"))
    refusal, of_model, of_decoder = str(caught.value).split("; ")
    assert refusal.startswith(f"decoder '{decoder}' can't work with model '{model}': {REASONS[model, decoder]}")
    decoders = [allowed for other, allowed in ALLOWED if other == model]
    models = [allowed for allowed, other in ALLOWED if other == decoder]
    assert of_model == f"'{model}' works with {', '.join(decoders)}"
    assert of_decoder == f"'{decoder}' works with {', '.join(models)}"
    assert decoders
    assert models
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("model", TRAINED)
def test_backbone_is_fitted_once_for_all_decoders(run, runs_dir, model):
    skip_without_recbole(model)
    first = run(make_config(model, "ar-beam"))
    run.notices.clear()
    other = run(make_config(model, "ar-beam" if model in CAUSAL_MODELS else "bs", eval_users=USERS - 1))
    assert other["run"] != first["run"]
    assert [line for line in run.notices if line.startswith("training")] == []
    assert other["fit"] == first["fit"]
    fits = list((runs_dir / "arts-sim" / model / "fit").glob("*/report.json"))
    assert len(fits) == 1


@pytest.mark.parametrize(
    ("model", "decoder", "same_model", "same_decoder"),
    [
        ("markov", "bs", "markov:decay=0.8", "bs:normalise=vocabulary"),
        ("itemknn", "n-per-step", "itemknn", "n-per-step:prune=dbs-penalty,n=2"),
        ("llada", "block-m", "llada:batch=64,p_mask=0.6,epochs=1,lr=0.003", "block-m:prune=dbs-penalty,m=2"),
        ("llama3", "ar-beam", "llama3:dropout=0.1,batch=64,epochs=1,shuffle=yes", "ar-beam"),
    ],
)
def test_equal_configs_are_one_run(run, model, decoder, same_model, same_decoder):
    first = run(make_config(model, decoder))
    run.notices.clear()
    size = "tiny" if model in TRAINED else "auto"
    repeated = run(ExperimentConfig(same_model, same_decoder, data=DATA, beam=BEAM, size=size, eval_users=USERS))
    assert repeated == first
    assert run.notices == ["this run is done already; --fresh computes it again"]


def test_other_configs_are_other_runs(run):
    runs = [
        run(make_config("markov", "n-per-step"))["run"],
        run(make_config("markov", "n-per-step", constrain="catalogue"))["run"],
        run(ExperimentConfig("markov", "n-per-step:n=3", data=DATA, beam=BEAM))["run"],
        run(ExperimentConfig("markov:decay=0.5", "n-per-step:n=2", data=DATA, beam=BEAM))["run"],
    ]
    assert len(set(runs)) == len(runs)
