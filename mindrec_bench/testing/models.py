"""Models with known log-probabilities, random catalogues, and canvases to fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.code_space import MASK, CodeSpace, Int
from ..core.constraint import CatalogueConstraint
from ..core.dataset import Histories
from ..core.exclusion import ExcludedItems
from ..core.protocols import Canvas, Capability, ItemsContext


@dataclass(frozen=True, eq=False)
class TabularDenoiser:
    """A denoiser that reads its log-probabilities from a table, which need not come from one joint distribution.

    Attributes:
        table: log p(code in slot | revealed), -inf beyond a slot's size; row u is for the user with id u. A state is
            the number with the digits code + 1 (0 if masked) of the slots in order, in base size + 1.
            Shape: (U, states, T, V), float64
        sizes: vocabulary size of each slot.
    """

    table: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def random(cls, sizes: Sequence[int], *, users: int = 1, seed: int = 0, impossible: float = 0.0) -> TabularDenoiser:
        """Random conditionals that leave some probability to codes of other slots, as networks do.

        Args:
            sizes: vocabulary size of each slot.
            users: number of users to make a table for, with ids from 0.
            seed: seed of the tables.
            impossible: share of the entries with probability 0.
        """
        rng = np.random.default_rng(seed)
        n_states = int(np.prod([size + 1 for size in sizes]))
        weights = rng.exponential(size=(users, n_states, len(sizes), max(sizes) + 1)) ** 2
        possible = rng.random(weights.shape) >= impossible
        possible &= np.arange(max(sizes) + 1) < np.asarray(sizes)[:, None]
        possible[..., -1] = True  # stands for all codes of other slots
        weights *= possible
        probs = torch.from_numpy(weights / weights.sum(axis=-1, keepdims=True))
        return cls(probs[..., :-1].log(), tuple(sizes))

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TabularContext:
        """See `Model.begin`; the canvas must have all slots."""
        return TabularContext(self.table[torch.from_numpy(histories.users)], self.sizes)


@dataclass(frozen=True, eq=False)
class TabularContext:
    """The context of `TabularDenoiser`, with the tables of a batch of users."""

    table: Tensor
    sizes: tuple[int, ...]

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        state = torch.zeros_like(revealed[..., 0])
        for slot, size in enumerate(self.sizes):
            state = state * (size + 1) + revealed[..., slot] + 1
        return self.table[torch.arange(len(state))[:, None], state][:, :, list(slots)]


@dataclass(frozen=True, eq=False)
class CatalogueModel:
    """An items model that reads its log-probabilities from a table.

    Attributes:
        table: log p(item); row u is for the user with id u. Shape: (U, N), float64
    """

    table: Tensor

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> ItemsContext:
        """See `Model.begin`."""
        return _CatalogueContext(self.table[torch.from_numpy(histories.users)])


@dataclass(frozen=True, eq=False)
class _CatalogueContext:
    rows: Tensor

    def log_probs(self) -> Tensor:
        return self.rows


def catalogue_model(probs: NDArray[np.float64]) -> CatalogueModel:
    """An items model with these probabilities, normalised for each user. Shape: (U, N)"""
    return CatalogueModel(torch.from_numpy(probs / probs.sum(axis=1, keepdims=True)).log())


def random_space(sizes: Sequence[int], n_items: int, *, n_categories: int = 0, seed: int = 0) -> CodeSpace:
    """A random catalogue in which every code occurs; with few codes, some items have equal codes.

    Raises:
        ValueError: there are fewer items than codes in the largest slot.
    """
    if n_items < max(sizes):
        raise ValueError(f"{n_items} items can't use all {max(sizes)} codes of a slot")
    codes = np.random.default_rng(seed).integers(0, sizes, size=(n_items, len(sizes)))
    every_code = np.arange(max(sizes))[:, None]
    codes[: max(sizes)] = np.where(every_code < np.asarray(sizes), every_code, codes[: max(sizes)])
    return CodeSpace(tuple(np.arange(size) for size in sizes), codes, n_categories)


def make_canvas(
    space: CodeSpace,
    users: Int,
    *,
    start: Int | None = None,
    seed: int = 42,
    catalogue: bool = False,
    excluded: Int | None = None,
    capability: Capability = "denoiser",
) -> Canvas:
    """A canvas of all slots of a space.

    Args:
        space: the slots and the catalogue.
        users: user ids. Shape: (B,)
        start: given codes, `MASK` elsewhere; None: all slots are empty. Shape: (B, T)
        seed: seed of the run.
        catalogue: only codes that keep an item reachable are allowed.
        excluded: items that are never results, each once, -1 in the padding, of a SID all or none; None: there are
            none. Shape: (B, H)
        capability: what the contexts answer; of interest to decoders that take several.
    """
    empty = torch.full((len(users), space.n_slots), MASK)
    items = torch.from_numpy(space.item_codes)
    return Canvas(
        start=empty if start is None else torch.from_numpy(start),
        sizes=space.sizes,
        n_categories=space.n_categories,
        items=items,
        users=torch.from_numpy(users),
        seed=seed,
        constraint=CatalogueConstraint(items, space.sizes) if catalogue else None,
        excluded=None
        if excluded is None
        else ExcludedItems.on_canvas(torch.from_numpy(excluded), items, space.sizes, space.n_categories),
        capability=capability,
    )
