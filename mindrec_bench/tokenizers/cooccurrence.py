"""Item vectors from who is consumed near whom, without training a model: from the training parts only.

A truncated SVD of the positive pointwise mutual information of items that stand near each other, which is what
skip-gram with negative sampling factorises (Levy and Goldberg, NeurIPS 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.code_space import Int
from ..core.dataset import HISTORY, Dataset
from .quantised import Float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SMOOTHING = 0.75
"""Exponent on the counts of contexts, as in skip-gram: rare contexts weigh less (Levy et al., TACL 2015)."""


def cooccurrences(data: Dataset) -> csr_array:
    """How often two items stand in one user's training part, at most 10 places apart, in either order. Shape: (N, N)"""
    from scipy.sparse import csr_array

    trained = data.in_training
    items = data.items[trained]
    user = np.repeat(np.arange(data.n_users), np.diff(data.offsets))[trained]
    total = csr_array((data.n_items, data.n_items), dtype=np.float64)
    for distance in range(1, min(HISTORY + 1, len(items))):
        same = user[distance:] == user[:-distance]
        total += _pairs(items[:-distance][same], items[distance:][same], data.n_items)
    total = total + total.T
    total.setdiag(0)
    total.eliminate_zeros()
    return total


def _pairs(first: Int, second: Int, n_items: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(first)), (first, second)), shape=(n_items, n_items))


def cooccurrence_vectors(data: Dataset, dims: int, seed: int) -> Float:
    """Vectors of items; zero for those that stand near no other in training.

    Args:
        data: gives the training parts.
        dims: columns; those beyond the matrix's rank are zero.
        seed: of the randomised SVD.

    Returns:
        Shape: (N, dims)
    """
    from sklearn.utils.extmath import randomized_svd

    counts = cooccurrences(data)
    vectors = np.zeros((data.n_items, dims), dtype=np.float32)
    known = np.flatnonzero(np.diff(counts.indptr))
    if not len(known):
        return vectors
    matrix = _mutual_information(counts[known][:, known])
    left, values, _ = randomized_svd(matrix, min(dims, len(known)), random_state=seed)
    vectors[known, : len(values)] = left * np.sqrt(values)
    return vectors


def _mutual_information(counts: csr_array) -> csr_array:
    """max(0, log p(i, j) / (p(i) p'(j))), p' smoothed, for counts without an empty row. Shape: (N, N)"""
    degree = np.asarray(counts.sum(axis=1)).ravel()
    context = degree**SMOOTHING / (degree**SMOOTHING).sum()
    matrix = counts.tocoo()
    row, column = matrix.coords
    matrix.data = np.maximum(np.log(matrix.data / (degree[row] * context[column])), 0.0)
    return matrix.tocsr()
