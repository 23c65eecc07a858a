"""One vocabulary for the codes of all slots: the token ids of slot j's codes start at `space.offsets[j]`."""

from __future__ import annotations

import torch
from torch import Tensor

from mindrec_bench.core.code_space import CodeSpace


def slot_token_ids(space: CodeSpace, slots: tuple[int, ...]) -> Tensor:
    """The token id of each code of some slots, -1 beyond a slot's last code. Shape: (T, V)"""
    code = torch.arange(max(space.sizes[slot] for slot in slots))
    return torch.stack([torch.where(code < space.sizes[slot], code + space.offsets[slot], -1) for slot in slots])


def slot_log_probs(logits: Tensor, token_ids: Tensor) -> Tensor:
    """log p of the codes of slots, normalised over the whole vocabulary.

    Args:
        logits: scores of the whole vocabulary. Shape: (..., vocabulary)
        token_ids: rows of `slot_token_ids`; one row for all logits, or one for each entry of their last-but-one axis.
            Shape: (V,) or (S, V)

    Returns:
        -inf beyond a slot's last code. Shape: (..., V)
    """
    log_probs = logits.log_softmax(dim=-1)
    code_log_probs = log_probs.gather(-1, token_ids.clamp(min=0).expand(*logits.shape[:-1], -1))
    return code_log_probs.masked_fill(token_ids < 0, -torch.inf)


def next_code_loss(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Cross-entropy over the whole vocabulary, mean over target slots and examples (paper eq. 1), in float32.

    Args:
        logits: at the positions that predict the target's codes. Shape: (b, T, vocabulary)
        token_ids: of the target's codes. Shape: (b, T)
    """
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), token_ids.flatten())
