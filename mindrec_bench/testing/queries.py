"""Queries to the contexts of a fitted model, and the checks of a single response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.code_space import MASK, CodeSpace
from ..core.protocols import Capability
from .assertions import require

TOLERANCE = 1e-4
"""Largest difference of log-probabilities that counts as rounding."""

N_BEAMS = 3


@dataclass(frozen=True, eq=False)
class Query:
    """A query to the context of a batch of users.

    Attributes:
        name: describes the query in messages.
        states: the codes of each beam: revealed ones (`denoiser`) or a prefix (`causal`). Shape: (B, K, T) or (B, K, t)
        slots: the slots of the canvas whose log-probabilities are requested.
        is_initial: nothing is revealed yet, so some code of each slot must be possible.
    """

    name: str
    states: Tensor
    slots: tuple[int, ...]
    is_initial: bool = False

    def select(self, users: list[int], beams: list[int]) -> Query:
        """The same query for some of the users and beams."""
        return replace(self, states=self.states[users][:, beams])


@dataclass(frozen=True, eq=False)
class ContextTester:
    """Queries contexts of one capability on one canvas, and checks their responses.

    Attributes:
        where: start of the messages.
        capability: capability of the contexts.
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
        return self.space.canvas_sizes(self.slots)

    def queries(self, n_users: int) -> Iterator[Query]:
        """Queries in states that a decoder may reach: those of items, and some of no item. The same in every call."""
        rng, n_slots = np.random.default_rng(0), len(self.slots)
        items = rng.integers(self.space.n_items, size=(n_users, N_BEAMS))
        codes = self.space.item_codes[items][:, :, list(self.slots)]
        codes[:, -1] = rng.integers(0, self.sizes, size=(n_users, n_slots))
        complete, masked = torch.from_numpy(codes), torch.from_numpy(rng.random(codes.shape) < 0.5)
        masked[:, :, 0] |= ~masked.any(dim=2)
        all_slots = tuple(range(n_slots))
        match self.capability:
            case "items":
                yield Query("all items", complete, ())
            case "causal":
                for slot in all_slots:
                    yield Query(f"a prefix of {slot} codes", complete[:, :, :slot], (slot,), is_initial=slot == 0)
            case "denoiser":
                yield Query("nothing revealed", torch.full_like(complete, MASK), all_slots, is_initial=True)
                yield Query("some slots revealed", complete.masked_fill(masked, MASK), all_slots)
                last = torch.arange(n_slots) == n_slots - 1
                yield Query("all slots but one revealed", complete.masked_fill(last, MASK), all_slots[-1:])

    def run(self, context: Any, query: Query) -> Tensor:
        """The log-probabilities, after a check of their shape and dtype; unspecified entries are set to 0.

        Shape: (B, N) for `items`, else (B, K, S, V)
        """
        where = f"{self.where}, query '{query.name}'"
        states = query.states.clone()
        expected: tuple[int, ...] = states.shape[:2]
        match self.capability:
            case "items":
                log_probs, expected = context.log_probs(), (len(states), self.space.n_items)
            case "causal":
                log_probs, expected = context.next_log_probs(states), (*expected, max(self.sizes))
            case "denoiser":
                log_probs = context.log_probs(states, query.slots)
                expected = (*expected, len(query.slots), max(self.sizes))
        shape = tuple(log_probs.shape)
        require(shape == expected, f"{where}: the log-probabilities have shape {shape}, expected {expected}")
        dtypes = (torch.float64,) if self.capability == "items" else (torch.float32, torch.float64)
        names = " or ".join(map(str, dtypes))
        require(log_probs.dtype in dtypes, f"{where}: the log-probabilities are {log_probs.dtype}, expected {names}")
        require(torch.equal(states, query.states), f"{where}: the context changed the tensor of codes it was given")
        if self.capability == "causal":
            return log_probs[:, :, None]
        if self.capability == "denoiser":
            return log_probs.masked_fill((states[:, :, list(query.slots)] != MASK)[..., None], 0.0)
        return log_probs

    def check(self, log_probs: Tensor, query: Query) -> None:
        """Check that these are log-probabilities, and of each slot's own codes only."""
        where = f"{self.where}, query '{query.name}'"
        require(not bool(log_probs.isnan().any()), f"{where}: the log-probabilities contain NaN")
        total = log_probs.logsumexp(dim=-1).double()
        if self.capability == "items":
            require(bool((total.abs() < 1e-6).all()), f"{where}: the probabilities of all items do not sum to 1")
            return
        specified = torch.ones(total.shape, dtype=torch.bool)
        if self.capability == "denoiser":
            specified = query.states[:, :, list(query.slots)] == MASK
        for index, slot in enumerate(query.slots):
            rows, size = specified[:, :, index], self.sizes[slot]
            beyond = log_probs[:, :, index, size:][rows]
            require(
                bool((beyond == -torch.inf).all()), f"{where}: slot {slot} has {size} codes, but others are not -inf"
            )
            slot_total = total[:, :, index][rows]
            require(
                bool((slot_total < TOLERANCE).all()),
                f"{where}: the probabilities of slot {slot}'s codes sum to more than 1",
            )
        if query.is_initial:
            require(bool((total > -torch.inf).all()), f"{where}: a slot has no possible code")


def close(first: Tensor, second: Tensor) -> bool:
    """Whether two responses are equal up to rounding."""
    return torch.allclose(first.double(), second.double(), rtol=0, atol=TOLERANCE)
