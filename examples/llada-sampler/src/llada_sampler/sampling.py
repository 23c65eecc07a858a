"""The sampling loop. It imports torch, and so it is imported when a user decodes, and not when the decoder is listed.

Shapes: B users, K samples, T slots of the canvas, S slots of a block, V the largest slot vocabulary, b the beam.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking
from mindrec_decoders.search.expansion import Beams
from mindrec_decoders.search.pruning import distinct
from mindrec_decoders.search.results import ranking
from mindrec_decoders.search.sampling import gumbel, hashed
from mindrec_decoders.search.scores import best


def sample(
    context: DenoiserContext, canvas: Canvas, *, n: int, temperature: float, samples: int
) -> tuple[Tensor, Tensor]:
    """Draw sequences for every user.

    A step asks the model once, and then reveals n slots one after the other: without a constraint these are its n most
    confident draws; with one, each draw is made among the codes that still keep an item reachable.

    Returns:
        Codes, (B, K, T), and the sums of their log-probabilities, (B, K), float64; -inf where a sample got stuck.
    """
    codes = canvas.start[:, None].repeat(1, samples, 1)
    scores = torch.zeros(codes.shape[:2], dtype=torch.float64, device=codes.device)
    step = 0
    for block, known in _blocks(canvas):
        slots = torch.tensor(block, device=codes.device)
        reach = canvas.constraint and canvas.constraint.at(known, block)
        for first in range(0, len(block), n):
            log_probs = context.log_probs(codes, block).double()
            noise = temperature * _noise(canvas, log_probs, slots, step) if temperature else 0.0
            step += 1
            for _ in range(min(n, len(block) - first)):
                allowed = log_probs if reach is None else log_probs.where(reach.allowed(codes), -torch.inf)
                slot, code, log_prob = _most_confident(allowed, noise, masked=codes[:, :, slots] == MASK)
                codes = codes.scatter(2, slots[slot], code)
                scores = scores + log_prob
    return codes, scores


def distinct_best(codes: Tensor, scores: Tensor, *, beam: int) -> Ranking:
    """The b best samples, each sequence once, by its best score. Shapes: (B, K, T), (B, K)"""
    scores = distinct(Beams(codes, scores), beam=beam, n_categories=0)
    top = best(scores, beam)
    return ranking(codes.gather(1, top[..., None].expand(-1, -1, codes.shape[2])), scores.gather(1, top), beam)


def _blocks(canvas: Canvas) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The slots of each block, and those that are revealed before: given ones, and the blocks before."""
    masked = canvas.start == MASK
    if not torch.equal(masked.all(dim=0), masked.any(dim=0)):
        raise ValueError("the users of one batch must have the same slots revealed in canvas.start")
    is_masked = masked.all(dim=0).tolist()
    known = tuple(slot for slot, open_ in enumerate(is_masked) if not open_)
    parts = range(canvas.n_categories), range(canvas.n_categories, len(canvas.sizes))
    for part in parts:
        block = tuple(slot for slot in part if is_masked[slot])
        if block:
            yield block, known
        known += block


def _noise(canvas: Canvas, log_probs: Tensor, slots: Tensor, step: int) -> Tensor:
    """Gumbel noise: log p plus it is largest at a code drawn from p. Shape: (B, K, S, V), float64

    A hash of the seed and of who asks for what: a user's samples do not depend on the batch, nor a sample on how many
    there are.
    """
    _, n_samples, _, n_codes = log_probs.shape
    number, code = (torch.arange(count, device=log_probs.device) for count in (n_samples, n_codes))
    user = canvas.users[:, None, None, None]
    return gumbel(hashed(canvas.seed, user, step, number[:, None, None], slots[:, None], code))


def _most_confident(log_probs: Tensor, noise: Tensor | float, *, masked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a code for every slot, and keep the one that the model gives the highest probability.

    Args:
        log_probs: shape (B, K, S, V).
        noise: the same shape, or 0.
        masked: the slots that may be revealed. Shape: (B, K, S), bool

    Returns:
        The place of the slot in the block, its code, and the code's log-probability. Shapes: (B, K, 1), (B, K, 1),
        (B, K)
    """
    code = best(log_probs + noise, 1)
    confidence = log_probs.gather(3, code)[..., 0]
    # Even a draw of probability 0 comes before a slot that is revealed already.
    lowest = torch.finfo(confidence.dtype).min
    slot = best(confidence.clamp(min=lowest).where(masked, -torch.inf), 1)
    return slot, code[..., 0].gather(2, slot), confidence.gather(2, slot)[..., 0]
