"""`arts-sim`: its probabilities against a loop, against its samples, and against statistics of Arts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.data.simulation.arts_sim import ArtsSim, Simulation, optimum
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import options


def load(source: ArtsSim, users: int | None = None) -> Dataset:
    return source.load(None, users=users)


@pytest.fixture(scope="module")
def default() -> Dataset:
    return load(ArtsSim())


@pytest.fixture(scope="module")
def tiny() -> Simulation:
    return simulation_of(load(ArtsSim(users=1, items=50, seed=3)))


def simulation_of(data: Dataset) -> Simulation:
    assert data.simulation is not None
    return data.simulation


def padded(*rows: list[int]) -> np.ndarray:
    return np.array([[-1] * (HISTORY - len(row)) + row for row in rows])


HISTORIES = padded([], [7], [3, 1, 4], [3, 1, 3], list(range(20, 20 + HISTORY)))


def probabilities_with_loops(simulation: Simulation, history: list[int]) -> np.ndarray:
    catalogue = simulation.catalogue
    weights = [simulation.decay ** (len(history) - 1 - index) for index in range(len(history))]
    scores = catalogue.popularity.copy()
    for item in range(len(scores)):
        for weight, past in zip(weights, history, strict=True):
            share = weight / sum(weights)
            for level, strength in enumerate(simulation.stickiness, start=1):
                if (catalogue.categories[item, :level] == catalogue.categories[past, :level]).all():
                    scores[item] *= np.exp(strength * share)
            scores[item] *= np.exp(simulation.affinity * share * (catalogue.vectors[item] @ catalogue.vectors[past]))
    scores[history] = 0
    return scores / scores.sum()


def test_closed_form(tiny: Simulation) -> None:
    probabilities = np.exp(tiny.log_probs(HISTORIES))
    expected = [probabilities_with_loops(tiny, [int(item) for item in row if item >= 0]) for row in HISTORIES]
    assert probabilities == pytest.approx(np.array(expected), rel=1e-9, abs=1e-15)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(HISTORIES)), abs=1e-12)


def test_only_the_last_ten_items_matter(tiny: Simulation) -> None:
    older = np.concatenate([np.array([[40, 41]]), HISTORIES[-1:]], axis=1)
    np.testing.assert_array_equal(tiny.log_probs(older), tiny.log_probs(HISTORIES[-1:]))
    moved = np.exp(tiny.log_probs(HISTORIES[-1:, ::-1]))
    assert np.abs(moved - np.exp(tiny.log_probs(HISTORIES[-1:]))).max() > 0.001


@pytest.mark.parametrize("row", range(len(HISTORIES)))
def test_draws_follow_the_probabilities(tiny: Simulation, row: int) -> None:
    n = 20_000
    uniforms = np.random.default_rng([1, row]).random(n)
    drawn = tiny.sample_items(np.repeat(HISTORIES[row : row + 1], n, axis=0), uniforms)
    probabilities = np.exp(tiny.log_probs(HISTORIES[row : row + 1]))[0]
    counts = np.bincount(drawn, minlength=len(probabilities))
    assert counts[probabilities == 0].sum() == 0
    frequent = probabilities * n >= 10
    rest = [counts[~frequent].sum()], [probabilities[~frequent].sum() * n + 1e-9]
    result = chisquare(
        np.concatenate([counts[frequent], rest[0]]),
        np.concatenate([probabilities[frequent] * n, rest[1]]),
        sum_check=False,
    )
    assert result.pvalue > 0.001


def test_sequences_follow_the_probabilities(default: Dataset) -> None:
    """If p* made the data, the test targets' mean log p* is what p* itself expects, within 4 standard errors."""
    test = default.test()
    log_probs = simulation_of(default).log_probs(test.histories.items)
    gained = np.take_along_axis(log_probs, test.targets[:, None], axis=1)[:, 0]
    probabilities = np.exp(log_probs)
    finite = np.where(probabilities > 0, log_probs, 0)
    mean = (probabilities * finite).sum(axis=1)
    variance = (probabilities * finite**2).sum(axis=1) - mean**2
    assert abs((gained - mean).sum()) < 4 * np.sqrt(variance.sum())


def test_same_options_same_data(default: Dataset) -> None:
    assert load(ArtsSim(seed=1)).fingerprint != default.fingerprint
    again = load(ArtsSim())
    assert again is not default, "drawn again, since only the latest data is kept"
    assert again.fingerprint == default.fingerprint
    np.testing.assert_array_equal(again.items, default.items)
    assert load(ArtsSim()) is again


def test_first_users_do_not_depend_on_how_many_are_drawn(default: Dataset) -> None:
    few = load(ArtsSim(), users=30)
    np.testing.assert_array_equal(few.offsets, default.offsets[:31])
    np.testing.assert_array_equal(few.items, default.items[: few.offsets[-1]])
    assert load(ArtsSim(users=30)).fingerprint == few.fingerprint
    assert load(ArtsSim(users=30), users=5000).n_users == 30


