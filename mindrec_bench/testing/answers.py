"""Questions to a fitted backbone, and the rules of a single answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.code_space import MASK, CodeSpace, canvas_sizes
from ..core.protocols import Capability
from .rules import require

CLOSE = 1e-4
"""Log-probabilities that differ by no more are the same, where the order of summing may differ."""

BEAMS = 3


@dataclass(frozen=True, eq=False)
class Query:
    """What a context is asked, for a batch of users.

    Attributes:
        name: said in messages.
        states: the codes of each beam: revealed ones (`denoiser`) or a prefix (`causal`). Shape: (B, K, T) or (B, K, t)
        slots: the slots of the canvas to answer.
        first: nothing is revealed yet, so some code of each slot must be possible.
    """

    name: str
    states: Tensor
    slots: tuple[int, ...]
    first: bool = False

    def of(self, users: list[int], beams: list[int]) -> Query:
        """The same for some users and beams."""
        return replace(self, states=self.states[users][:, beams])


@dataclass(frozen=True, eq=False)
class Probe:
    """Asks contexts of one capability about one canvas.

    Attributes:
        where: said first in messages.
        capability: what the contexts answer.
        space: the slots and the catalogue.
        slots: the slots of the space that are on the canvas.
    """

    where: str
    capability: Capability
    space: CodeSpace
    slots: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Vocabulary size of each slot of the canvas."""
        return canvas_sizes(self.space, self.slots)

    def questions(self, n_users: int) -> Iterator[Query]:
        """States that a decoder may reach: those of items, and some of no item. Always the same ones."""
        rng, width = np.random.default_rng(0), len(self.slots)
        items = rng.integers(self.space.n_items, size=(n_users, BEAMS))
        codes = self.space.item_codes[items][:, :, list(self.slots)]
        codes[:, -1] = rng.integers(0, self.sizes, size=(n_users, width))
        full, masked = torch.from_numpy(codes), torch.from_numpy(rng.random(codes.shape) < 0.5)
        masked[:, :, 0] |= ~masked.any(dim=2)
        everything = tuple(range(width))
        match self.capability:
            case "items":
                yield Query("about all items", full, ())
            case "causal":
                for slot in everything:
                    yield Query(f"with {slot} codes done", full[:, :, :slot], (slot,), first=slot == 0)
            case "denoiser":
                yield Query("with nothing revealed", torch.full_like(full, MASK), everything, first=True)
                yield Query("with some slots revealed", full.masked_fill(masked, MASK), everything)
                last = torch.arange(width) == width - 1
                yield Query("with one slot left", full.masked_fill(last, MASK), everything[-1:])

    def ask(self, context: Any, question: Query) -> Tensor:
        """The answer, after checking its shape and type; entries that mean nothing are 0.

        Shape: (B, N) of `items`, (B, K, S, V) else.
        """
        where = f"{self.where}, asked {question.name}"
        states = question.states.clone()
        shape: tuple[int, ...] = states.shape[:2]
        match self.capability:
            case "items":
                answer, shape = context.log_probs(), (len(states), self.space.n_items)
            case "causal":
                answer, shape = context.next_log_probs(states), (*shape, max(self.sizes))
            case "denoiser":
                answer = context.log_probs(states, question.slots)
                shape = (*shape, len(question.slots), max(self.sizes))
        got = tuple(answer.shape)
        require(got == shape, f"{where}: the answer has shape {got} and not {shape}")
        types = (torch.float64,) if self.capability == "items" else (torch.float32, torch.float64)
        require(answer.dtype in types, f"{where}: the answer is {answer.dtype}, not {' or '.join(map(str, types))}")
        same = torch.equal(states, question.states)
        require(same, f"{where}: the tensor of codes that it was asked with was changed")
        if self.capability == "causal":
            return answer[:, :, None]
        if self.capability == "denoiser":
            return answer.masked_fill((states[:, :, list(question.slots)] != MASK)[..., None], 0.0)
        return answer

    def check(self, answer: Tensor, question: Query) -> None:
        """Check that these are log-probabilities of the slots' own codes."""
        where = f"{self.where}, asked {question.name}"
        require(not bool(answer.isnan().any()), f"{where}: the answer has NaN in it")
        total = answer.logsumexp(dim=-1).double()
        if self.capability == "items":
            require(bool((total.abs() < 1e-6).all()), f"{where}: the probabilities of all items do not sum to 1")
            return
        meant = torch.ones(total.shape, dtype=torch.bool)
        if self.capability == "denoiser":
            meant = question.states[:, :, list(question.slots)] == MASK
        for place, slot in enumerate(question.slots):
            here, size = meant[:, :, place], self.sizes[slot]
            barred = bool((answer[:, :, place, size:][here] == -torch.inf).all())
            require(barred, f"{where}: slot {slot} has {size} codes, and others are not -inf")
            own = total[:, :, place][here]
            require(bool((own < CLOSE).all()), f"{where}: the probabilities of slot {slot}'s codes sum to more than 1")
        if question.first:
            require(bool((total > -torch.inf).all()), f"{where}: no code of a slot is possible")


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two answers are the same up to rounding."""
    return torch.allclose(one.double(), other.double(), rtol=0, atol=CLOSE)
