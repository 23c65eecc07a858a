"""Metrics of ranked lists (semantics section 5): HR and NDCG a user, Entropy, TTR and the like over all lists.

Nothing is rounded, and everything over all lists is made of whole-number counts, so it is the same for any sharding.

Glossary: U users, b results a user, M semantic-ID (SID) slots, C distinct SIDs of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import CodeSpace, Int

KS = (1, 3, 5, 10)
"""The cut-offs k of HR@k and NDCG@k."""

RANKING_METRICS = tuple(f"{name}@{k}" for name in ("hr", "ndcg") for k in KS)
"""The metrics with a value for every user, as keys: hr@1 ... ndcg@10."""

CORPUS_METRICS = ("entropy", "ttr", "ttr_bound", "distinct_codes", "valid", "duplicates", "coverage", "popularity")
"""The metrics of all lists together, as keys."""

SEARCH_METRICS = tuple(f"{name}@{k}" for name in ("exact", "lost") for k in KS)
"""What a decoder missed of a model whose exact answer is known (`search_error`), as keys."""

Columns = dict[str, NDArray[Any]]


def hit_ranks(keys: Int, targets: Int) -> NDArray[np.int32]:
    """The rank of each user's first hit, counted from 1; 0 for a miss. A hit is an equal SID.

    Args:
        keys: `CodeSpace.sid_key` of the results, best first, -1 in the padding (which never hits). Shape: (U, b)
        targets: `CodeSpace.sid_key` of the true next items. Shape: (U,)

    Returns:
        Shape: (U,)
    """
    if keys.shape[1] == 0:
        return np.zeros(len(keys), dtype=np.int32)
    hits = (keys == targets[:, None]) & (keys >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int32)


def per_user(ranks: NDArray[np.int32]) -> Columns:
    """HR@k and NDCG@k of each user, from the ranks that `hit_ranks` gives.

    One item is relevant, so NDCG@k = 1 / log2(rank + 1) where 1 <= rank <= k, else 0 (the ideal DCG is 1).

    Returns:
        `RANKING_METRICS`, float64. Shape of each: (U,)
    """
    gain = 1 / np.log2(np.maximum(ranks, 1) + 1.0)
    hits = {k: (ranks >= 1) & (ranks <= k) for k in KS}
    return {f"hr@{k}": hits[k].astype(np.float64) for k in KS} | {f"ndcg@{k}": np.where(hits[k], gain, 0.0) for k in KS}


@dataclass(frozen=True, eq=False)
class CodeCounts:
    """How often each SID code was recommended; a code is its level and its index.

    Attributes:
        counts: occurrences of each code, the levels laid end to end. Shape: (codes of all SID slots,)
    """

    counts: Int

    @classmethod
    def of(cls, sids: Int, sizes: tuple[int, ...]) -> CodeCounts:
        """Count the codes of results.

        Args:
            sids: code indices; a result with a code below 0 is padding. Shape: (..., M)
            sizes: the vocabulary size of each SID slot. Length M.
        """
        flat = sids.reshape(-1, len(sizes))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        tokens = flat[(flat >= 0).all(axis=1)] + starts[:-1]
        return cls(np.bincount(tokens.ravel(), minlength=starts[-1]))

    def add(self, other: CodeCounts) -> CodeCounts:
        """Both counts together."""
        return CodeCounts(self.counts + other.counts)

    @property
    def tokens(self) -> int:
        """How many codes were recommended, repeats included."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """How many different codes were recommended."""
        return int(np.count_nonzero(self.counts))

    @property
    def entropy(self) -> float:
        """Entropy of the codes in bits; 0 when there are none."""
        if not self.tokens:
            return 0.0
        p = self.counts[self.counts > 0] / self.tokens
        return abs(float((p * np.log2(p)).sum()))  # abs: one code alone gives -0.0 otherwise

    @property
    def ttr(self) -> float:
        """Type-token ratio: distinct codes / recommended codes."""
        return self.distinct / max(self.tokens, 1)

    @property
    def ttr_bound(self) -> float:
        """The largest TTR that so many tokens can have, since the vocabulary is finite."""
        return min(len(self.counts), self.tokens) / max(self.tokens, 1)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The distinct SIDs of the catalogue, and how popular each is.

    Attributes:
        space: the slots.
        train_counts: how often each item occurs in the training parts. Shape: (N,)
    """

    space: CodeSpace
    train_counts: Int

    @cached_property
    def keys(self) -> Int:
        """The distinct SID keys, rising. Shape: (C,)"""
        return np.unique(self.space.sid_keys)

    @cached_property
    def popularity(self) -> Int:
        """Training interactions with the items of each SID, summed over items that share it. Shape: (C,)"""
        place = np.searchsorted(self.keys, self.space.sid_keys)
        summed = np.zeros(len(self.keys), dtype=np.int64)
        np.add.at(summed, place, self.train_counts)
        return summed

    @property
    def sid_sizes(self) -> tuple[int, ...]:
        """The vocabulary size of each SID slot. Length M."""
        return self.space.sizes[self.space.n_categories :]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Counts over the lists of many users, categories excluded; `add` joins the counts of other users.

    Attributes:
        codes: how often each code was recommended.
        recommended: how often each distinct SID of the catalogue was recommended. Shape: (C,)
        results: recommendations, padding excluded.
        duplicates: recommendations whose SID stands higher up in the same list already.
    """

    codes: CodeCounts
    recommended: Int
    results: int = 0
    duplicates: int = 0

    def add(self, other: Corpus) -> Corpus:
        """Both counts together; any order and any grouping gives the same."""
        return Corpus(
            self.codes.add(other.codes),
            self.recommended + other.recommended,
            self.results + other.results,
            self.duplicates + other.duplicates,
        )


def score_lists(sids: Int, targets: Int, catalogue: Catalogue) -> tuple[Columns, Corpus]:
    """Score the lists of some users.

    Args:
        sids: SID code indices of the results, best first; a result with a code below 0 is padding. Shape: (U, b, M)
        targets: the true next items. Shape: (U,)
        catalogue: what can be recommended.

    Returns:
        The columns hit_rank, `RANKING_METRICS`, results, valid, duplicates (int32 but for the metrics, float64), of
        shape (U,) each; and the counts for the metrics over all lists.
    """
    codes = CodeCounts.of(sids, catalogue.sid_sizes)
    return score_keys(catalogue.space.sid_key(sids), codes, targets, catalogue)


def score_keys(keys: Int, codes: CodeCounts, targets: Int, catalogue: Catalogue) -> tuple[Columns, Corpus]:
    """`score_lists` for results whose codes are not those of the catalogue's SIDs.

    Args:
        keys: `CodeSpace.sid_key` of the item that a result is, another number for what is no item (equal exactly for
            equal results), -1 in the padding. Shape: (U, b)
        codes: how often each code of the results was recommended.
        targets: the true next items. Shape: (U,)
        catalogue: what can be recommended.
    """
    filled = keys >= 0
    place = np.searchsorted(catalogue.keys, keys).clip(max=len(catalogue.keys) - 1)
    valid = catalogue.keys[place] == keys  # padding, -1, is no key
    duplicates = repeats(keys) & filled
    ranks = hit_ranks(keys, catalogue.space.sid_keys[targets])
    counted = {"results": filled, "valid": valid, "duplicates": duplicates}
    columns = {"hit_rank": ranks, **per_user(ranks)}
    columns |= {name: mask.sum(axis=1).astype(np.int32) for name, mask in counted.items()}
    corpus = Corpus(
        codes,
        np.bincount(place[valid], minlength=len(catalogue.keys)),
        int(filled.sum()),
        int(duplicates.sum()),
    )
    return columns, corpus


def repeats(keys: Int) -> NDArray[np.bool_]:
    """Where a key stands further left in its row already. Shape: (U, b) -> (U, b)"""
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    same = np.zeros(keys.shape, dtype=bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeats = np.empty_like(same)
    np.put_along_axis(repeats, order, same, axis=1)
    return repeats


def summarise(columns: Columns, corpus: Corpus, catalogue: Catalogue) -> dict[str, float]:
    """The aggregates of a run.

    Args:
        columns: per-user columns of all users, as `score_lists` gives them.
        corpus: the counts of all users, as `score_lists` gives them and `Corpus.add` joins them.
        catalogue: what could be recommended.

    Returns:
        `RANKING_METRICS` (means over users), then `CORPUS_METRICS`: `entropy` in bits; `valid` and `duplicates` as
        shares of the recommendations; `coverage` as the share of the catalogue's distinct SIDs that someone was
        recommended; `popularity` as the mean training count over recommendations that are real items. All 0 without
        recommendations.
    """
    codes = corpus.codes
    real = int(corpus.recommended.sum())
    return {name: float(columns[name].mean()) for name in RANKING_METRICS} | {
        "entropy": codes.entropy,
        "ttr": codes.ttr,
        "ttr_bound": codes.ttr_bound,
        "distinct_codes": codes.distinct,
        "valid": real / max(corpus.results, 1),
        "duplicates": corpus.duplicates / max(corpus.results, 1),
        "coverage": np.count_nonzero(corpus.recommended) / len(catalogue.keys),
        "popularity": int(corpus.recommended @ catalogue.popularity) / max(real, 1),
    }