def test_calibrated_to_arts(default: Dataset) -> None:
    """In the brackets: the first 5,000 users of Arts."""
    lengths = np.diff(default.offsets)
    assert lengths.min() == 5  # (5)
    assert np.median(lengths) == pytest.approx(8, abs=1)  # (8)
    assert lengths.mean() == pytest.approx(12.7, abs=1)  # (12.7)
    assert np.quantile(lengths, 0.95) == pytest.approx(33, abs=4)  # (33)
    counts = np.sort(np.bincount(default.items, minlength=default.n_items))[::-1]
    shares = [counts[: default.n_items * percent // 100].sum() / counts.sum() for percent in (10, 20)]
    assert shares == pytest.approx([0.41, 0.57], abs=0.15)  # (0.41, 0.57)
    slope = np.polyfit(np.log(np.arange(1, 201)), np.log(counts[:200]), 1)[0]
    assert -0.9 < slope < -0.4  # (-0.46 over the first 1,000, -0.57 over the first 5,000)
    assert default.space(categories=True).sizes[:3] == (12, 16, 15)  # (12, 16, 15)


def test_categories_stick(default: Dataset) -> None:
    """Neighbours share their first category code much more often than any two interactions do (Arts: 0.47 and 0.15)."""
    first = default.categories[default.items, 0]  # type: ignore[index]
    inside = np.ones(len(first), dtype=bool)
    inside[default.offsets[:-1]] = False
    at = np.flatnonzero(inside)
    chance = ((np.bincount(first) / len(first)) ** 2).sum()
    assert chance < 0.2
    assert 0.7 < (first[at] == first[at - 1]).mean() < 0.95


def test_no_target_repeats_its_history(default: Dataset) -> None:
    for examples in (default.train_examples(), default.validation(), default.test()):
        assert not (examples.histories.items == examples.targets[:, None]).any()


def test_optimum_against_loops(tiny: Simulation) -> None:
    best = np.sort(
        np.array([probabilities_with_loops(tiny, [int(item) for item in row if item >= 0]) for row in HISTORIES])
    )[:, ::-1]
    best_metrics = optimum(tiny, HISTORIES, n_items=len(tiny.catalogue.popularity), ks=(1, 3))
    assert list(best_metrics) == ["hr@1", "hr@3", "ndcg@1", "ndcg@3"]
    assert best_metrics["hr@1"] == best_metrics["ndcg@1"] == pytest.approx(best[:, 0].mean())
    assert best_metrics["hr@3"] == pytest.approx(best[:, :3].sum(axis=1).mean())
    assert best_metrics["ndcg@3"] == pytest.approx((best[:, 0] + best[:, 1] / np.log2(3) + best[:, 2] / 2).mean())


def test_optimum_is_what_ranking_by_the_truth_reaches(default: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    test = default.test()
    simulation = simulation_of(default)
    best = optimum(simulation, test.histories.items, n_items=len(simulation.catalogue.popularity))
    assert list(best) == [f"{metric}@{k}" for metric in ("hr", "ndcg") for k in (1, 3, 5, 10)]
    top = np.argsort(-simulation.log_probs(test.histories.items), axis=1)[:, :10]
    hits = top == test.targets[:, None]
    gains = hits / np.log2(np.arange(10) + 2)
    for k in (1, 3, 5, 10):
        for key, reached in ((f"hr@{k}", hits[:, :k].sum(axis=1)), (f"ndcg@{k}", gains[:, :k].sum(axis=1))):
            error = 4 * reached.std() / np.sqrt(len(test))
            assert best[key] == pytest.approx(reached.mean(), abs=error)
    # Enough to learn, and not for popularity.
    popular = np.argsort(-default.train_counts())[:10]
    assert best["hr@10"] > 0.3
    assert (test.targets[:, None] == popular).any(axis=1).mean() < best["hr@10"] / 5
    monkeypatch.setattr("mindrec_bench.data.simulation.arts_sim.BATCH_ELEMENTS", 70 * default.n_items)
    assert optimum(simulation, test.histories.items, n_items=len(simulation.catalogue.popularity)) == pytest.approx(
        best, rel=1e-9
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"users": "0"}, "'arts-sim': users is 0; it must be from 1 to 100000"),
        ({"items": "49"}, "items is 49; it must be from 50 to 100000"),
        ({"seed": "-1"}, "seed is -1; it must be from 0"),
        ({"user": "5"}, r"no option 'user' \(did you mean 'users'\?\)"),
    ],
)
def test_refused(raw: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.build(ArtsSim, "arts-sim", raw)


def test_users_left_out_are_reported(notices: list[str]) -> None:
    assert ArtsSim(users=40, items=50).load(None, users=30).n_users == 30
    assert notices == ["the first 30 of 40 simulated users; --users all takes all"]
