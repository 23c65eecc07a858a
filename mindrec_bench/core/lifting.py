"""Adapters: an items model answers as an exact masked or causal model, a masked model as a causal one.

Lifting sums p(item | history) over the items that fit what is revealed, so whatever a search then misses is the
search's own error and not the model's. All of it is float64 on the CPU; sums run in the order of the catalogue whatever
the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .catalogue import Postings, ragged
from .code_space import MASK, CodeSpace, canvas_sizes
from .dataset import Histories
from .protocols import Capability, DenoiserContext, ItemsContext, Model


def adapt(model: Model, capability: Capability, needs: Capability, space: CodeSpace) -> Model:
    """A model whose contexts answer what a decoder needs; the model itself where they already do.

    Args:
        model: what the backbone loaded.
        capability: what the backbone's contexts answer; it must fit `needs` (`registry.check_pair`).
        needs: what the decoder asks.
        space: the slots of the next item.
    """
    if capability == "items" and needs != "items":
        model = _Lifted(model, space)
    if capability != "causal" and needs == "causal":
        model = _NextSlotOnly(model)
    return model


def lift(items_context: ItemsContext, postings: Postings) -> DenoiserContext:
    """The exact masked model that an items model implies, over the canvas whose catalogue codes are in `postings`."""
    return _LiftedContext(items_context.log_probs(), postings)


def item_weights(context: object) -> Tensor | None:
    """p(item | history) relative to each user's likeliest item, where `context` stands on an items model, else None.

    Args:
        context: from a model that `adapt` returned, or `CachedItems`.

    Returns:
        0 below 1e-308. Shape: (B, N), float64, on the CPU
    """
    if isinstance(context, _NextSlotContext):
        return item_weights(context.context)
    if isinstance(context, _LiftedContext):
        return context.weights
    return _weights(context.log_probs()) if isinstance(context, CachedItems) else None


@dataclass(frozen=True, eq=False)
class CachedItems:
    """An items context that is asked once and keeps its answer."""

    context: ItemsContext

    def log_probs(self) -> Tensor:
        """See `ItemsContext.log_probs`."""
        return self._answer

    @cached_property
    def _answer(self) -> Tensor:
        return self.context.log_probs()


def _weights(log_probs: Tensor) -> Tensor:
    log_probs = log_probs.double().cpu()
    top = log_probs.amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).min)
    return (log_probs - top).exp()


@dataclass(frozen=True, eq=False)
class ExcludeHistory:
    """An items model that gives the items of the history no probability; the rest sums to 1."""

    model: Model

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> ItemsContext:
        """See `Model.begin`."""
        log_probs = self.model.begin(histories, slots).log_probs()
        seen = torch.from_numpy(histories.items).to(log_probs.device)
        # Padding writes to one column too many, which is then dropped.
        barred = torch.zeros(len(seen), log_probs.shape[1] + 1, dtype=torch.bool, device=log_probs.device)
        barred.scatter_(1, seen.where(seen >= 0, log_probs.shape[1]), True)
        return _FixedItems(renormalised(log_probs.masked_fill(barred[:, :-1], -torch.inf)))


def renormalised(log_probs: Tensor) -> Tensor:
    """Log-probabilities that sum to 1 over the last axis; a row of -inf stays one."""
    total = log_probs.logsumexp(dim=-1, keepdim=True)
    return log_probs - total.clamp(min=torch.finfo(log_probs.dtype).min)


@dataclass(frozen=True, eq=False)
class _FixedItems:
    values: Tensor

    def log_probs(self) -> Tensor:
        return self.values


@dataclass(frozen=True, eq=False)
class _Lifted:
    model: Model
    space: CodeSpace
    _postings: dict[tuple[int, ...], Postings] = field(default_factory=dict)

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> DenoiserContext:
        if slots not in self._postings:
            items = torch.from_numpy(self.space.item_codes[:, list(slots)])
            self._postings[slots] = Postings(items, canvas_sizes(self.space, slots))
        return lift(self.model.begin(histories, slots), self._postings[slots])


_PAIRS_AT_ONCE = 2**20
"""Users times items in one pass over the posting lists: bounds the memory, and is quickest while it fits the caches."""


class _LiftedContext:
    """p(code in slot | revealed) = the probability of fitting items with that code / that of all fitting items.

    Probabilities are taken relative to the user's likeliest item; below 1e-308 of it they count as 0.
    """

    def __init__(self, item_log_probs: Tensor, postings: Postings) -> None:
        self.weights = _weights(item_log_probs)
        self._postings = postings

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`; V is the largest vocabulary of all slots of the canvas."""
        n_users, n_beams, _ = revealed.shape
        if bool((revealed == MASK).all()):
            sums, total = self._all_items(slots)
            sums, total = sums.repeat_interleave(n_beams, dim=1), total.repeat_interleave(n_beams)
        else:
            n_at_once = max(1, _PAIRS_AT_ONCE // self.weights.shape[1])
            parts = zip(self.weights.split(n_at_once), revealed.cpu().split(n_at_once), strict=True)
            answers = [self._fitting_items(probs, states, slots) for probs, states in parts]
            sums, total = torch.cat([part for part, _ in answers], dim=1), torch.cat([part for _, part in answers])
        # A state of probability 0 has no conditionals: log 0 - log of the smallest float keeps NaN out.
        log_total = total.log().clamp(min=torch.finfo(torch.float64).min)
        answer = sums.log().sub_(log_total[:, None]).view(len(slots), n_users, n_beams, -1)
        return answer.permute(1, 2, 0, 3).to(revealed.device)

    def _all_items(self, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Probability of each code, and of everything, where nothing is revealed. Shapes: (S, B, V), (B,)"""
        sums = self.weights.new_zeros(len(slots), len(self.weights), self._postings.n_codes)
        for of_slot, slot in zip(sums, slots, strict=True):
            of_slot.scatter_add_(1, self._postings.columns[slot].expand_as(self.weights), self.weights)
        return sums, sums[0].sum(dim=1)

    def _fitting_items(self, item_probs: Tensor, revealed: Tensor, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The same where something is. Shapes: (B, N), (B, K, T) -> (S, B * K, V), (B * K,)"""
        n_users, n_beams, n_slots = revealed.shape
        n_codes, n_items = self._postings.n_codes, item_probs.shape[1]
        # Beams and users share many states: find the items of each distinct state once.
        states, state = revealed.reshape(-1, n_slots).unique(dim=0, return_inverse=True)
        owner, fitting = self._postings.fitting(states)
        counts = owner.bincount(minlength=len(states))
        beam, place = ragged((counts.cumsum(0) - counts)[state], counts[state])
        item = fitting.index_select(0, place)
        first = torch.arange(0, n_users * n_items, n_items).repeat_interleave(n_beams)
        probs = item_probs.flatten().index_select(0, first.index_select(0, beam).add_(item))

        total = probs.new_zeros(n_users * n_beams).index_add_(0, beam, probs)
        sums = probs.new_zeros(len(slots), n_users * n_beams, n_codes)
        beam *= n_codes
        for of_slot, slot in zip(sums, slots, strict=True):
            of_slot.view(-1).index_add_(0, self._postings.columns[slot].index_select(0, item).add_(beam), probs)
        return sums, total


@dataclass(frozen=True, eq=False)
class _NextSlotOnly:
    model: Model

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        return _NextSlotContext(self.model.begin(histories, slots), len(slots))


@dataclass(frozen=True, eq=False)
class _NextSlotContext:
    context: DenoiserContext
    n_slots: int

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        done = prefix.shape[2]
        revealed = torch.nn.functional.pad(prefix, (0, self.n_slots - done), value=MASK)
        return self.context.log_probs(revealed, (done,))[:, :, 0]
