"""Which runs of one model are the results of unlike trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from ..store.run_spec import FitSpec
from ..store.run_summary import WEIGHTS_HASH
from ..store.runs import Run


def unlike_trainings(first: Sequence[Run], second: Sequence[Run]) -> str:
    """Why two systems of one model are the results of unlike trainings; '' where they are not, or it is not known.

    Either one fit was trained twice, to other weights; or a time limit ended two trainings after other numbers of
    epochs.

    Args:
        first: the runs of one system, one per seed.
        second: those of another.
    """
    for one, other in ((a, b) for a in first for b in second if a.spec.seed == b.spec.seed):
        if reason := _unlike(one, other):
            return reason
    return ""


def unlike_systems(systems: dict[str, Sequence[Run]]) -> dict[tuple[str, str], str]:
    """The pairs of systems, by label, that are the results of unlike trainings, each with the reason."""
    reasons = {(a, b): unlike_trainings(systems[a], systems[b]) for a, b in combinations(systems, 2)}
    return {pair: reason for pair, reason in reasons.items() if reason}


def _unlike(one: Run, other: Run) -> str:
    first, second = one.summary.fit, other.summary.fit
    if first is None or second is None or _without_clock(one) != _without_clock(other):
        return ""
    if one.spec.fit.id == other.spec.fit.id:
        weights = one.summary.weights, other.summary.weights
        known = all(hashed.startswith(WEIGHTS_HASH) for hashed in weights)
        return "the same fit, trained twice to other weights" if known and weights[0] != weights[1] else ""
    epochs = [f"{fit.epochs:.1f}" for fit in (first, second)]
    return f"a time limit left {epochs[0]} and {epochs[1]} epochs of training" if epochs[0] != epochs[1] else ""


def _without_clock(run: Run) -> FitSpec:
    return replace(run.spec.fit, max_minutes=None)
