"""Diffusion beam search over `llada`'s network the plain way; other benchmarks divide by its time.

It does what the paper's released evaluation does, without a thought for cost: every step reads the whole sequence of
every beam again, the head and the softmax run over the whole vocabulary at all positions, and candidates are made and
pruned one by one in Python, each copied from the device by itself. Sums of log-probabilities, ties and rules are those
of semantics section 4, so that its rankings are those of `bs`, `dbs-dedup` and `dbs-penalty`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM, items_alone
from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import HISTORY, Histories

Candidate = tuple[Tensor, float]
"""A sequence, shape (T,), and its score."""


@dataclass
class Clock:
    """CPU seconds of this thread, by part; on a GPU the wall's, each part waited for."""

    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        """The time, once the device has nothing left to do."""
        if self.device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add what the block takes to a part."""
        start = self.now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start


def decode(
    network: MaskedCodeLM, histories: Histories, rule: str, beam: int, clock: Clock | None = None
) -> tuple[Tensor, Tensor]:
    """Fill all slots, categories from left to right and then the SID in any order.

    Args:
        network: in evaluation mode.
        histories: B users.
        rule: `bs`, `dbs-dedup` or `dbs-penalty`.
        beam: b; the catalogue has to be large enough for b results.
        clock: gets the seconds of the parts model, expansion, pruning.

    Returns:
        Codes and scores, best first. Shapes: (B, b, T), (B, b), float64
    """
    clock = clock or Clock()
    n_slots, first = network.space.n_slots, network.space.n_categories
    device = network.offsets.device
    items = torch.from_numpy(histories.items).to(device)
    empty = torch.full((n_slots,), MASK, device=device)
    beams: list[list[Candidate]] = [[(empty, 0.0)] for _ in range(len(items))]
    for step in range(n_slots):
        slots = [step] if step < first else list(range(first, n_slots))
        with clock.part("model"):
            probs = _probabilities(network, items, beams)
        with clock.part("expansion"):
            candidates = [_expand(network, *pair, slots, beam) for pair in zip(beams, probs, strict=True)]
        with clock.part("pruning"):
            prune = RULES[rule if step >= first else "bs"]
            beams = [prune(of_user, beam, first) for of_user in candidates]
    codes = torch.stack([torch.stack([codes for codes, _ in of_user]) for of_user in beams])
    return codes, torch.tensor([[score for _, score in of_user] for of_user in beams], dtype=torch.float64)


def _probabilities(network: MaskedCodeLM, items: Tensor, beams: list[list[Candidate]]) -> Tensor:
    """p of every code at every position of every beam. Shape: (B, K, H + T, vocabulary)"""
    slots = torch.arange(network.space.n_slots, device=items.device)
    revealed = torch.stack([torch.stack([codes for codes, _ in of_user]) for of_user in beams])
    n_beams = revealed.shape[1]
    items = items.repeat_interleave(n_beams, dim=0)
    inputs = torch.cat([network.embed_items(items), network.embed_slots(revealed.flatten(0, 1), slots)], dim=1)
    seen = torch.cat([items >= 0, items.new_ones(len(items), len(slots), dtype=torch.bool)], dim=1)
    mask = seen[:, None, None].expand(-1, 1, inputs.shape[1], -1)
    if network.attention == "prefix":
        mask = items_alone(mask, HISTORY)
    states = network.run(inputs, mask=mask, positions=torch.arange(HISTORY + len(slots), device=items.device))
    return network.logits(states).softmax(dim=-1).unflatten(0, (-1, n_beams))


def _expand(
    network: MaskedCodeLM, beams: list[Candidate], probs: Tensor, slots: list[int], beam: int
) -> list[Candidate]:
    """Every beam's b best (slot, code) pairs, by parent, slot, code. Shape of `probs`: (K, H + T, vocabulary)"""
    found: list[Candidate] = []
    offsets = network.space.offsets
    for (codes, score), of_beam in zip(beams, probs, strict=True):
        scores = torch.full((len(slots), max(network.space.sizes)), -math.inf, dtype=torch.float64, device=codes.device)
        for place, slot in enumerate(slots):
            if codes[slot].item() == MASK:
                own = of_beam[HISTORY + slot, offsets[slot] : offsets[slot + 1]]
                scores[place, : len(own)] = own.log().double() + score
        best = scores.flatten().topk(min(beam, scores.numel())).indices.sort().values
        for pair in best:
            value = scores.flatten()[pair].item()
            if value > -math.inf:
                place, code = divmod(int(pair.item()), scores.shape[1])
                child = codes.clone()
                child[slots[place]] = code
                found.append((child, value))
    return found


def _in_order(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: -round(candidate[1] * 1e9))


def _standard(candidates: list[Candidate], beam: int, first: int) -> list[Candidate]:
    return _in_order(candidates)[:beam]


def _distinct(candidates: list[Candidate], beam: int, first: int) -> list[Candidate]:
    kept: dict[tuple[int, ...], Candidate] = {}
    for codes, score in _in_order(candidates):
        kept.setdefault(tuple(codes.tolist()), (codes, score))
        if len(kept) == beam:
            break
    return list(kept.values())


def _penalised(candidates: list[Candidate], beam: int, first: int) -> list[Candidate]:
    """Algorithm 1: a candidate pays for its likeness to the closest one in the new set."""
    kept: list[tuple[int, list[int], Candidate]] = []
    order = sorted(range(len(candidates)), key=lambda place: -round(candidates[place][1] * 1e9))
    for place in order:
        codes, score = candidates[place]
        sid = codes[first:].tolist()
        revealed = sum(code != MASK for code in sid)
        same = max((sum(a == b != MASK for a, b in zip(sid, other, strict=True)) for _, other, _ in kept), default=0)
        paid = score + math.log1p(-math.log1p(same / revealed))
        if len(kept) == beam and round(paid * 1e9) <= min(round(entry[2][1] * 1e9) for entry in kept):
            continue
        kept.append((place, sid, (codes, paid)))
        kept.sort(key=lambda entry: (-round(entry[2][1] * 1e9), entry[0]))
        del kept[beam:]
    return [candidate for _, _, candidate in kept]


RULES: dict[str, Callable[[list[Candidate], int, int], list[Candidate]]] = {
    "bs": _standard,
    "dbs-dedup": _distinct,
    "dbs-penalty": _penalised,
}
