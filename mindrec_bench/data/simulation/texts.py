"""Titles and descriptions of simulated items: pseudo-words that carry the items' latent meaning.

Every node of the category tree has a name. Every latent dimension has words for either sign, which an item uses by the
strength of the dimension in its vector; other words describe in the same way how it differs from its category. Every
region of the latent space has a word, and every item has one of its own. So similar items share words, and a model or a
tokenizer that reads text can find the structure of the simulation.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ...core.code_space import Int
from ...core.dataset import ItemTexts
from .catalogue import Float, SimulatedCatalogue, prefix_ids

_ONSETS = [*"bdfghjklmnprstvz", "br", "dr", "gl", "kl", "pl", "sh", "st", "tr"]
_SYLLABLES = [onset + vowel for onset, vowel in product(_ONSETS, "aeiou")]
_ROOT = "Simulated"
_SYNONYMS = 2
"""Words for each sign of each latent dimension."""

_REGIONS = 48
"""Regions of the latent space, each around one item."""

_TITLE_WORDS, _DESCRIPTION_WORDS = 1, 6
"""Words about the item's vector in a title and in a description; as many follow about its difference from others."""


def generate_texts(catalogue: SimulatedCatalogue, rng: np.random.Generator) -> ItemTexts:
    """Generate the texts of all items; the same generator state gives the same texts.

    A title is `<word of the item> <2 words of dimensions> <word of the region> <names of the last 2 category levels>`;
    a description has 12 other words of dimensions and all category names. The brand is empty, and `categories` is the
    path of names below a common root. Category names are unique, as docs/semantics.md, Category tree, requires.

    Args:
        catalogue: the items. N of them.
        rng: draws the words.
    """
    nodes = prefix_ids(catalogue.categories)
    n_items, n_dimensions = catalogue.vectors.shape
    n_regions = min(_REGIONS, n_items)
    n_names = [*(int(level.max()) + 1 for level in nodes.T), n_regions]
    vocabulary_size = 2 * n_dimensions * _SYNONYMS
    words = _pseudo_words(2 * vocabulary_size + sum(n_names), 2, rng)
    names = [[words.pop().capitalize() for _ in range(count)] for count in n_names]
    region_words = [name.lower() for name in names.pop()]
    item_words = [word.capitalize() for word in _pseudo_words(n_items, 3, rng)]
    centres = catalogue.vectors[rng.choice(n_items, n_regions, replace=False)]
    regions = (catalogue.vectors @ centres.T).argmax(axis=1)
    n_words = _TITLE_WORDS + _DESCRIPTION_WORDS
    vector_words = _draw_words(catalogue.vectors, n_words, rng)
    differences = _difference_from_leaf(catalogue.vectors, nodes[:, -1])
    difference_words = vocabulary_size + _draw_words(differences, n_words, rng)
    chosen = np.concatenate([vector_words[:, :_TITLE_WORDS], difference_words, vector_words[:, _TITLE_WORDS:]], axis=1)
    titles, descriptions, paths = [], [], []
    for item, item_nodes in enumerate(nodes.tolist()):
        path = [level_names[node] for level_names, node in zip(names, item_nodes, strict=True)]
        item_word, region_word = item_words[item], region_words[regions[item]]
        dimension_words = [words[word] for word in chosen[item]]
        titles.append(" ".join([item_word, *dimension_words[: 2 * _TITLE_WORDS], region_word, *path[-2:]]))
        descriptions.append(" ".join([item_word, *dimension_words[2 * _TITLE_WORDS :], region_word, *path]) + ".")
        paths.append(",".join([_ROOT, *path]))
    return ItemTexts(tuple(titles), tuple(descriptions), ("",) * n_items, tuple(paths))


def _difference_from_leaf(vectors: Float, leaves: Int) -> Float:
    """Each vector less the mean of its leaf; alone in its leaf, the vector itself. Shapes: (N, D), (N,) -> (N, D)"""
    counts = np.bincount(leaves)
    sums = np.stack([np.bincount(leaves, weights=column) for column in vectors.T], axis=1)
    means = sums / counts.clip(min=1)[:, None]
    return np.where(counts[leaves, None] > 1, vectors - means[leaves], vectors)


def _pseudo_words(count: int, syllables: int, rng: np.random.Generator) -> list[str]:
    """Distinct pseudo-words with this many syllables."""
    base = len(_SYLLABLES)
    numbers = rng.choice(base**syllables, size=count, replace=False)
    digits = numbers[:, None] // base ** np.arange(syllables) % base
    return ["".join(_SYLLABLES[digit] for digit in row) for row in digits.tolist()]


def _draw_words(vectors: Float, count: int, rng: np.random.Generator) -> Int:
    """Words for each vector: dimensions by their share of its squared length, and one of the words for the sign.

    Returns:
        Numbers of words, from 0 to 2 x dimensions x synonyms - 1. Shape: (N, count)
    """
    cumulative = np.cumsum(vectors**2, axis=1)
    uniforms = rng.random((len(vectors), count)) * cumulative[:, -1:]
    dimensions = (uniforms[:, :, None] >= cumulative[:, None, :]).sum(axis=2)
    positive = np.take_along_axis(vectors, dimensions, axis=1) > 0
    return (2 * dimensions + positive) * _SYNONYMS + rng.integers(_SYNONYMS, size=dimensions.shape)
