"""The keys and values of prompts that attend to the target, kept for the next steps of a search (`refresh=r`).

With full attention a prompt's states depend on what a beam has revealed. They are computed at every r-th step, once for
each beam; at the steps between, a beam attends to the prompt as it was read for the beam that it descends from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK

from .text_network import KeysValues


@dataclass(eq=False)
class PromptReading:
    """One step that read the prompts of all users.

    The keys and values stay where they are when beams are dropped, repeated and reordered; a mask says which of a
    user's A readings a beam attends to.

    Attributes:
        codes: what was revealed in each reading. Shape: (B, A, T)
        keys_values: in each layer, the A readings of a user end to end. Shapes: (B, heads, A n, head size)
        uses: how many steps have used them, including their own.
    """

    codes: Tensor
    keys_values: KeysValues
    uses: int = 1

    @classmethod
    def from_parts(cls, codes: Tensor, parts: Sequence[list[tuple[Tensor, Tensor]]]) -> Self:
        """Join readings that were computed a few at a time.

        Args:
            codes: Shape: (B, A, T)
            parts: of each part its layers, which are taken out one by one, so that little is held twice. Shapes of
                all parts together: (B A, heads, n, head size)
        """
        layers = []
        for part in parts:
            part.reverse()
        while parts[0]:
            keys_and_values = zip(*(part.pop() for part in parts), strict=True)
            joined = (torch.cat(tensors).unflatten(0, codes.shape[:2]) for tensors in keys_and_values)
            keys, values = (tensor.transpose(1, 2).flatten(2, 3) for tensor in joined)
            layers.append((keys, values))
        return cls(codes, tuple(layers))

    def reuse(self, codes: Tensor, refresh: int) -> Tensor | None:
        """Which reading each beam continues; None if it is time to read again, or if this is not a later step.

        Comparing the codes makes the host wait for a GPU, once in a step that takes tens of milliseconds.

        Args:
            codes: what the beams have revealed. Shape: (B, K, T)
            refresh: how many steps use one reading.

        Returns:
            Shape: (B, K)
        """
        if self.uses >= refresh:
            return None
        agree = (self.codes[:, None] == codes[:, :, None]) | (self.codes[:, None] == MASK)
        is_ancestor = agree.all(dim=3)
        if not bool(is_ancestor.any(dim=2).all()):
            return None
        self.uses += 1
        return is_ancestor.byte().argmax(dim=2)

    def past_mask(self, reading: Tensor, attended: Tensor) -> Tensor:
        """Which cached positions each beam attends to.

        Args:
            reading: which one each beam continues. Shape: (B, K)
            attended: which positions of a prompt are attended to. Shape: (B, n), bool

        Returns:
            Shape: (B, K, A n), bool
        """
        own = reading[..., None] == torch.arange(self.codes.shape[1], device=reading.device)
        return (own[..., None] & attended[:, None, None]).flatten(2, 3)
