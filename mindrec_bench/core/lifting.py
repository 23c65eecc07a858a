"""Adapters: an items model answers as an exact masked or causal model, a masked model as a causal one.

Lifting (docs/semantics.md, Decoding) sums p(item | history) over the items that match the revealed codes, so whatever a
search then misses is an error of the search and not of the model. It computes in float64 on the CPU; sums run in the
order of the catalogue, whatever the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .code_space import MASK, CodeSpace
from .dataset import Histories
from .devices import CrossDeviceModel, search_device
from .posting_lists import PostingLists, concatenate_ranges
from .protocols import Capability, DenoiserContext, ItemsContext, Model

_CHUNK_SIZE = 2**20
"""Users times items looked up at a time: bounds the memory, and is fastest while it fits the caches."""


def adapt(model: Model, capability: Capability, needs: Capability, space: CodeSpace, device: str = "cpu") -> Model:
    """A model whose contexts answer what a decoder needs; the model itself where they already do.

    Args:
        model: what the backbone loaded.
        capability: what the backbone's contexts answer; it must fit `needs` (`registry.check_pair`).
        needs: what the decoder asks for.
        space: the slots of the next item.
        device: where the network is.
    """
    if capability != "items" and device != search_device(device):
        model = CrossDeviceModel(model, device, search_device(device))
    if capability == "items" and needs != "items":
        model = ItemsAsDenoiser(model, space)
    if capability != "causal" and needs == "causal":
        model = DenoiserAsCausal(model)
    return model


@dataclass(frozen=True, eq=False)
class ItemsAsDenoiser:
    """The exact masked model that an items model implies (lifting)."""

    model: Model
    space: CodeSpace

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> DenoiserContext:
        """See `Model.begin`."""
        log_probs = self.model.begin(histories, slots).log_probs()
        return _LiftedContext(log_probs, self.space.index(slots).posting_lists)


@dataclass(frozen=True, eq=False)
class DenoiserAsCausal:
    """A masked model that answers for the next slot only, from left to right."""

    model: Model

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """See `Model.begin`."""
        return _NextSlotContext(self.model.begin(histories, slots), len(slots))


@dataclass(frozen=True, eq=False)
class CachedItems:
    """An items context that computes its log-probabilities once."""

    context: ItemsContext

    def log_probs(self) -> Tensor:
        """See `ItemsContext.log_probs`."""
        return self._log_probs

    @cached_property
    def _log_probs(self) -> Tensor:
        return self.context.log_probs()


def item_weights(context: object) -> Tensor | None:
    """p(item | history) relative to each user's likeliest item, where `context` rests on an items model, else None.

    Args:
        context: from a model that `adapt` returned, or `CachedItems`.

    Returns:
        0 below 1e-308. Shape: (B, N), float64, on the CPU
    """
    if isinstance(context, _NextSlotContext):
        return item_weights(context.context)
    if isinstance(context, _LiftedContext):
        return context.weights
    return _relative_probs(context.log_probs()) if isinstance(context, CachedItems) else None


def renormalise(log_probs: Tensor) -> Tensor:
    """Log-probabilities that sum to 1 over the last axis; a row of -inf stays one."""
    total = log_probs.logsumexp(dim=-1, keepdim=True)
    return log_probs - total.clamp(min=torch.finfo(log_probs.dtype).min)


def _relative_probs(log_probs: Tensor) -> Tensor:
    """Probabilities relative to each row's highest."""
    log_probs = log_probs.double().cpu()
    highest = log_probs.amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).min)
    return (log_probs - highest).exp()


class _LiftedContext:
    """p(code in slot | revealed) = the probability of matching items with that code / that of all matching items.

    Probabilities are taken relative to the user's likeliest item; below 1e-308 of it they count as 0.
    """

    def __init__(self, item_log_probs: Tensor, posting_lists: PostingLists) -> None:
        self.weights = _relative_probs(item_log_probs)
        self._posting_lists = posting_lists

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`; V is the largest vocabulary of all slots of the canvas."""
        n_users, n_beams, _ = revealed.shape
        if bool((revealed == MASK).all()):
            sums, totals = self._sum_all_items(slots)
            sums, totals = sums.repeat_interleave(n_beams, dim=1), totals.repeat_interleave(n_beams)
        else:
            n_at_once = max(1, _CHUNK_SIZE // self.weights.shape[1])
            chunks = zip(self.weights.split(n_at_once), revealed.cpu().split(n_at_once), strict=True)
            results = [self._sum_matching_items(weights, states, slots) for weights, states in chunks]
            sums, totals = torch.cat([part for part, _ in results], dim=1), torch.cat([part for _, part in results])
        # A state of probability 0 has no conditionals: log 0 - log of the smallest float keeps NaN out.
        log_totals = totals.log().clamp(min=torch.finfo(torch.float64).min)
        log_probs = sums.log().sub_(log_totals[:, None]).view(len(slots), n_users, n_beams, -1)
        return log_probs.permute(1, 2, 0, 3).to(revealed.device)

    def _sum_all_items(self, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Probability of each code, and of everything, where nothing is revealed. Shapes: (S, B, V), (B,)"""
        sums = self.weights.new_zeros(len(slots), len(self.weights), self._posting_lists.n_codes)
        for slot_sums, slot in zip(sums, slots, strict=True):
            slot_sums.scatter_add_(1, self._posting_lists.columns[slot].expand_as(self.weights), self.weights)
        return sums, sums[0].sum(dim=1)

    def _sum_matching_items(self, weights: Tensor, revealed: Tensor, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The same for partly revealed states. Shapes: (B, N), (B, K, T) -> (S, B * K, V), (B * K,)"""
        n_users, n_beams, n_slots = revealed.shape
        n_codes, n_items = self._posting_lists.n_codes, weights.shape[1]
        # Beams and users share many states: look up the items of each distinct state once.
        states, state_of_beam = revealed.reshape(-1, n_slots).unique(dim=0, return_inverse=True)
        state, matching = self._posting_lists.matching_items(states)
        counts = state.bincount(minlength=len(states))
        beam, position = concatenate_ranges((counts.cumsum(0) - counts)[state_of_beam], counts[state_of_beam])
        item = matching.index_select(0, position)
        first = torch.arange(0, n_users * n_items, n_items).repeat_interleave(n_beams)
        probs = weights.flatten().index_select(0, first.index_select(0, beam).add_(item))

        totals = probs.new_zeros(n_users * n_beams).index_add_(0, beam, probs)
        sums = probs.new_zeros(len(slots), n_users * n_beams, n_codes)
        beam *= n_codes
        for slot_sums, slot in zip(sums, slots, strict=True):
            codes = self._posting_lists.columns[slot].index_select(0, item)
            slot_sums.view(-1).index_add_(0, codes.add_(beam), probs)
        return sums, totals


@dataclass(frozen=True, eq=False)
class _NextSlotContext:
    context: DenoiserContext
    n_slots: int

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        slot = prefix.shape[2]
        revealed = torch.nn.functional.pad(prefix, (0, self.n_slots - slot), value=MASK)
        return self.context.log_probs(revealed, (slot,))[:, :, 0]
