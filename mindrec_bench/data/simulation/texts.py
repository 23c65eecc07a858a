"""What simulated items are called: titles and descriptions of pseudo-words that carry the items' latent meaning.

Every node of the category tree has a name; every latent dimension has words for either sign, of which an item uses
those of its strong dimensions most; others say in the same way how it differs from its category; every region of the
latent space has a word; and every item has one of its own. So items that are alike share words, and a model or a
tokenizer that reads text can find what the simulation knows.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ...core.code_space import Int
from ...core.dataset import ItemTexts
from .items import Float, SimulatedItems, prefixes

_ONSETS = [*"bdfghjklmnprstvz", "br", "dr", "gl", "kl", "pl", "sh", "st", "tr"]
_SYLLABLES = [onset + vowel for onset, vowel in product(_ONSETS, "aeiou")]
_ROOT = "Simulated"
_SYNONYMS = 2
"""Words for each sign of each latent dimension."""

_REGIONS = 48
"""Regions of the latent space, each around one item."""

_TITLE_WORDS, _DESCRIPTION_WORDS = 1, 6
"""Words about what an item is in a title and in a description; as many follow about how it differs."""


def make_texts(catalogue: SimulatedItems, rng: np.random.Generator) -> ItemTexts:
    """Name all items; the same generator state gives the same texts.

    A title is `<own word> <2 words of dimensions> <word of the region> <names of the last 2 category levels>`; a
    description has 12 other words of dimensions and all category names. The brand is empty, and `categories` is the
    path of names below one root. The names of categories are unique, as semantics section 1 asks.

    Args:
        catalogue: the items. N of them.
        rng: draws the words; nothing else may draw from it.
    """
    nodes = prefixes(catalogue.categories)
    n_items, n_dimensions = catalogue.vectors.shape
    n_regions = min(_REGIONS, n_items)
    sizes = [*(int(level.max()) + 1 for level in nodes.T), n_regions]
    vocabulary = 2 * n_dimensions * _SYNONYMS
    short = _words(2 * vocabulary + sum(sizes), 2, rng)
    names = [[short.pop().capitalize() for _ in range(size)] for size in sizes]
    regions = [name.lower() for name in names.pop()]
    own = [word.capitalize() for word in _words(n_items, 3, rng)]
    centres = catalogue.vectors[rng.choice(n_items, n_regions, replace=False)]
    region = (catalogue.vectors @ centres.T).argmax(axis=1)
    what = _meanings(catalogue.vectors, _TITLE_WORDS + _DESCRIPTION_WORDS, rng)
    how = vocabulary + _meanings(_differences(catalogue.vectors, nodes[:, -1]), _TITLE_WORDS + _DESCRIPTION_WORDS, rng)
    said = np.concatenate([what[:, :_TITLE_WORDS], how, what[:, _TITLE_WORDS:]], axis=1)
    titles, descriptions, paths = [], [], []
    for item, node in enumerate(nodes.tolist()):
        path = [level[number] for level, number in zip(names, node, strict=True)]
        words = [short[word] for word in said[item]]
        titles.append(" ".join([own[item], *words[: 2 * _TITLE_WORDS], regions[region[item]], *path[-2:]]))
        descriptions.append(" ".join([own[item], *words[2 * _TITLE_WORDS :], regions[region[item]], *path]) + ".")
        paths.append(",".join([_ROOT, *path]))
    return ItemTexts(tuple(titles), tuple(descriptions), ("",) * n_items, tuple(paths))


def _differences(vectors: Float, leaf: Int) -> Float:
    """Each vector less the mean of its leaf; alone in its leaf, the vector itself. Shapes: (N, D), (N,) -> (N, D)"""
    counts = np.bincount(leaf)
    sums = np.stack([np.bincount(leaf, weights=column) for column in vectors.T], axis=1)
    return np.where(counts[leaf, None] > 1, vectors - (sums / counts.clip(min=1)[:, None])[leaf], vectors)


def _words(count: int, syllables: int, rng: np.random.Generator) -> list[str]:
    """Different pseudo-words of so many syllables."""
    base = len(_SYLLABLES)
    drawn = rng.choice(base**syllables, size=count, replace=False)
    places = base ** np.arange(syllables)
    return ["".join(_SYLLABLES[part] for part in row) for row in (drawn[:, None] // places % base).tolist()]


def _meanings(vectors: Float, count: int, rng: np.random.Generator) -> Int:
    """Words for each vector: dimensions by their share of its squared length, one of the words for the sign.

    Returns:
        Numbers of words, from 0 to 2 x dimensions x synonyms - 1. Shape: (N, count)
    """
    shares = np.cumsum(vectors**2, axis=1)
    uniforms = rng.random((len(vectors), count)) * shares[:, -1:]
    dimension = (uniforms[:, :, None] >= shares[:, None, :]).sum(axis=2)
    positive = np.take_along_axis(vectors, dimension, axis=1) > 0
    return (2 * dimension + positive) * _SYNONYMS + rng.integers(_SYNONYMS, size=dimension.shape)
