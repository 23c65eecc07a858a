"""What a tokenization is worth: collisions, use of the codes, error, and whether near items share codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..data.category_tree import split_names
from .collisions import sharing
from .quantised import Float, Quantised, rebuilt

NEIGHBOURS = 10
SAMPLE = 1000
"""Items whose nearest neighbours are looked up."""

EXAMPLES = 5
SHOWN = 3
"""Neighbours shown of an example."""


def report(data: Dataset, vectors: Float, quantised: Quantised, codes: Int, seed: int) -> dict[str, Any]:
    """Measure a tokenization, in JSON's types.

    Args:
        data: the items and what they are called.
        vectors: what was quantised. Shape: (N, D)
        quantised: the codes before collisions were settled.
        codes: the final codes. Shape: (N, M) or (N, M + 1)
        seed: draws the items that are looked at.

    Returns:
        `before` and `after` collisions were settled: distinct SIDs, items that share one, and the error (squared
        distance to the decoded vectors over that to the mean: 1 is as bad as no codes). `slots`: codes used and entropy
        in bits a level. `neighbours`: share of the 10 nearest by vector that share the first code, and what chance
        gives. `examples`: five random items with their nearest by shared prefix and by vector; imported items have
        their own ids.
    """
    before, rng = quantised.codes, np.random.default_rng(seed)
    own = before.shape[1]
    return {
        "items": len(codes),
        "without_vector": int((~vectors.any(axis=1)).sum()),
        "moved": int((codes[:, :own] != before).any(axis=1).sum()),
        "before": _state(vectors, quantised, before),
        "after": _state(vectors, quantised, codes),
        "slots": [_slot(column) for column in codes.T],
        "neighbours": _agreement(vectors, codes, rng),
        "examples": _examples(data, vectors, codes, rng),
        **quantised.facts,
    }


def _state(vectors: Float, quantised: Quantised, codes: Int) -> dict[str, Any]:
    error = np.square(vectors - quantised.decode(rebuilt(quantised.codebooks, codes)), dtype=np.float64).sum()
    spread = np.square(vectors - vectors.mean(axis=0), dtype=np.float64).sum()
    return {
        "distinct_sids": len(np.unique(codes, axis=0)),
        "items_sharing_a_sid": sharing(codes),
        "error": float(error / spread) if spread > 0 else 0.0,
    }


def _slot(column: Int) -> dict[str, Any]:
    counts = np.unique(column, return_counts=True)[1]
    shares = counts / counts.sum()
    return {"used": len(counts), "entropy": float(-(shares * np.log2(shares)).sum()) + 0.0}


def _similar(vectors: Float, rows: Int) -> Float:
    """Cosine of these items and all, -inf for an item and itself. Shape: (R, N)"""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found = unit[rows] @ unit.T
    found[np.arange(len(rows)), rows] = -np.inf
    return found


def _agreement(vectors: Float, codes: Int, rng: np.random.Generator) -> dict[str, Any]:
    n, first = len(codes), codes[:, 0]
    near = min(NEIGHBOURS, n - 1)
    known = np.flatnonzero(vectors.any(axis=1))
    rows = rng.choice(known, size=min(SAMPLE, len(known)), replace=False)
    if not near or not len(rows):
        return {"of": 0, "share": None, "chance": None}
    shares = []
    for part in np.array_split(rows, -(-len(rows) * n // (1 << 24))):
        nearest = np.argpartition(-_similar(vectors, part), near - 1, axis=1)[:, :near]
        shares.append((first[nearest] == first[part, None]).mean(axis=1))
    counts = np.bincount(first)
    chance = float((counts[first[rows]] - 1).mean() / (n - 1))
    return {"of": near, "share": float(np.concatenate(shares).mean()), "chance": chance}


def _examples(data: Dataset, vectors: Float, codes: Int, rng: np.random.Generator) -> list[dict[str, Any]]:
    shown = min(SHOWN, len(codes) - 1)
    found = []
    for row in rng.choice(len(codes), size=min(EXAMPLES, len(codes)), replace=False).tolist():
        shared = np.logical_and.accumulate(codes == codes[row], axis=1).sum(axis=1)
        shared[row] = -1
        by_prefix = np.argsort(-shared, kind="stable")[:shown]
        by_vector = np.argsort(-_similar(vectors, np.array([row]))[0], kind="stable")[:shown]
        found.append(
            {
                **_item(data, row),
                "codes": codes[row].tolist(),
                "by_prefix": [{**_item(data, at), "shared": int(shared[at])} for at in by_prefix.tolist()],
                "by_vector": [{**_item(data, at), "shared": int(shared[at])} for at in by_vector.tolist()],
            }
        )
    return found


def _item(data: Dataset, row: int) -> dict[str, Any]:
    texts = data.texts
    title = "" if texts is None else texts.title[row] or " ".join(split_names(texts.categories[row])[-1:])
    own = data.external_ids
    return {"item": own.items[row] if own else data.item_ids[row], "title": title}
