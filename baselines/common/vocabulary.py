"""One vocabulary for the codes of all slots: slot j's codes stand at `space.offsets[j]` and after."""

from __future__ import annotations

import torch
from torch import Tensor

from mindrec_bench.core.code_space import CodeSpace


def places(space: CodeSpace, slots: tuple[int, ...]) -> Tensor:
    """Where each slot's codes are in the vocabulary, -1 beyond the slot's last one. Shape: (T, V)"""
    code = torch.arange(max(space.sizes[slot] for slot in slots))
    return torch.stack([torch.where(code < space.sizes[slot], code + space.offsets[slot], -1) for slot in slots])


def slot_log_probs(logits: Tensor, own: Tensor) -> Tensor:
    """log p of slots' own codes, normalised over the whole vocabulary.

    Args:
        logits: scores of the whole vocabulary. Shape: (..., vocabulary)
        own: rows of `places`, for all logits or for each of their last-but-one axis. Shape: (V,) or (S, V)

    Returns:
        -inf beyond a slot's last code. Shape: (..., V)
    """
    log_probs = logits.log_softmax(dim=-1)
    of_codes = log_probs.gather(-1, own.clamp(min=0).expand(*logits.shape[:-1], -1))
    return of_codes.masked_fill(own < 0, -torch.inf)


def next_code_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy over the whole vocabulary, mean over target slots and examples (paper eq. 1), in float32.

    Args:
        logits: at the positions that predict the target's codes. Shape: (b, T, vocabulary)
        codes: places of these codes in the vocabulary. Shape: (b, T)
    """
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), codes.flatten())
