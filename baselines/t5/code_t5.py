"""T5 over codes: the network of `tiger` (Rajput et al., 2023; sizes of the paper's comparison, spec: TIGER).

The encoder reads the codes of the history's items, one token each; the decoder writes the target's codes from left to
right, trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from transformers import T5Model

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..common.vocabulary import next_code_loss, places
from .encoder_decoder import T5Context, T5Reader, T5Shape


class T5Codes(T5Reader):
    """T5 with the codes of all slots as its vocabulary, and one more token: padding, which also starts the target.

    T5 knows tokens by their distance only, so when category slots are left out of the target, the first SID code
    follows the start.
    """

    def __init__(self, space: CodeSpace, shape: T5Shape, dropout: float) -> None:
        pad = space.offsets[-1]
        t5 = T5Model(shape.config(pad + 1, pad, dropout))
        super().__init__(t5, nn.Embedding(pad + 1, shape.hidden), pad)
        self.space = space
        offsets = np.asarray(space.offsets[:-1])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.register_buffer("item_codes", torch.from_numpy(space.item_codes + offsets), persistent=False)

    offsets: Tensor
    item_codes: Tensor

    def tokens(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Histories as tokens, and where these are no padding. Shape: (b, H) -> (b, H T), (b, H T), bool"""
        there = (items >= 0).repeat_interleave(self.space.n_slots, dim=1)
        return self.item_codes[items.clamp(min=0)].flatten(1).where(there, self.pad), there

    def encode(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Read histories: states of their tokens, and where these are no padding.

        Shape: (b, H) -> (b, H T, hidden), (b, H T), bool
        """
        tokens, there = self.tokens(items)
        return self.read(tokens, there), there

    def forward(self, items: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the whole vocabulary, mean over target slots and examples.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            labels: code indices of the target. Shape: (b, T)
        """
        codes = labels + self.offsets
        states = self.decode(self.started(codes[:, :-1]), *self.encode(items), use_cache=False)
        return {"loss": next_code_loss(self.logits(states), codes)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> T5Context:
        """Run the encoder once, and keep the decoder's keys and values of it. `slots`: those on the canvas."""
        device = self.offsets.device
        tokens, there = self.tokens(torch.from_numpy(histories.items).to(device))
        return self.context(tokens, there, places(self.space, slots).to(device))
