"""Titles and descriptions of simulated items: unique, deterministic, and similar for similar items."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.core.dataset import ItemTexts
from mindrec_bench.data.category_tree import split_names
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.data.simulation.catalogue import SimulatedCatalogue, prefix_ids
from mindrec_bench.data.simulation.texts import generate_texts


@pytest.fixture(scope="module")
def catalogue() -> SimulatedCatalogue:
    return SimulatedCatalogue.generate(400, np.random.default_rng(5))


@pytest.fixture(scope="module")
def texts(catalogue: SimulatedCatalogue) -> ItemTexts:
    return generate_texts(catalogue, np.random.default_rng(6))


def overlap(lines: tuple[str, ...]) -> np.ndarray:
    """Jaccard similarity of the sets of words. Shape: (N, N)"""
    bags = [set(line.lower().rstrip(".").split()) for line in lines]
    words = {word: column for column, word in enumerate(sorted(set().union(*bags)))}
    has = np.zeros((len(bags), len(words)))
    for row, bag in enumerate(bags):
        has[row, [words[word] for word in bag]] = 1
    both = has @ has.T
    return both / (has.sum(axis=1)[:, None] + has.sum(axis=1) - both)


def test_every_item_has_a_title_and_a_description_of_its_own(texts: ItemTexts) -> None:
    assert texts.n_described == len(set(texts.title)) == len(set(texts.description)) == 400
    assert set(texts.brand) == {""}
    assert len({title.split()[0] for title in texts.title}) == 400


def test_category_names_are_the_tree(texts: ItemTexts, catalogue: SimulatedCatalogue) -> None:
    """One name per node: as many distinct names as nodes, and equal names exactly for equal nodes."""
    paths = np.array([split_names(path) for path in texts.categories])
    assert paths.shape == (400, 4)
    for names, nodes in zip(paths[:, 1:].T, prefix_ids(catalogue.categories).T, strict=True):
        pairs = set(zip(names.tolist(), nodes.tolist(), strict=True))
        assert len(pairs) == len({name for name, _ in pairs}) == len({node for _, node in pairs})
    assert len(np.unique(paths[:, 1:])) == sum(level.max() + 1 for level in prefix_ids(catalogue.categories).T)


@pytest.mark.parametrize("field", ["title", "description"])
def test_similar_items_share_words(texts: ItemTexts, catalogue: SimulatedCatalogue, field: str) -> None:
    shared = overlap(getattr(texts, field))
    near = catalogue.vectors @ catalogue.vectors.T
    np.fill_diagonal(near, -1)
    nearest = near.argmax(axis=1)
    other = ~np.eye(400, dtype=bool)
    assert shared[np.arange(400), nearest].mean() > 2 * shared[other].mean()
    assert np.corrcoef(shared[other], near[other])[0, 1] > 0.3


def test_words_tell_more_than_the_category(texts: ItemTexts, catalogue: SimulatedCatalogue) -> None:
    """Within a leaf of the tree, more similar items share more words."""
    shared, near = overlap(texts.description), catalogue.vectors @ catalogue.vectors.T
    leaf = prefix_ids(catalogue.categories)[:, -1]
    pairs = np.triu(leaf[:, None] == leaf, k=1)
    assert pairs.sum() > 100
    assert np.corrcoef(shared[pairs], near[pairs])[0, 1] > 0.1


def test_the_seed_alone_determines_the_words() -> None:
    def load(seed: int, users: int) -> ItemTexts | None:
        return ArtsSim(users=users, items=60, seed=seed).load(None, users=None).texts

    first, again, other = load(0, 5), load(0, 9), load(1, 5)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.title == again.title
    assert first.description == again.description
    assert not set(first.title) & set(other.title)


@pytest.mark.slow
def test_there_are_enough_words_for_the_largest_catalogue() -> None:
    n_items = 100_000
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n_items, 16))
    codes = rng.integers(0, (12, 16, 15), size=(n_items, 3))
    none = np.zeros(0)
    texts = generate_texts(SimulatedCatalogue(codes, vectors, none, none.astype(int)), rng)
    assert len(set(texts.title)) == n_items
