"""`dbs-dedup`: diffusion beam search without repeats."""

from __future__ import annotations

from dataclasses import dataclass

from .search.diffusion_search import DiffusionSearch


@dataclass(frozen=True)
class DbsDedup(DiffusionSearch):
    """Diffusion beam search that keeps the b best distinct sequences.

    Adds de-duplication to `bs`: a sequence is kept once, however many orders reach it (paper Table 6).

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder dbs-dedup`.
    """

    expansion = "any-order"
    pruning = "dedup"
