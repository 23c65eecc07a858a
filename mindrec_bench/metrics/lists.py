"""Metrics of ranked lists: HR and NDCG per user, and entropy, TTR and others over all lists (docs/semantics.md,
Metrics).

Nothing is rounded, and everything over all lists is computed from integer counts, so it is the same for any sharding.

Symbols in the shapes: U users, b results per user, M semantic-ID (SID) slots, C distinct SIDs of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from .accuracy import Columns, duplicated, hit_ranks, hr_and_ndcg, item_hit_rates, rank_metric
from .diversity import CodeCounts
from .names import SUMMARY_METRICS

NEVER = np.iinfo(np.int64).max
"""The best rank of an item that nobody was recommended."""

ITEM_PREFIX = "item_"
"""Before the names of metrics for which a hit is the item itself."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items that can be recommended, and how popular each SID is.

    Attributes:
        space: the slots.
        train_counts: how often each item occurs in the training parts. Shape: (N,)
    """

    space: CodeSpace
    train_counts: Int

    @property
    def n_sids(self) -> int:
        """C, the number of distinct SIDs."""
        return self.space.sid_index.n_sequences

    @cached_property
    def items_of_sid(self) -> Int:
        """How many items have each SID. Shape: (C,)"""
        return np.bincount(self.space.sid_index.item_sequences, minlength=self.n_sids)

    @cached_property
    def n_sharing(self) -> int:
        """How many items share their SID with another item."""
        return int(self.items_of_sid[self.items_of_sid > 1].sum())

    @cached_property
    def popularity(self) -> Int:
        """Training interactions with the items of each SID, summed over items that share it. Shape: (C,)"""
        popularity = np.zeros(self.n_sids, dtype=np.int64)
        np.add.at(popularity, self.space.sid_index.item_sequences, self.train_counts)
        return popularity

    @cached_property
    def self_information(self) -> NDArray[np.float64]:
        """-log2 of the share of each SID in the training interactions, one added to each count. Shape: (C,)"""
        counts = self.popularity + 1
        return -np.log2(counts / counts.sum())


@dataclass(frozen=True, eq=False)
class CorpusCounts:
    """Counts over the lists of many users, categories excluded.

    Attributes:
        codes: how often each code was recommended.
        recommended: how often each distinct SID of the catalogue was recommended. Shape: (C,)
        best_ranks: the highest place, from 1, at which anyone was recommended each SID; `NEVER` for nobody. Shape: (C,)
        results: recommendations, padding excluded.
        duplicates: recommendations whose SID is also at a higher rank of the same list.
    """

    codes: CodeCounts
    recommended: Int
    best_ranks: Int
    results: int = 0
    duplicates: int = 0

    def add(self, other: CorpusCounts) -> CorpusCounts:
        """The sum of the counts of two groups of users; the order and the grouping make no difference."""
        return CorpusCounts(
            self.codes.add(other.codes),
            self.recommended + other.recommended,
            np.minimum(self.best_ranks, other.best_ranks),
            self.results + other.results,
            self.duplicates + other.duplicates,
        )


def score_lists(sids: Int, targets: Int, catalogue: Catalogue) -> tuple[Columns, CorpusCounts]:
    """Score the lists of a group of users.

    Args:
        sids: SID code indices of the results, best first; a result with a code below 0 is padding. Shape: (U, b, M)
        targets: the true next items. Shape: (U,)
        catalogue: what can be recommended.

    Returns:
        The columns hit_rank, `RANKING_METRICS`, results, valid and duplicates (int32, the metrics float64), of shape
        (U,) each; where items share SIDs also `accuracy.item_hit_rates`, their names after `ITEM_PREFIX`; and the
        counts for the metrics over all lists.
    """
    codes = CodeCounts.of(sids, catalogue.space.sid_sizes)
    return score_sequences(catalogue.space.sid_index.number_sequences(sids), codes, targets, catalogue)


def score_sequences(
    sequences: Int, codes: CodeCounts, targets: Int, catalogue: Catalogue
) -> tuple[Columns, CorpusCounts]:
    """`score_lists` for results that are SID sequences already.

    Args:
        sequences: the SID sequence of each result; a number from C on, equal exactly for equal results, where it is no
            item; -1 in the padding (`CatalogueIndex.number_sequences` of `CodeSpace.sid_index`). Shape: (U, b)
        codes: how often each code was recommended.
        targets: the true next items. Shape: (U,)
        catalogue: what can be recommended.
    """
    filled = sequences >= 0
    valid = filled & (sequences < catalogue.n_sids)
    duplicates = duplicated(sequences) & filled
    target_sequences = catalogue.space.sid_index.item_sequences[targets]
    ranks = hit_ranks(sequences, target_sequences)
    columns = {"hit_rank": ranks, **hr_and_ndcg(ranks)}
    masks = {"results": filled, "valid": valid, "duplicates": duplicates}
    columns |= {name: mask.sum(axis=1).astype(np.int32) for name, mask in masks.items()}
    recommended = np.bincount(sequences[valid], minlength=catalogue.n_sids)
    if catalogue.n_sharing:
        by_item = item_hit_rates(sequences, target_sequences, ranks, catalogue.items_of_sid)
        columns |= {f"{ITEM_PREFIX}{name}": column for name, column in by_item.items()}
    best_ranks = np.full(catalogue.n_sids, NEVER)
    np.minimum.at(best_ranks, sequences[valid], np.broadcast_to(np.arange(sequences.shape[1]) + 1, valid.shape)[valid])
    return columns, CorpusCounts(codes, recommended, best_ranks, int(filled.sum()), int(duplicates.sum()))


def summarise(columns: Columns, corpus: CorpusCounts, catalogue: Catalogue) -> dict[str, float]:
    """The metrics of a run.

    Args:
        columns: per-user columns of all users, as `score_lists` gives them.
        corpus: the counts of all users, as `score_lists` gives them and `CorpusCounts.add` joins them.
        catalogue: what could be recommended.

    Returns:
        `SUMMARY_METRICS` (means over users), then `CORPUS_METRICS`: `entropy` in bits; `valid` and `duplicates` as
        shares of the recommendations; `coverage` as the share of the catalogue's distinct SIDs that anyone was
        recommended, and `gini` as the inequality of how often each was; over recommendations of real items,
        `popularity` as the mean training count and `novelty` as the mean self-information in bits. All 0 without
        recommendations.
    """
    codes = corpus.codes
    n_valid = int(corpus.recommended.sum())
    return {name: float(rank_metric(name, columns["hit_rank"]).mean()) for name in SUMMARY_METRICS} | {
        "entropy": codes.entropy,
        "ttr": codes.ttr,
        "ttr_bound": codes.ttr_bound,
        "distinct_codes": codes.distinct,
        "valid": n_valid / max(corpus.results, 1),
        "duplicates": corpus.duplicates / max(corpus.results, 1),
        "coverage": int(np.count_nonzero(corpus.recommended)) / catalogue.n_sids,
        "gini": gini(corpus.recommended),
        "popularity": int(corpus.recommended @ catalogue.popularity) / max(n_valid, 1),
        "novelty": float(corpus.recommended @ catalogue.self_information) / max(n_valid, 1),
    }


def coverage_at(corpus: CorpusCounts, beam: int) -> tuple[float, ...]:
    """The share of the catalogue's distinct SIDs among anyone's first k results, for k = 1 ... beam."""
    ranks = corpus.best_ranks
    reached = np.cumsum(np.bincount(ranks[ranks <= beam], minlength=beam + 1))[1:]
    return tuple(float(count) for count in reached / len(ranks))


def gini(counts: Int) -> float:
    """The Gini coefficient of counts: 0 where all are equal, towards 1 where one has everything; 0 without any.

    Half the mean absolute difference of two counts, over their mean (Fleder and Hosanagar 2009).
    """
    n, total = len(counts), int(counts.sum())
    if not total:
        return 0.0
    weights = 2 * np.arange(1, n + 1) - n - 1
    return int(weights @ np.sort(counts).astype(np.int64)) / (n * total)
