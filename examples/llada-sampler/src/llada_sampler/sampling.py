"""The sampling loop. It imports torch, so it is imported when a decoder runs and not when decoders are listed.

Shapes: B users, K samples, T slots of the canvas, S slots of a block, V the largest slot vocabulary, b the beam.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking
from mindrec_bench.core.random_bits import hash_bits
from mindrec_decoders.search.expansion import Hypotheses
from mindrec_decoders.search.pruning import dedup
from mindrec_decoders.search.results import make_ranking
from mindrec_decoders.search.sampling import gumbel_noise
from mindrec_decoders.search.scores import stable_topk


def draw_samples(context: DenoiserContext, canvas: Canvas, *, n: int, temperature: float, n_samples: int) -> Hypotheses:
    """Draw sequences for every user.

    A step calls the model once and then reveals n slots one after the other: without a constraint these are its n most
    confident draws; with one, each draw is made among the codes that still keep an item reachable. The last draw of a
    sample completes no semantic ID that the canvas excludes.

    Returns:
        K samples per user with the sums of their log-probabilities, -inf where a sample got stuck.
    """
    codes = canvas.start[:, None].repeat(1, n_samples, 1)
    scores = torch.zeros(codes.shape[:2], dtype=torch.float64, device=codes.device)
    step = 0
    for block, revealed in _blocks(canvas):
        slots = torch.tensor(block, device=codes.device)
        constraint = canvas.constraint and canvas.constraint.at(revealed, block, canvas.excluded)
        for first in range(0, len(block), n):
            log_probs = context.log_probs(codes, block).double()
            noise = temperature * _noise(canvas, log_probs, slots, step) if temperature else 0.0
            step += 1
            for _ in range(min(n, len(block) - first)):
                allowed = log_probs if constraint is None else log_probs.where(constraint.allowed(codes), -torch.inf)
                if canvas.excluded is not None and block[-1] >= canvas.n_categories:
                    allowed = allowed.where(canvas.excluded.allowed(codes, slots), -torch.inf)
                position, code, log_prob = _most_confident(allowed, noise, masked=codes[:, :, slots] == MASK)
                codes = codes.scatter(2, slots[position], code)
                scores = scores + log_prob
    return Hypotheses(codes, scores)


def best_distinct(samples: Hypotheses, *, beam: int) -> Ranking:
    """The b best samples, each sequence once, with its best score."""
    scores = dedup(samples, beam=beam, n_categories=0)
    top = stable_topk(scores, beam)
    codes = samples.codes.gather(1, top[..., None].expand(-1, -1, samples.codes.shape[2]))
    return make_ranking(codes, scores.gather(1, top), beam)


def _blocks(canvas: Canvas) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The masked slots of each block, and the slots revealed before it: given ones, and those of earlier blocks."""
    masked = canvas.start == MASK
    if not torch.equal(masked.all(dim=0), masked.any(dim=0)):
        raise ValueError("the users of one batch must have the same slots revealed in canvas.start")
    is_masked = masked.all(dim=0).tolist()
    revealed = tuple(slot for slot, slot_masked in enumerate(is_masked) if not slot_masked)
    for block_slots in (range(canvas.n_categories), range(canvas.n_categories, len(canvas.sizes))):
        block = tuple(slot for slot in block_slots if is_masked[slot])
        if block:
            yield block, revealed
        revealed += block


def _noise(canvas: Canvas, log_probs: Tensor, slots: Tensor, step: int) -> Tensor:
    """Gumbel noise: log p plus noise is largest at a code drawn from p. Shape: (B, K, S, V), float64

    A hash of the seed and of what is drawn: a user's samples do not depend on the batch, nor a sample on how many there
    are.
    """
    _, n_samples, _, n_codes = log_probs.shape
    sample, code = (torch.arange(count, device=log_probs.device) for count in (n_samples, n_codes))
    user = canvas.users[:, None, None, None]
    return gumbel_noise(hash_bits(canvas.seed, user, step, sample[:, None, None], slots[:, None], code))


def _most_confident(log_probs: Tensor, noise: Tensor | float, *, masked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a code for every slot, and keep the one to which the model gives the highest probability.

    Args:
        log_probs: shape (B, K, S, V).
        noise: the same shape, or 0.
        masked: the slots that may be revealed. Shape: (B, K, S), bool

    Returns:
        The position of the slot in the block, its code, and the code's log-probability. Shapes: (B, K, 1), (B, K, 1),
        (B, K)
    """
    code = stable_topk(log_probs + noise, 1)
    confidence = log_probs.gather(3, code)[..., 0]
    # Even a draw of probability 0 comes before a slot that is revealed already.
    lowest = torch.finfo(confidence.dtype).min
    position = stable_topk(confidence.clamp(min=lowest).where(masked, -torch.inf), 1)
    return position, code[..., 0].gather(2, position), confidence.gather(2, position)[..., 0]
