"""Search error against enumeration, on decoders that find everything, and through whole runs."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.core.catalogue import CatalogueIndex
from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.core.lifting import adapt, item_weights
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.metrics.names import KS, SEARCH_METRICS
from mindrec_bench.metrics.search_error import TIE_TOLERANCE, search_error, search_error_against
from mindrec_bench.plugins import registry
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, catalogue_model, make_canvas, random_space

EXACTNESS = [name for name in SEARCH_METRICS if not name.startswith("certified")]
SMALL = "arts-sim:users=80,items=50"


def index_of(space: CodeSpace) -> CatalogueIndex:
    return space.index(tuple(range(space.n_slots)))


def ranking_of(codes: np.ndarray, items: np.ndarray | None = None) -> Ranking:
    filled = torch.from_numpy((codes >= 0).all(axis=2))
    scores = torch.zeros(codes.shape[:2], dtype=torch.float64).where(filled, -torch.inf)
    return Ranking(
        torch.from_numpy(codes), scores, filled.sum(dim=1), None if items is None else torch.from_numpy(items)
    )


def enumerated(probs: dict[tuple[int, ...], float], results: list[tuple[int, ...]], k: int) -> tuple[float, float]:
    """Whether the first k results have the k highest probabilities, and how much of these they lack."""
    best = (sorted(probs.values(), reverse=True) + [0.0] * k)[:k]
    reached = (sorted((probs.get(codes, 0.0) for codes in set(results[:k])), reverse=True) + [0.0] * k)[:k]
    return float(all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(reached, best, strict=True))), sum(best) - sum(
        reached
    )


@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    n_items=st.integers(4, 12),
    n_given=st.integers(0, 2),
    exclude=st.booleans(),
    beam=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_against_enumeration(sizes, n_items, n_given, exclude, beam, seed):
    """Any lists: duplicates, no items, short ones; items that share codes; ties; given codes that few items match; seen
    items that are excluded."""
    rng = np.random.default_rng(seed)
    space = random_space(sizes, n_items, n_categories=n_given, seed=seed)
    items = [tuple(codes) for codes in space.item_codes.tolist()]
    weights = rng.integers(0, 4, size=(3, n_items)).astype(float)
    start = np.full((3, len(sizes)), MASK)
    start[:, :n_given] = space.item_codes[rng.integers(n_items, size=3), :n_given]
    pool = np.concatenate([space.item_codes, rng.integers(sizes, size=(4, len(sizes))), np.full((1, len(sizes)), -1)])
    codes = pool[rng.integers(len(pool), size=(3, beam))]
    seen = np.full((3, 1), -1)
    if exclude and n_given < len(sizes):
        seen = seen_items(Histories(rng.integers(-1, n_items, size=(3, 4)), np.arange(3)), space.sid_index)
    canvas = make_canvas(space, np.arange(3), start=start, excluded=seen)
    errors = search_error(torch.from_numpy(weights), canvas, ranking_of(codes), index_of(space))
    assert list(errors) == [name for name in EXACTNESS if int(name.partition("@")[2]) <= beam]
    for user in range(3):
        mass: dict[tuple[int, ...], float] = defaultdict(float)
        for number, (item, weight) in enumerate(zip(items, weights[user], strict=True)):
            if item[:n_given] == tuple(start[user, :n_given]) and number not in seen[user]:
                mass[item] += weight
        total = sum(mass.values()) or 1.0
        probs = {item: weight / total for item, weight in mass.items()}
        for k in (k for k in KS if k <= beam):
            exact, lost = enumerated(probs, [tuple(result) for result in codes[user].tolist()], k)
            assert errors[f"exact@{k}"][user] == exact
            assert errors[f"lost@{k}"][user] == pytest.approx(lost, abs=1e-12)
            share = lost / (sum(sorted(probs.values())[-k:]) or 1.0)
            assert errors[f"lost_share@{k}"][user] == pytest.approx(share, abs=1e-12)


def test_probabilities_that_scores_cannot_tell_apart_are_equal():
    space = CodeSpace.build(np.array([[0, 0], [0, 1], [1, 0]]))
    codes = np.array([[[0, 1]]])
    canvas = make_canvas(space, np.arange(1))
    for gap, exact in ((TIE_TOLERANCE / 2, 1.0), (TIE_TOLERANCE * 2, 0.0)):
        weights = torch.tensor([[1.0, 1.0 - gap, 0.1]], dtype=torch.float64)
        assert search_error(weights, canvas, ranking_of(codes), index_of(space))["exact@1"] == [exact]


def test_where_items_are_ranked_two_that_share_codes_are_two_results():
    space = CodeSpace.build(np.array([[0, 0], [0, 0], [1, 0], [1, 1]]))
    weights = torch.tensor([[0.3, 0.3, 0.25, 0.15]], dtype=torch.float64)
    items = np.array([[0, 1, 2]])
    canvas, codes = make_canvas(space, np.arange(1)), space.item_codes[items]
    by_item = search_error(weights, canvas, ranking_of(codes, items), index_of(space))
    by_codes = search_error(weights, canvas, ranking_of(codes), index_of(space))
    assert (by_item["exact@3"].tolist(), by_item["lost@3"].tolist()) == ([1.0], [0.0])
    assert by_codes["exact@1"] == [1.0]
    assert by_codes["exact@3"] == [0.0]
    assert by_codes["lost@3"] == pytest.approx([0.15])


@given(
    n_items=st.integers(2, 12),
    beam=st.integers(1, 10),
    seed=st.integers(0, 2**32 - 1),
    shortlist=st.integers(1, 12),
)
def test_against_a_ranking_of_some_of_the_items(n_items, beam, seed, shortlist):
    """The reference knows a shortlist; what the decoder finds beyond it counts for both. -1: padding, or no item."""
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(n_items), size=3))
    listed = np.stack([rng.permutation(n_items)[:shortlist] for _ in range(3)])
    best = np.full((3, beam), -1)
    for user in range(3):
        ranked = sorted(listed[user], key=lambda item: -log_probs[user, item])[:beam]
        best[user, : len(ranked)] = ranked
    results = rng.integers(-1, n_items, size=(3, beam))
    noise = rng.normal(scale=1e-6, size=(3, beam))  # another batch rounds otherwise
    users = np.arange(3)[:, None]
    score = [np.where(items < 0, -np.inf, log_probs[users, items]) for items in (best, results)]
    errors = search_error_against(best, score[0], results, score[1] + noise)
    for user in range(3):
        known = {*best[user], *results[user]} - {-1}
        probs = {(item,): math.exp(log_probs[user, item]) for item in known}
        for k in (k for k in KS if k <= beam):
            top = sorted(probs.values(), reverse=True)[:k]
            found = {(item,) for item in results[user, :k].tolist()}
            lost = sum(top) - sum(probs.get(item, 0.0) for item in found)
            assert errors[f"exact@{k}"][user] == float(len(found & set(probs)) >= len(top) and lost < 1e-9)
            assert errors[f"lost@{k}"][user] == pytest.approx(lost, abs=1e-5)
            assert errors[f"lost_share@{k}"][user] == pytest.approx(lost / (sum(top) or 1.0), abs=1e-4)


def test_a_network_has_no_exact_answer():
    space, model = random_space((2, 3), 4), TabularDenoiser.random((2, 3))
    for needs in ("denoiser", "causal"):
        context = adapt(model, "denoiser", needs, space).begin(Histories(np.full((1, 1), -1), np.arange(1)), (0, 1))
        assert item_weights(context) is None


@pytest.mark.parametrize("spec", ["adaptive", "dbs-dedup", "ar-beam", "block-m:m=2,prune=dbs-dedup", "rank-items"])
@pytest.mark.parametrize("n_categories", [0, 1])
@pytest.mark.parametrize("exclude", [False, True])
def test_a_beam_as_wide_as_the_catalogue_misses_nothing(spec, n_categories, exclude):
    space = random_space((2, 3, 2, 3), 20, n_categories=n_categories, seed=5)
    probs = np.random.default_rng(6).exponential(size=(4, 20))
    case = DecodingProblem("catalogue", space, catalogue_model(probs), "items")
    users = np.arange(4)
    if exclude:
        case = replace(case, excluded=seen_items(Histories(probs.argsort()[:, -6:], users), space.sid_index))
    ranking = case.decode(registry.make("decoder", spec)[1], users, beam=40)
    errors = search_error(torch.from_numpy(probs), case.canvas(users), ranking, index_of(space))
    for k in KS:
        assert errors[f"exact@{k}"].tolist() == [1.0] * 4
        assert errors[f"lost@{k}"] == pytest.approx(np.zeros(4), abs=1e-12)


@pytest.fixture
def run_small(tmp_path):
    def run(model, decoder, *, options=None, **config):
        options = {"runs_dir": tmp_path / "runs", "device": "cpu"} | (options or {})
        return run_experiment(
            ExperimentConfig(model, decoder, **({"data": SMALL} | config)), ExecutionOptions(**options)
        ).run.as_dict()

    return run


@pytest.mark.parametrize("model", ["markov", "oracle"])
@pytest.mark.parametrize("categories", ["none", "history", "generate", "given"])
def test_exact_ranking_misses_nothing(run_small, model, categories):
    errors = run_small(model, "rank-items", categories=categories, exclude_history=model == "markov")["search_error"]
    assert errors == {name: float(name.startswith("exact")) for name in EXACTNESS}


def test_the_oracle_shows_what_a_search_loses(run_small):
    """All orders of a few sequences fill the beams of `bs`; from left to right with a beam as wide as the catalogue
    there is nothing to lose."""
    narrow, wide = run_small("oracle", "bs")["search_error"], run_small("oracle", "ar-beam", beam=60)["search_error"]
    assert narrow["exact@10"] < 0.1
    assert narrow["lost@10"] > 0.1
    assert all(wide[f"exact@{k}"] == 1.0 for k in KS)
    assert all(wide[f"lost@{k}"] == pytest.approx(0, abs=1e-12) for k in KS)


def test_it_is_stored_for_each_user_up_to_the_beam(run_small):
    summary = run_small("pop", "dbs-penalty", beam=5)
    table = pq.ParquetFile(Path(summary["path"]) / "metrics.parquet").read()
    assert set(summary["search_error"]) == {name for name in EXACTNESS if not name.endswith("@10")}
    for name, mean in summary["search_error"].items():
        assert np.mean(table[name].to_numpy()) == pytest.approx(mean)


def test_shards_and_batches_change_nothing(run_small, tmp_path):
    whole = run_small("markov", "bs")
    options = {"runs_dir": tmp_path / "parts", "batch_size": 7, "shard_users": 16}
    sharded = run_small("markov", "bs", options=options)
    assert sharded["search_error"] == pytest.approx(whole["search_error"], abs=1e-12)


def test_it_makes_no_forward_passes(run_small):
    timings = run_small("markov", "bs", categories="none")["timings"]
    assert timings["forward_passes"] == 4, "one batch, one pass per slot"
    assert run_small("markov", "rank-items")["timings"]["forward_passes"] == 1
