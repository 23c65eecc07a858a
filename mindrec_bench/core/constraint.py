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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from ..errors import DataError
from .timing import timed_section

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

    def at(self, known: Sequence[int], open_: Sequence[int]) -> StageConstraint:
        """The constraint at one stage of decoding.

        Args:
            known: slots that every beam has revealed.
            open_: slots that a beam may have revealed or not. All others are masked in every beam.
        """
        return StageConstraint(self, tuple(sorted(known)), tuple(sorted(open_)))

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
        zero = torch.zeros_like(self.items[:, 0])
        choice = zero
        for slot, bits in zip(chosen, widths, strict=True):
            choice = (choice << bits) + self.items[:, slot]
        counts = range(len(others) + 1) if done is None else (done,)
        revealed = [{*subset, *known} for count in counts for subset in combinations(others, count)]
        digits = [
            torch.cat([self.items[:, slot] + 1 if slot in these else zero for these in revealed])
            for slot in state_slots
        ]
        states = _States(state_slots, tuple(self.sizes[slot] + 1 for slot in state_slots))
        number = states.learn(torch.cat([zero] * len(revealed)), digits, room=62 - sum(widths))
        entries = ((number << sum(widths)) + choice.repeat(len(revealed))).unique()
        _, per_state = (entries >> sum(widths)).unique_consecutive(return_counts=True)
        return _Table(entries, states, widths, int(per_state.max()))


@dataclass(frozen=True, eq=False)
class StageConstraint:
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
        with timed_section("constraint"):
            return torch.stack([self._mask(table, codes) for table in self._tables], dim=2)

    def _mask(self, table: _Table, codes: Tensor) -> Tensor:
        """The codes of one slot. Shape: (B, K, V), bool"""
        n_codes = max(self.constraint.sizes)
        first, count = table.ranges(codes)
        (code,), exists = table.choices(first, count, 0, table.width)
        # What is no choice writes to one column too many, which is then dropped.
        mask = torch.zeros(*first.shape, n_codes + 1, dtype=torch.bool, device=codes.device)
        return mask.scatter_(2, code.where(exists, n_codes), True)[..., :-1]

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
        alike = not self.known and done == 0
        with timed_section("constraint"):
            table = self.constraint.table(self.known, self.open_, chosen, done)
            first, count = table.ranges(codes[:1, :1] if alike else codes)
        step = max(1, AT_ONCE // codes[..., 0].numel())
        for offset in range(0, table.width, step):
            with timed_section("constraint"):
                columns, exists = table.choices(first, count, offset, min(step, table.width - offset))
            yield columns, None if alike else exists

    @cached_property
    def _tables(self) -> list[_Table]:
        return [self.constraint.table(self.known, self.open_, (slot,), None) for slot in self.open_]


@dataclass(frozen=True, eq=False)
class _States:
    """Numbers the states of some slots: mixed radix, the first slot highest.

    Where the next digit would not fit any more, the number so far becomes its rank among those of the catalogue.

    Attributes:
        slots: the slots that make a state.
        bases: the radix of each of these: its codes, and masked.
        known: place of a digit -> the numbers of the digits before it that the catalogue has, sorted.
    """

    slots: Slots
    bases: tuple[int, ...]
    known: dict[int, Tensor] = field(default_factory=dict)

    def learn(self, zero: Tensor, digits: Sequence[Tensor], *, room: int) -> Tensor:
        """The numbers of the catalogue's states, the ranks remembered.

        Args:
            zero: shape (P,), int64
            digits: code + 1, or 0 where masked, of each slot. Shape of each: (P,)
            room: how many bits a number may have.

        Raises:
            DataError: even one digit after a rank does not fit.
        """
        number, below = zero, 1
        for place, (digit, base) in enumerate(zip(digits, self.bases, strict=True)):
            if below * base > 1 << room:
                self.known[place], number = number.unique(return_inverse=True)
                below = len(self.known[place]) + 1
            if below * base > 1 << room:
                raise DataError(
                    f"the catalogue constraint can't number {len(zero):,} items with up to {max(self.bases) - 1:,} "
                    "codes a slot; run with --constrain slots"
                )
            number, below = number * base + digit, below * base
        return number

    def number(self, codes: Tensor) -> Tensor:
        """The state of each beam; one that the catalogue lacks has a number of its own. Shape: (B, K, T) -> (B, K)"""
        number = torch.zeros_like(codes[:, :, 0])
        for place, (slot, base) in enumerate(zip(self.slots, self.bases, strict=True)):
            if place in self.known:
                known = self.known[place]
                rank = torch.searchsorted(known, number).clamp_(max=len(known) - 1)
                number = rank.where(known[rank] == number, len(known))
            number = number * base + codes[:, :, slot] + 1
        return number


@dataclass(frozen=True, eq=False)
class _Table:
    """Choices by state.

    Attributes:
        entries: state number, then the code of each chosen slot in its own bits, sorted. Shape: (P,), int64
        states: numbers the states.
        bits: how many bits each chosen slot has; a shift reads its code quicker than a division.
        width: the most choices a state has.
    """

    entries: Tensor
    states: _States
    bits: tuple[int, ...]
    width: int

    def ranges(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Where each beam's choices start, and how many there are. Shape: (B, K, T) -> (B, K), (B, K)"""
        state = self.states.number(codes)
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
