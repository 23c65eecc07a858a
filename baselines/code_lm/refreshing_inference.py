"""Answers of `llada` from histories that are not read anew at every step (`refresh=r`): an approximation.

With full attention a history's states depend on what is revealed. Here they are computed at every r-th step; at the
steps between, a beam takes keys and values of its history from the last of these steps, as they were for the beam
that it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from mindrec_bench.core.code_space import MASK

from .llama_blocks import KeysValues
from .masked_inference import HistoryBatch, MaskedInference


@dataclass(eq=False)
class Memory:
    """What is kept of the last step that read the histories of a group.

    Attributes:
        owner: whose canvases they were. Shape: (n,)
        codes: what was revealed. Shape: (n, T)
        kept: keys and values of the n histories.
        steps: how many steps have used them, that one included.
    """

    owner: Tensor
    codes: Tensor
    kept: KeysValues
    steps: int = 1


@dataclass(frozen=True, eq=False)
class RefreshingInference(MaskedInference):
    """Answers for one batch of users; they depend on the questions before.

    Attributes:
        refresh: r, 2 or more.
    """

    refresh: int = 2
    memories: dict[HistoryBatch, Memory] = field(default_factory=dict)

    def _last(self, readers: HistoryBatch, owner: Tensor, codes: Tensor, canvas: Tensor, asked: Tensor) -> Tensor:
        memory = self.memories.get(readers)
        if memory is not None and memory.steps < self.refresh:
            fits = ancestors(memory.owner, memory.codes, owner, codes)
            if bool(fits.any(dim=1).all()):  # else these are no later steps of the same search
                memory.steps += 1
                return self._cached(readers, memory.kept, fits.byte().argmax(dim=1), owner, canvas, asked)
        states, kept = self._full(readers, owner, canvas, asked)
        self.memories[readers] = Memory(owner, codes, kept)
        return states


def ancestors(old_owner: Tensor, old: Tensor, owner: Tensor, codes: Tensor) -> Tensor:
    """Which old canvases of the same user have revealed nothing but what is revealed now too.

    Shapes: (m,), (m, T), (n,), (n, T) -> (n, m), bool
    """
    agree = (old == codes[:, None]) | (old == MASK)
    return agree.all(dim=2) & (owner[:, None] == old_owner)
