"""A search in steps, in plain Python: lists and floats, one user. The test supplies what each step proposes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from mindrec_bench.core.code_space import MASK
from mindrec_bench.testing import DecodingProblem

from .problems import allowed_items, excluded_sids, log_probs_of, start_of
from .reference import INF, Beam, Codes, LogProbs, Rule, in_order, prune

Proposals = Callable[[Codes, float], list[Beam]]
"""From a beam's codes and score to all its candidates, by slots, then codes."""

RULES: dict[str, Rule] = {"bs": "standard", "dbs-dedup": "dedup", "dbs-penalty": "penalty"}


def step_search(
    case: DecodingProblem,
    user: int,
    sid_steps: Callable[[LogProbs, tuple[int, ...]], list[Proposals]],
    rule: Rule,
    *,
    beam: int,
) -> list[Beam]:
    """The results, best first: categories from left to right, then the steps of the masked SID slots.

    Every beam proposes its `beam` best candidates, none of them a whole sequence with an excluded SID.
    """
    excluded = excluded_sids(case, user)
    log_probs, start, n_categories = log_probs_of(case, user), start_of(case, user), case.space.n_categories
    masked = [slot for slot, code in enumerate(start) if code == MASK]
    steps = [(joint(log_probs, [slot], 1), "standard") for slot in masked if slot < n_categories]
    sid_slots = tuple(slot for slot in masked if slot >= n_categories)
    steps += [(propose, rule) for propose in sid_steps(log_probs, sid_slots)]
    items = allowed_items(case, user)
    beams: list[Beam] = [(start, 0.0)]
    for propose, step_rule in steps:
        candidates: list[Beam] = []
        for codes, score in beams:
            children = propose(codes, score)
            if case.catalogue:
                children = [(child, value) for child, value in children if reachable(child, items)]
            children = [(child, value) for child, value in children if child[n_categories:] not in excluded]
            candidates += [children[i] for i in sorted(in_order([value for _, value in children])[:beam])]
        beams = prune(candidates, beam, step_rule, n_categories)
    return beams


def joint(log_probs: LogProbs, slots: Sequence[int], n: int) -> Proposals:
    """All ways to fill n of `slots`."""

    def propose(codes: Codes, score: float) -> list[Beam]:
        candidates = []
        for chosen in itertools.combinations([slot for slot in slots if codes[slot] == MASK], n):
            values = [log_probs(codes, slot) for slot in chosen]
            for choice in itertools.product(*(range(len(row)) for row in values)):
                child = list(codes)
                for slot, code in zip(chosen, choice, strict=True):
                    child[slot] = code
                candidates.append((tuple(child), score + sum(row[c] for row, c in zip(values, choice, strict=True))))
        return candidates

    return propose


def reachable(codes: Codes, items: list[Codes]) -> bool:
    """Whether some item has all revealed codes."""
    return any(all(c in (MASK, i) for c, i in zip(codes, item, strict=True)) for item in items)


def most_certain_slot(
    case: DecodingProblem, user: int, log_probs: LogProbs, codes: Codes, masked: Sequence[int], order: str
) -> int | None:
    """The masked slot with the most certain distribution over its allowed codes; None where all are impossible."""
    items = allowed_items(case, user)
    certainties = []
    for slot in masked:
        values = log_probs(codes, slot)
        if case.catalogue:
            children = [(*codes[:slot], code, *codes[slot + 1 :]) for code in range(len(values))]
            values = [v if reachable(c, items) else -INF for v, c in zip(values, children, strict=True)]
        certainties.append(certainty(values, order))
    ranks = in_order(certainties)
    return masked[ranks[0]] if ranks else None


def certainty(values: list[float], order: str) -> float:
    """-entropy, or the top probability, of the distribution over the finite values."""
    total = sum(math.exp(value) for value in values if value > -INF)
    if total == 0:
        return -INF
    probs = [math.exp(value) / total for value in values if value > -INF]
    return max(probs) if order == "confidence" else sum(p * math.log(p) for p in probs if p > 0)
