"""Diversity of all recommended lists together: entropy and type-token ratio (TTR) of their codes (docs/semantics.md,
Metrics)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.catalogue import Int


@dataclass(frozen=True, eq=False)
class CodeCounts:
    """How often each SID code was recommended; a code is its slot and its index.

    Attributes:
        counts: occurrences of each code, the slots laid end to end. Shape: (codes of all SID slots,)
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
        """The sum of both counts."""
        return CodeCounts(self.counts + other.counts)

    @property
    def tokens(self) -> int:
        """How many codes were recommended, repetitions included."""
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
        return abs(float((p * np.log2(p)).sum()))  # abs: -sum is -0.0 for a single code

    @property
    def ttr(self) -> float:
        """Type-token ratio: distinct codes / recommended codes."""
        return self.distinct / max(self.tokens, 1)

    @property
    def ttr_bound(self) -> float:
        """The largest TTR that is possible for this number of tokens, since the vocabulary is finite."""
        return min(len(self.counts), self.tokens) / max(self.tokens, 1)
