"""Diffusion beam search over the network of `llada`, implemented plainly; other benchmarks compare with its time.

It does what the paper's released evaluation does, without regard to cost: every step reads the whole sequence of every
beam again, the head and the softmax run over the whole vocabulary at all positions, and candidates are made and pruned
one by one in Python, each copied from the device on its own. Sums of log-probabilities, ties and pruning rules follow
docs/semantics.md (Decoding), so its rankings are those of `bs`, `dbs-dedup` and `dbs-penalty`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM, isolate_history
from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import HISTORY, Histories

Hypothesis = tuple[Tensor, float]
"""A sequence, shape (T,), and its score."""


@dataclass
class Stopwatch:
    """Seconds by section: CPU time of this thread; on a GPU wall time, waiting for the GPU after each section."""

    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        """The time at which the device has finished its work."""
        if self.device == "cpu":
            return time.thread_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Add the time of the block to a section."""
        start = self.now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start


def decode(
    network: MaskedCodeLM, histories: Histories, rule: str, beam: int, stopwatch: Stopwatch | None = None
) -> tuple[Tensor, Tensor]:
    """Fill all slots: categories from left to right, then the SID in any order.

    Args:
        network: in evaluation mode.
        histories: B users.
        rule: `bs`, `dbs-dedup` or `dbs-penalty`.
        beam: b; the catalogue must be large enough for b results.
        stopwatch: gets the seconds of the sections model, expansion and pruning.

    Returns:
        Codes and scores, best first. Shapes: (B, b, T), (B, b), float64
    """
    stopwatch = stopwatch or Stopwatch()
    n_slots, n_categories = network.space.n_slots, network.space.n_categories
    device = network.offsets.device
    items = torch.from_numpy(histories.items).to(device)
    empty = torch.full((n_slots,), MASK, device=device)
    beams: list[list[Hypothesis]] = [[(empty, 0.0)] for _ in range(len(items))]
    for step in range(n_slots):
        slots = [step] if step < n_categories else list(range(n_categories, n_slots))
        with stopwatch.section("model"):
            probs = _probabilities(network, items, beams)
        with stopwatch.section("expansion"):
            candidates = [_expand(network, *pair, slots, beam) for pair in zip(beams, probs, strict=True)]
        with stopwatch.section("pruning"):
            prune = RULES[rule if step >= n_categories else "bs"]
            beams = [prune(user_candidates, beam, n_categories) for user_candidates in candidates]
    codes = torch.stack([torch.stack([codes for codes, _ in user_beams]) for user_beams in beams])
    return codes, torch.tensor([[score for _, score in user_beams] for user_beams in beams], dtype=torch.float64)


def _probabilities(network: MaskedCodeLM, items: Tensor, beams: list[list[Hypothesis]]) -> Tensor:
    """p of every code at every position of every beam. Shape: (B, K, H + T, vocabulary)"""
    slots = torch.arange(network.space.n_slots, device=items.device)
    revealed = torch.stack([torch.stack([codes for codes, _ in user_beams]) for user_beams in beams])
    n_beams = revealed.shape[1]
    items = items.repeat_interleave(n_beams, dim=0)
    inputs = torch.cat([network.embed_items(items), network.embed_slots(revealed.flatten(0, 1), slots)], dim=1)
    attention_mask = torch.cat([items >= 0, items.new_ones(len(items), len(slots), dtype=torch.bool)], dim=1)
    mask = attention_mask[:, None, None].expand(-1, 1, inputs.shape[1], -1)
    if network.attention == "prefix":
        mask = isolate_history(mask, HISTORY)
    states = network.encode(inputs, mask=mask, position_ids=torch.arange(HISTORY + len(slots), device=items.device))
    return network.logits(states).softmax(dim=-1).unflatten(0, (-1, n_beams))


def _expand(
    network: MaskedCodeLM, beams: list[Hypothesis], probs: Tensor, slots: list[int], beam: int
) -> list[Hypothesis]:
    """The b best (slot, code) pairs of each beam, in the order of beam, slot, code.

    Args:
        network, beams: of one user.
        probs: from `_probabilities`. Shape: (K, H + T, vocabulary)
        slots: those that may be filled.
        beam: b.
    """
    candidates: list[Hypothesis] = []
    offsets = network.space.offsets
    for (codes, score), beam_probs in zip(beams, probs, strict=True):
        scores = torch.full((len(slots), max(network.space.sizes)), -math.inf, dtype=torch.float64, device=codes.device)
        for row, slot in enumerate(slots):
            if codes[slot].item() == MASK:
                slot_probs = beam_probs[HISTORY + slot, offsets[slot] : offsets[slot + 1]]
                scores[row, : len(slot_probs)] = slot_probs.log().double() + score
        best = scores.flatten().topk(min(beam, scores.numel())).indices.sort().values
        for index in best:
            value = scores.flatten()[index].item()
            if value > -math.inf:
                row, code = divmod(int(index.item()), scores.shape[1])
                child = codes.clone()
                child[slots[row]] = code
                candidates.append((child, value))
    return candidates


def _by_score(candidates: list[Hypothesis]) -> list[Hypothesis]:
    return sorted(candidates, key=lambda candidate: -round(candidate[1] * 1e9))


def _standard(candidates: list[Hypothesis], beam: int, n_categories: int) -> list[Hypothesis]:
    return _by_score(candidates)[:beam]


def _dedup(candidates: list[Hypothesis], beam: int, n_categories: int) -> list[Hypothesis]:
    kept: dict[tuple[int, ...], Hypothesis] = {}
    for codes, score in _by_score(candidates):
        kept.setdefault(tuple(codes.tolist()), (codes, score))
        if len(kept) == beam:
            break
    return list(kept.values())


def _penalty(candidates: list[Hypothesis], beam: int, n_categories: int) -> list[Hypothesis]:
    """Algorithm 1: a candidate is penalised for its overlap with the most similar one that is kept."""
    kept: list[tuple[int, list[int], Hypothesis]] = []
    order = sorted(range(len(candidates)), key=lambda index: -round(candidates[index][1] * 1e9))
    for index in order:
        codes, score = candidates[index]
        sid = codes[n_categories:].tolist()
        revealed = sum(code != MASK for code in sid)
        overlap = max((sum(a == b != MASK for a, b in zip(sid, other, strict=True)) for _, other, _ in kept), default=0)
        penalised = score + math.log1p(-math.log1p(overlap / revealed))
        if len(kept) == beam and round(penalised * 1e9) <= min(round(entry[2][1] * 1e9) for entry in kept):
            continue
        kept.append((index, sid, (codes, penalised)))
        kept.sort(key=lambda entry: (-round(entry[2][1] * 1e9), entry[0]))
        del kept[beam:]
    return [candidate for _, _, candidate in kept]


RULES: dict[str, Callable[[list[Hypothesis], int, int], list[Hypothesis]]] = {
    "bs": _standard,
    "dbs-dedup": _dedup,
    "dbs-penalty": _penalty,
}
"""Decoder -> its pruning rule."""
