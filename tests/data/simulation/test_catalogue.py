"""The catalogue of a simulation: tree, vectors, popularity and semantic IDs."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data.simulation.catalogue import (
    CATEGORY_CODES,
    SimulatedCatalogue,
    prefix_ids,
    residual_quantise,
    resolve_collisions,
)


@pytest.fixture(scope="module")
def catalogue() -> SimulatedCatalogue:
    return SimulatedCatalogue.generate(1500, np.random.default_rng(5))


def test_shapes(catalogue: SimulatedCatalogue) -> None:
    assert catalogue.categories.shape == (1500, 3)
    assert catalogue.sids.shape == (1500, 4)
    assert catalogue.categories.min() == 0
    assert (catalogue.categories.max(axis=0) < CATEGORY_CODES).all()
    assert np.linalg.norm(catalogue.vectors, axis=1) == pytest.approx(np.ones(1500))
    assert catalogue.popularity.sum() == pytest.approx(1)


@pytest.mark.parametrize("n_items", [50, 1500])
def test_semantic_ids_are_unique(n_items: int) -> None:
    sids = SimulatedCatalogue.generate(n_items, np.random.default_rng(0)).sids
    assert len(np.unique(sids, axis=0)) == n_items


def test_same_generator_same_catalogue(catalogue: SimulatedCatalogue) -> None:
    again = SimulatedCatalogue.generate(1500, np.random.default_rng(5))
    for name in ("categories", "vectors", "popularity", "sids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(catalogue, name))


def test_categories_and_semantic_ids_mean_something(catalogue: SimulatedCatalogue) -> None:
    """Items that share a category, or the first SID code, have much nearer vectors than any two."""
    near = catalogue.vectors @ catalogue.vectors.T
    other = ~np.eye(len(near), dtype=bool)
    for codes, levels in ((prefix_ids(catalogue.categories), (0, 1, 2)), (prefix_ids(catalogue.sids), (0, 1))):
        means = [near[other].mean()]
        means += [near[other & (codes[:, level, None] == codes[:, level])].mean() for level in levels]
        assert (np.diff(means) > 0.05).all()


def test_popular_items_lie_anywhere(catalogue: SimulatedCatalogue) -> None:
    """Ties go to the lower item number: it must not tell popularity."""
    assert abs(np.corrcoef(np.arange(1500), catalogue.popularity)[0, 1]) < 0.1


def test_prefixes() -> None:
    codes = np.array([[0, 1], [1, 1], [0, 2], [0, 1]])
    assert prefix_ids(codes).tolist() == [[0, 0], [1, 2], [0, 1], [0, 0]]


def test_residual_quantisation_finds_two_levels() -> None:
    """Four tight groups around two far centres: the first code tells the centres apart, the second the sides."""
    rng = np.random.default_rng(0)
    side, centre = np.tile([0, 1], 40), np.repeat([0, 1], 40)
    vectors = np.stack([100.0 * centre, 10.0 * side], axis=1) + 0.1 * rng.standard_normal((80, 2))
    codes = residual_quantise(vectors, 2, 2, np.random.default_rng(1))
    first, second = codes.T
    assert (first[centre == 0] == first[0]).all()
    assert (first[centre == 1] == 1 - first[0]).all()
    assert len(np.unique(codes, axis=0)) == 4
    assert len(np.unique(np.stack([first, second, side], axis=1), axis=0)) == 4


def test_collisions_take_the_lowest_free_last_code() -> None:
    sids = np.array([[1, 5], [1, 0], [1, 5], [2, 5], [1, 5]])
    assert resolve_collisions(sids).tolist() == [[1, 5], [1, 0], [1, 1], [2, 5], [1, 2]]
