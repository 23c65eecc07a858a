"""Equal partial sequences are one state: which of a user's candidates share a state, and who asks for it first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK

_KEY_LIMIT = 2**62
"""Codes of several slots are packed into one integer below this; slots that do not fit go into the next one."""


@dataclass(frozen=True, eq=False)
class DistinctStates:
    """The distinct states among C states of each of B users, numbered from 0 for each user.

    Attributes:
        number: the distinct state that each state is. Shape: (B, C), int64
        member: for each distinct state the first state that is equal to it, 0 beyond a user's last. Shape: (B, C)
        is_first: whether no earlier state of the user is equal. Shape: (B, C), bool
    """

    number: Tensor
    member: Tensor
    is_first: Tensor

    @property
    def counts(self) -> Tensor:
        """How many distinct states each user has. Shape: (B,), int64"""
        return self.is_first.sum(dim=1)


def distinct_states(states: Tensor, sizes: Sequence[int]) -> DistinctStates:
    """Find equal states of a user; nothing is copied between host and device.

    Args:
        states: code indices, `MASK` where nothing is revealed. Shape: (B, C, T), int64
        sizes: vocabulary size of each slot.
    """
    keys = _pack(states, sizes)
    order = torch.arange(states.shape[1], device=states.device).repeat(len(states), 1)
    for key in reversed(keys):  # stable sorts by the last key first; equal states stay in their order
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    starts_group = torch.zeros_like(order, dtype=torch.bool)
    starts_group[:, :1] = True
    for key in keys:
        ordered = key.gather(1, order)
        starts_group[:, 1:] |= ordered[:, 1:] != ordered[:, :-1]
    group = starts_group.cumsum(dim=1) - 1
    # Only the first of a group writes; the others write to a column too many, which is then dropped.
    column = group.where(starts_group, states.shape[1])
    member = torch.zeros(len(order), states.shape[1] + 1, dtype=torch.int64, device=order.device)
    member = member.scatter_(1, column, order)[:, :-1]
    number = torch.empty_like(group).scatter_(1, order, group)
    return DistinctStates(number, member, torch.empty_like(starts_group).scatter_(1, order, starts_group))


def mask_slots(codes: Tensor, slots: Collection[int]) -> Tensor:
    """The same sequences with nothing revealed in some slots. Shape: (..., T) -> (..., T)"""
    columns = [torch.full_like(c, MASK) if slot in slots else c for slot, c in enumerate(codes.unbind(-1))]
    return torch.stack(columns, dim=-1)


def fill_given(states: Tensor, start: Tensor) -> Tensor:
    """States with the given codes of each user written over them. Shapes: (B, K, T), (B, T) -> (B, K, T)"""
    return states.where(start[:, None] == MASK, start[:, None])


def _pack(states: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Integers that together tell states apart. Shape of each: (B, C), int64"""
    keys: list[Tensor] = []
    n_values = _KEY_LIMIT
    for codes, size in zip(states.unbind(2), sizes, strict=True):
        if n_values * (size + 1) > _KEY_LIMIT:
            keys.append(codes + 1)
            n_values = size + 1
        else:
            keys[-1] = keys[-1] * (size + 1) + codes + 1
            n_values *= size + 1
    return keys
