"""The diffusion searches in plain Python, for one user (paper Algorithm 1; docs/semantics.md, Decoding)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container
from typing import Literal

MASK = -1
INF = math.inf

Codes = tuple[int, ...]
Beam = tuple[Codes, float]
LogProbs = Callable[[Codes, int], list[float]]
"""From (revealed codes, slot) to the log-probability of each of the slot's codes."""

Rule = Literal["standard", "sum", "dedup", "dedup-sids", "penalty"]


class NearTieError(Exception):
    """Two scores that decide something are closer than 1e-6 and not equal: no order can be expected."""


def in_order(scores: list[float]) -> list[int]:
    """Positions by falling score, ties to the lower position; positions of -inf are left out."""
    finite = [i for i, score in enumerate(scores) if score > -INF]
    order = sorted(finite, key=lambda i: (-round(scores[i] * 1e9), i))
    for first, second in itertools.pairwise(order):
        if 1e-11 < abs(scores[first] - scores[second]) < 1e-6:
            raise NearTieError
    return order


def gumbel_noise(seed: int, *parts: int) -> float:
    """Gumbel noise from a hash of the parts."""
    word = 2**64 - 1

    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) & word
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & word
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & word
        return x ^ (x >> 31)

    state = mix(seed)
    for part in parts:
        state = mix((state + part) & word)
    return -math.log(-math.log(((state >> 12) + 0.5) / 2**52))


def search(
    log_probs: LogProbs,
    start: Codes,
    n_categories: int,
    *,
    beam: int,
    rule: Rule,
    normalise: str = "vocabulary",
    propose: str = "top",
    seed: int = 42,
    user: int = 0,
    excluded: Container[Codes] = (),
) -> list[Beam]:
    """The results, best first; none has the SID of `excluded`."""
    masked = [slot for slot, code in enumerate(start) if code == MASK]
    steps = [([slot], "standard") for slot in masked if slot < n_categories]
    sids = [slot for slot in masked if slot >= n_categories]
    steps += [(sids, rule) for _ in sids]

    beams: list[Beam] = [(start, 0.0)]
    for step, (slots, step_rule) in enumerate(steps):
        candidates: list[Beam] = []
        for parent, (codes, score) in enumerate(beams):
            pairs = []
            for slot in slots:
                if codes[slot] == MASK:
                    values = log_probs(codes, slot)
                    if normalise == "slot":
                        total = sum(math.exp(value) for value in values)
                        values = [value - math.log(total) if total > 0 else -INF for value in values]
                    children = [(*codes[:slot], code, *codes[slot + 1 :]) for code in range(len(values))]
                    pairs += [
                        (slot, code, -INF if child[n_categories:] in excluded else value)
                        for code, (child, value) in enumerate(zip(children, values, strict=True))
                    ]
            if propose == "top":
                chosen = in_order([score + value for _, _, value in pairs])[:beam]
            else:
                chosen = sample_pairs(pairs, beam, (seed, user, step, parent))
            for i in sorted(chosen):
                slot, code, value = pairs[i]
                candidates.append(((*codes[:slot], code, *codes[slot + 1 :]), score + value))
        beams = prune(candidates, beam, step_rule, n_categories)
    return beams


def sample_pairs(pairs: list[tuple[int, int, float]], beam: int, key: tuple[int, ...]) -> list[int]:
    """A sample of `beam` pairs from each slot's top `beam`."""
    perturbed = [-INF] * len(pairs)
    for slot in {slot for slot, _, _ in pairs}:
        of_slot = [value if s == slot else -INF for s, _, value in pairs]
        for i in in_order(of_slot)[:beam]:
            perturbed[i] = pairs[i][2] + gumbel_noise(*key, pairs[i][0], pairs[i][1])
    return in_order(perturbed)[:beam]


def prune(candidates: list[Beam], beam: int, rule: Rule, n_categories: int) -> list[Beam]:
    """The survivors, best first."""
    ranked = in_order([score for _, score in candidates])
    if rule == "standard":
        return [candidates[i] for i in ranked[:beam]]
    if rule == "sum":
        terms: dict[Codes, list[float]] = {}
        for i in ranked:
            terms.setdefault(candidates[i][0], []).append(candidates[i][1])
        sums = [(codes, math.log(math.fsum(map(math.exp, values)))) for codes, values in terms.items()]
        best = {candidates[i][0]: i for i in reversed(ranked)}
        sums.sort(key=lambda entry: best[entry[0]])
        return [sums[i] for i in in_order([score for _, score in sums])[:beam]]
    if rule in ("dedup", "dedup-sids"):
        first = n_categories if rule == "dedup-sids" else 0
        distinct: list[Beam] = []
        for i in ranked:
            if all(candidates[i][0][first:] != codes[first:] for codes, _ in distinct) and len(distinct) < beam:
                distinct.append(candidates[i])
        return distinct
    kept: list[tuple[int, float]] = []  # (position among the candidates, penalised score)
    for i in ranked:
        codes, score = candidates[i]
        sid = codes[n_categories:]
        n_revealed = sum(code != MASK for code in sid)
        n_shared = [
            sum(a == b != MASK for a, b in zip(sid, candidates[j][0][n_categories:], strict=True)) for j, _ in kept
        ]
        rho = max(n_shared, default=0) / n_revealed
        penalised = score + math.log(1 - math.log(1 + rho))
        in_order([score for _, score in kept] + [penalised])  # all these are compared, so no near ties are allowed
        if len(kept) < beam:
            kept.append((i, penalised))
        elif round(penalised * 1e9) > min(round(score * 1e9) for _, score in kept):
            kept.append((i, penalised))
            kept.sort(key=lambda entry: (-round(entry[1] * 1e9), entry[0]))
            kept.pop()
    kept.sort(key=lambda entry: (-round(entry[1] * 1e9), entry[0]))
    return [(candidates[i][0], score) for i, score in kept]
