"""Metrics of ranked lists (semantics section 5): HR and NDCG a user, Entropy, TTR and the like over all lists.

Nothing is rounded, and everything over all lists is made of whole-number counts, so it is the same for any sharding.

Glossary: U users, b results a user, M semantic-ID (SID) slots, C distinct SIDs of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.code_space import CodeSpace, Int
from .accuracy import RANKING_METRICS, Columns, hit_ranks, per_user, repeats
from .diversity import CodeCounts

CORPUS_METRICS = ("entropy", "ttr", "ttr_bound", "distinct_codes", "valid", "duplicates", "coverage", "popularity")
"""The metrics of all lists together, as keys."""


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
