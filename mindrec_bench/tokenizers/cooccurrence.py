"""Item vectors from the co-occurrence of items in the training sequences, without training a model.

A truncated SVD of the positive pointwise mutual information of items that occur near each other, which is what
skip-gram with negative sampling factorizes (Levy and Goldberg, NeurIPS 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.choices import HISTORY
from ..core.code_space import Int
from ..core.dataset import Dataset
from .quantizer import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SMOOTHING = 0.75
"""Exponent on the counts of contexts, as in skip-gram: rare contexts weigh less (Levy et al., TACL 2015)."""


def cooccurrences(data: Dataset) -> csr_array:
    """How often two items occur at most 10 positions apart in a user's training sequence, in either order.

    Shape: (N, N)
    """
    from scipy.sparse import csr_array

    in_training = data.in_training
    items = data.items[in_training]
    users = data.user_of[in_training]
    total = csr_array((data.n_items, data.n_items), dtype=np.float64)
    for distance in range(1, min(HISTORY + 1, len(items))):
        same_user = users[distance:] == users[:-distance]
        total += _pair_counts(items[:-distance][same_user], items[distance:][same_user], data.n_items)
    total = total + total.T
    total.setdiag(0)
    total.eliminate_zeros()
    return total


def _pair_counts(first: Int, second: Int, n_items: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(first)), (first, second)), shape=(n_items, n_items))


def cooccurrence_vectors(data: Dataset, dims: int, seed: int) -> FloatArray:
    """Item vectors; zero for items that occur near no other in the training sequences.

    Args:
        data: the users' sequences, of which the training parts are read.
        dims: number of columns; those beyond the rank of the matrix are zero.
        seed: seed of the randomized SVD.

    Returns:
        Shape: (N, dims)
    """
    from sklearn.utils.extmath import randomized_svd

    counts = cooccurrences(data)
    vectors = np.zeros((data.n_items, dims), dtype=np.float32)
    cooccurring = np.flatnonzero(np.diff(counts.indptr))
    if not len(cooccurring):
        return vectors
    matrix = _mutual_information(counts[cooccurring][:, cooccurring])
    left, values, _ = randomized_svd(matrix, min(dims, len(cooccurring)), random_state=seed)
    vectors[cooccurring, : len(values)] = left * np.sqrt(values)
    return vectors


def _mutual_information(counts: csr_array) -> csr_array:
    """max(0, log p(i, j) / (p(i) p'(j))), p' smoothed, for counts without an empty row. Shape: (N, N)"""
    degrees = np.asarray(counts.sum(axis=1)).ravel()
    contexts = degrees**SMOOTHING / (degrees**SMOOTHING).sum()
    matrix = counts.tocoo()
    rows, columns = matrix.coords
    matrix.data = np.maximum(np.log(matrix.data / (degrees[rows] * contexts[columns])), 0.0)
    return matrix.tocsr()
