"""At which rank models without training put the test targets: as `mrbench run -d rank-items`, but ranks alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.backbone import Task
from ..core.code_space import Int
from ..core.dataset import Dataset
from ..plugins import registry

BASELINES = ("pop", "markov", "itemknn")
"""The models that an audit counts with: they are fitted in seconds."""

BATCH_SIZE = 256

_DIGITS = 9
"""Scores are rounded before they are compared, as by decoders."""


@dataclass(frozen=True, eq=False)
class TargetRanks:
    """The rank of every test target in a model's ranking of the catalogue, from 1; 0 where its probability is 0.

    Attributes:
        item: of the item itself. Shape: (W,)
        sid: of the first item with its semantic ID. Shape: (W,)
    """

    item: Int
    sid: Int

    def hits(self, k: int, *, by: str = "sid") -> NDArray[np.bool_]:
        """Which targets are among the first k, matched by `sid` or by `item`. Shape: (W,)"""
        ranks: Int = getattr(self, by)
        return (ranks > 0) & (ranks <= k)


def rank_targets(
    dataset: Dataset, model: str, *, progress: Callable[[int], object] = lambda users: None
) -> TargetRanks:
    """Rank the catalogue for every test user; ties go to the lower item.

    Args:
        dataset: its training parts are counted, and its test targets ranked.
        model: the name of a registered model that scores items and is not trained.
        progress: called with the number of users of each batch.

    Raises:
        UsageError: there is no such model.
    """
    _, backbone = registry.make("model", model)
    space, test = dataset.space(categories=False), dataset.test()
    fitted = backbone.load(Task(dataset, space), Path())
    groups = _items_with_the_sid(space.sid_index.item_sequences)
    item_ranks, sid_ranks = [], []
    for start in range(0, len(test), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        targets = test.targets[rows]
        scores = fitted.begin(test.histories[rows], space.sid_slots).log_probs().cpu().numpy().round(_DIGITS)
        item_ranks.append(_ranks(scores, targets))
        group = groups[targets]
        group_scores = np.take_along_axis(scores, group.clip(min=0), axis=1)
        best = np.where(group < 0, -np.inf, group_scores).argmax(axis=1)
        sid_ranks.append(_ranks(scores, np.take_along_axis(group, best[:, None], axis=1)[:, 0]))
        progress(len(targets))
    return TargetRanks(np.concatenate(item_ranks), np.concatenate(sid_ranks))


def _items_with_the_sid(sequences: Int) -> Int:
    """For each item all items with its SID, rising, -1 in the padding. Shape: (N,) -> (N, largest group)"""
    order = np.argsort(sequences, kind="stable")
    counts = np.bincount(sequences)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    groups = np.full((len(counts), counts.max()), -1, dtype=np.int64)
    groups[sequences[order], place] = order
    return groups[sequences]


def _ranks(scores: NDArray[np.float64], items: Int) -> Int:
    """The rank of one item in each row, 0 where its score is -inf. Shapes: (B, N), (B,) -> (B,)"""
    own = np.take_along_axis(scores, items[:, None], axis=1)
    better = (scores > own).sum(axis=1)
    equal_and_lower = ((scores == own) & (np.arange(scores.shape[1]) < items[:, None])).sum(axis=1)
    return np.where(np.isneginf(own[:, 0]), 0, better + equal_and_lower + 1)
