"""The catalogue constraint: which codes keep an item reachable, whatever slots are revealed (semantics section 4).

Take the slots a beam has revealed and those it is to choose. The choices that keep an item reachable are the distinct
projections of the catalogue onto both sets whose first part is the beam's. Sorted, the projections that share a first
part stand together, so a beam finds its own by two binary searches: exact, the same for every order, and from left to
right the sorted projections are the levels of a prefix tree. Beams with other slots revealed are other first parts, in
the same table.

Tables are built when first asked for and kept. An entry is 8 bytes. With M slots in any order a slot has at most
2^(M-1) N entries: for 4 SID slots 32 N in all, 26 MB for 10^5 items; from left to right 4 N. Joint choices of n slots
add at most N entries for each set of n and each set revealed before. A lookup has fixed shapes (joint choices take the
most that any state has as their width), so on an accelerator nothing is read back to the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from .errors import DataError

Slots = tuple[int, ...]

AT_ONCE = 2**20
"""Choices looked at together, over all beams: bounds the memory of joint choices."""


@dataclass(frozen=True, eq=False)
class CatalogueConstraint:
    """Only codes that keep at least one item of the catalogue reachable.

    Attributes:
        items: code indices of each item. Shape: (N, T), int64, on the device of the canvas
        sizes: vocabulary size of each slot.
    """

    items: Tensor
    sizes: tuple[int, ...]
    _tables: dict[tuple[object, ...], _Table] = field(default_factory=dict, repr=False)

    def at(self, known: Sequence[int], open_: Sequence[int]) -> Reach:
        """The constraint at one stage of decoding.

        Args:
            known: slots that every beam has revealed.
            open_: slots that a beam may have revealed or not. All others are masked in every beam.
        """
        return Reach(self, tuple(sorted(known)), tuple(sorted(open_)))

    def table(self, known: Slots, open_: Slots, chosen: Slots, done: int | None) -> _Table:
        """The choices for `chosen`, by every state in which `known` and some (or just `done`) of `open_` are revealed.

        Raises:
            DataError: the codes of these slots can't be numbered with 63 bits.
        """
        key = (known, open_, chosen, done)
        if key not in self._tables:
            self._tables[key] = self._build(known, open_, chosen, done)
        return self._tables[key]

    @property
    def n_bytes(self) -> int:
        """Memory of the tables built so far."""
        return sum(table.entries.nbytes for table in self._tables.values())

    def _build(self, known: Slots, open_: Slots, chosen: Slots, done: int | None) -> _Table:
        others = [slot for slot in open_ if slot not in chosen]
        state_slots = (*known, *others)
        widths = tuple((self.sizes[slot] - 1).bit_length() for slot in chosen)
        bases = tuple(self.sizes[slot] + 1 for slot in state_slots)
        if math.prod(bases) << sum(widths) >= 2**63:
            raise DataError(
                f"the catalogue constraint can't number the codes of {len(state_slots) + len(chosen)} slots with up to "
                f"{max(self.sizes):,} codes each; run with --constrain slots"
            )
        zero = torch.zeros_like(self.items[:, 0])
        choice = _number(zero, [self.items[:, slot] for slot in chosen], [1 << bits for bits in widths])
        counts = range(len(others) + 1) if done is None else (done,)
        parts = []
        for revealed in (set(subset) for count in counts for subset in combinations(others, count)):
            revealed.update(known)
            digits = [self.items[:, slot] + 1 if slot in revealed else zero for slot in state_slots]
            parts.append(((_number(zero, digits, bases) << sum(widths)) + choice).unique())
        entries = torch.cat(parts).sort().values
        _, per_state = (entries >> sum(widths)).unique_consecutive(return_counts=True)
        return _Table(entries, state_slots, bases, widths, int(per_state.max()))


@dataclass(frozen=True, eq=False)
class Reach:
    """What keeps an item reachable at one stage; from `CatalogueConstraint.at`."""

    constraint: CatalogueConstraint
    known: Slots
    open_: Slots

    def allowed(self, codes: Tensor) -> Tensor:
        """Which codes each open slot may have; an entry for a slot that a beam has revealed is unspecified.

        Args:
            codes: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64

        Returns:
            Shape: (B, K, S, V), bool; S the open slots in rising order, V the largest vocabulary of all slots.
        """
        n_codes = max(self.constraint.sizes)
        masks = []
        for table in self._tables:
            first, count = table.ranges(codes)
            (code,), exists = table.choices(first, count, 0, table.width)
            # What is no choice writes to one column too many, which is then dropped.
            mask = torch.zeros(*first.shape, n_codes + 1, dtype=torch.bool, device=codes.device)
            masks.append(mask.scatter_(2, code.where(exists, n_codes), True)[..., :-1])
        return torch.stack(masks, dim=2)

    def joint(self, codes: Tensor, chosen: Slots, done: int) -> Iterator[tuple[list[Tensor], Tensor | None]]:
        """All joint choices for some open slots that keep an item reachable, in parts, in rising order of the codes.

        Args:
            codes: as above, with `done` of the open slots revealed in every beam. Shape: (B, K, T)
            chosen: slots, in rising order.
            done: see `codes`.

        Yields:
            The codes of the chosen slots, each of shape (B, K, C), and which of the C exist, (B, K, C). A beam that has
            revealed one of the chosen has none. Where nothing is revealed all beams have the same choices: the shapes
            are (1, 1, C), and None stands for "all exist".
        """
        table = self.constraint.table(self.known, self.open_, chosen, done)
        step = max(1, AT_ONCE // codes[..., 0].numel())
        alike = not self.known and done == 0
        first, count = table.ranges(codes[:1, :1] if alike else codes)
        for offset in range(0, table.width, step):
            columns, exists = table.choices(first, count, offset, min(step, table.width - offset))
            yield columns, None if alike else exists

    @cached_property
    def _tables(self) -> list[_Table]:
        return [self.constraint.table(self.known, self.open_, (slot,), None) for slot in self.open_]


@dataclass(frozen=True, eq=False)
class _Table:
    """Choices by state.

    Attributes:
        entries: state number, then the code of each chosen slot in its own bits, sorted. Shape: (P,), int64
        slots: the slots that make a state.
        bases: the radix of each of these: its codes, and masked.
        bits: how many bits each chosen slot has; a shift reads its code quicker than a division.
        width: the most choices a state has.
    """

    entries: Tensor
    slots: Slots
    bases: tuple[int, ...]
    bits: tuple[int, ...]
    width: int

    def ranges(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Where each beam's choices start, and how many there are. Shape: (B, K, T) -> (B, K), (B, K)"""
        state = _number(torch.zeros_like(codes[:, :, 0]), [codes[:, :, slot] + 1 for slot in self.slots], self.bases)
        first = torch.searchsorted(self.entries, state << sum(self.bits))
        return first, torch.searchsorted(self.entries, (state + 1) << sum(self.bits)) - first

    def choices(self, first: Tensor, count: Tensor, offset: int, width: int) -> tuple[list[Tensor], Tensor]:
        """Choices `offset` to `offset + width` of each beam: the codes of each chosen slot, and which exist."""
        place = torch.arange(offset, offset + width, device=first.device)
        exists = place < count[..., None]
        entry = self.entries[(first[..., None] + place).clamp_(max=len(self.entries) - 1)]
        columns = []
        for bits in reversed(self.bits):
            columns.append(entry & ((1 << bits) - 1))
            entry = entry >> bits
        return columns[::-1], exists


def _number(zero: Tensor, digits: Sequence[Tensor], bases: Sequence[int]) -> Tensor:
    """Mixed radix, the first digit highest; `zero` where there are no digits. Same shape, int64"""
    number = zero
    for digit, base in zip(digits, bases, strict=True):
        number = number * base + digit
    return number
