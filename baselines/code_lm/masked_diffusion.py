"""The masked-diffusion objective (paper eq. 5 and 7; docs/semantics.md, Training).

For each example t ~ U[p_mask, 1]; each target slot is masked independently with probability t; the loss is 1/t times
the cross-entropy summed over the masked slots, divided by T, mean over the batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mindrec_bench.core.code_space import MASK, Int


def mask_targets(codes: Int, noise: NDArray[np.float64], p_mask: float) -> tuple[Int, NDArray[np.float32]]:
    """Mask target slots at random.

    Args:
        codes: code indices of the targets. Shape: (b, T)
        noise: uniform numbers; the first decides t, the others which slots are masked. Shape: (b, 1 + T)
        p_mask: the smallest t.

    Returns:
        The codes with `MASK` at masked slots, and each slot's weight in the loss: 1 / (t T) if masked, else 0.
        Shapes: (b, T), (b, T)
    """
    t = p_mask + (1 - p_mask) * noise[:, :1]
    masked = noise[:, 1:] < t
    return np.where(masked, MASK, codes), (masked / (t * codes.shape[1])).astype(np.float32)


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor, examples: int) -> Tensor:
    """Sum of weights x cross-entropy, divided by the number of examples.

    Args:
        logits: over the whole vocabulary, at the masked slots and perhaps others. Shape: (m, vocabulary)
        labels: token ids of the true codes at these slots. Shape: (m,)
        weights: from `mask_targets`; 0 for a slot that is not masked. Shape: (m,)
        examples: in the batch.
    """
    losses = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    return (losses * weights).sum() / examples
