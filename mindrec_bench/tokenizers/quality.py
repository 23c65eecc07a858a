"""The quality of a tokenization: collisions, use of the codes, error, and whether similar items share codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..data.category_tree import split_names
from .collisions import count_colliding
from .quantizer import FloatArray, QuantizedItems, reconstruct

N_NEIGHBOURS = 10
MAX_SAMPLE = 1000
"""Number of items whose nearest neighbours are computed, at most."""

N_EXAMPLES = 5
NEIGHBOURS_PER_EXAMPLE = 3


def measure_quality(
    data: Dataset, vectors: FloatArray, quantized: QuantizedItems, codes: Int, seed: int
) -> dict[str, Any]:
    """Measure a tokenization, in JSON's types.

    Args:
        data: the items and their texts.
        vectors: the vectors that were quantized. Shape: (N, D)
        quantized: the codes before collisions were handled.
        codes: the final codes. Shape: (N, M) or (N, M + 1)
        seed: draws the sample and the examples.

    Returns:
        `before` and `after` collisions were handled: distinct SIDs, items that share one, and the error (squared
        distance to the decoded vectors over that to the mean: 1 is as bad as no codes). `slots`: codes used and entropy
        in bits, per level. `neighbours`: the share of the 10 nearest by vector that share the first code, and the share
        expected by chance. `examples`: five random items with their nearest by shared prefix and by vector; imported
        items appear with their external ids.
    """
    before, rng = quantized.codes, np.random.default_rng(seed)
    n_levels = before.shape[1]
    return {
        "items": len(codes),
        "without_vector": int((~vectors.any(axis=1)).sum()),
        "moved": int((codes[:, :n_levels] != before).any(axis=1).sum()),
        "before": _collisions_and_error(vectors, quantized, before),
        "after": _collisions_and_error(vectors, quantized, codes),
        "slots": [_code_usage(column) for column in codes.T],
        "neighbours": _neighbour_agreement(vectors, codes, rng),
        "examples": _examples(data, vectors, codes, rng),
        **quantized.training_stats,
    }


def _collisions_and_error(vectors: FloatArray, quantized: QuantizedItems, codes: Int) -> dict[str, Any]:
    decoded = quantized.decode(reconstruct(quantized.codebooks, codes))
    error = np.square(vectors - decoded, dtype=np.float64).sum()
    spread = np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum()
    return {
        "distinct_sids": len(np.unique(codes, axis=0)),
        "items_sharing_a_sid": count_colliding(codes),
        "error": float(error / spread) if spread > 0 else 0.0,
    }


def _code_usage(column: Int) -> dict[str, Any]:
    counts = np.unique(column, return_counts=True)[1]
    shares = counts / counts.sum()
    return {"used": len(counts), "entropy": float(-(shares * np.log2(shares)).sum()) + 0.0}


def _cosine_similarity(vectors: FloatArray, rows: Int) -> FloatArray:
    """Cosine of these items and all, -inf for an item and itself. Shape: (R, N)"""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = unit[rows] @ unit.T
    similarity[np.arange(len(rows)), rows] = -np.inf
    return similarity


def _neighbour_agreement(vectors: FloatArray, codes: Int, rng: np.random.Generator) -> dict[str, Any]:
    n_items, first_codes = len(codes), codes[:, 0]
    n_neighbours = min(N_NEIGHBOURS, n_items - 1)
    nonzero = np.flatnonzero(vectors.any(axis=1))
    rows = rng.choice(nonzero, size=min(MAX_SAMPLE, len(nonzero)), replace=False)
    if not n_neighbours or not len(rows):
        return {"of": 0, "share": None, "chance": None}
    shares = []
    for chunk in np.array_split(rows, -(-len(rows) * n_items // (1 << 24))):
        nearest = np.argpartition(-_cosine_similarity(vectors, chunk), n_neighbours - 1, axis=1)[:, :n_neighbours]
        shares.append((first_codes[nearest] == first_codes[chunk, None]).mean(axis=1))
    counts = np.bincount(first_codes)
    chance = float((counts[first_codes[rows]] - 1).mean() / (n_items - 1))
    return {"of": n_neighbours, "share": float(np.concatenate(shares).mean()), "chance": chance}


def _examples(data: Dataset, vectors: FloatArray, codes: Int, rng: np.random.Generator) -> list[dict[str, Any]]:
    n_neighbours = min(NEIGHBOURS_PER_EXAMPLE, len(codes) - 1)
    examples = []
    for row in rng.choice(len(codes), size=min(N_EXAMPLES, len(codes)), replace=False).tolist():
        shared = np.logical_and.accumulate(codes == codes[row], axis=1).sum(axis=1)
        shared[row] = -1
        by_prefix = np.argsort(-shared, kind="stable")[:n_neighbours]
        by_vector = np.argsort(-_cosine_similarity(vectors, np.array([row]))[0], kind="stable")[:n_neighbours]
        examples.append(
            {
                **_item(data, row),
                "codes": codes[row].tolist(),
                "by_prefix": [{**_item(data, other), "shared": int(shared[other])} for other in by_prefix.tolist()],
                "by_vector": [{**_item(data, other), "shared": int(shared[other])} for other in by_vector.tolist()],
            }
        )
    return examples


def _item(data: Dataset, row: int) -> dict[str, Any]:
    texts = data.texts
    title = "" if texts is None else texts.title[row] or " ".join(split_names(texts.categories[row])[-1:])
    item_ids = data.external_ids.items if data.external_ids else data.item_ids
    return {"item": item_ids[row], "title": title}
