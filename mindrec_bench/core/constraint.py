"""The catalogue constraint: which codes keep an item reachable, whatever slots are revealed (docs/semantics.md,
Decoding).

Take the slots that a beam has revealed and those that it is to choose. The choices that keep an item reachable are the
distinct projections of the catalogue onto both sets whose first part equals the beam's. Sorted, the projections that
share a first part are adjacent, so a beam finds its choices by two binary searches: exact, the same for every order,
and from left to right the sorted projections are the levels of a prefix tree. Beams with other slots revealed have
other first parts, in the same table.

A choice also knows how many items it keeps reachable: where a user has excluded all of these (`core/exclusion.py`), it
is none. Tables are built on first use and kept. An entry is 16 bytes. With M slots in any order a slot has at most
2^(M-1) N entries: for 4 SID slots 32 N in all, 51 MB for 10^5 items; from left to right 4 N. Joint choices of n slots
add at most N entries for each set of n and each set revealed before. A lookup has fixed shapes (the width of joint
choices is the most that any state has), so on an accelerator nothing is read back to the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from ..errors import DataError
from .exclusion import ExcludedItems
from .timing import timed_section

Slots = tuple[int, ...]

CHUNK_SIZE = 2**20
"""Joint choices looked up at a time, over all beams: bounds their memory."""


@dataclass(frozen=True, eq=False)
class CatalogueConstraint:
    """Only codes that keep at least one item of the catalogue reachable.

    Attributes:
        items: code indices of each item. Shape: (N, T), int64, on the device of the canvas
        sizes: vocabulary size of each slot.
    """

    items: Tensor
    sizes: tuple[int, ...]
    _tables: dict[tuple[object, ...], _ChoiceTable] = field(default_factory=dict, repr=False)

    def at(
        self, revealed: Sequence[int], open_slots: Sequence[int], excluded: ExcludedItems | None = None
    ) -> StageConstraint:
        """The constraint at one stage of decoding.

        Args:
            revealed: slots that every beam has revealed.
            open_slots: slots that a beam may have revealed or not. All others are masked in every beam.
            excluded: items that need not stay reachable (`Canvas.excluded`).
        """
        return StageConstraint(self, tuple(sorted(revealed)), tuple(sorted(open_slots)), excluded)

    def table(self, revealed: Slots, open_slots: Slots, chosen: Slots, n_revealed: int | None) -> _ChoiceTable:
        """The choices for `chosen`, by state.

        Args:
            revealed: as in `at`.
            open_slots: as in `at`.
            chosen: the slots to choose codes for.
            n_revealed: how many of `open_slots` are revealed in a state; None: any number of them.

        Raises:
            DataError: the codes of these slots can't be numbered with 63 bits.
        """
        key = (revealed, open_slots, chosen, n_revealed)
        if key not in self._tables:
            self._tables[key] = self._build_table(revealed, open_slots, chosen, n_revealed)
        return self._tables[key]

    @property
    def n_bytes(self) -> int:
        """Memory of the tables built so far."""
        return sum(table.entries.nbytes + table.n_items.nbytes for table in self._tables.values())

    def _build_table(self, revealed: Slots, open_slots: Slots, chosen: Slots, n_revealed: int | None) -> _ChoiceTable:
        others = [slot for slot in open_slots if slot not in chosen]
        state_slots = (*revealed, *others)
        bits = tuple((self.sizes[slot] - 1).bit_length() for slot in chosen)
        zeros = torch.zeros_like(self.items[:, 0])
        choice = zeros
        for slot, slot_bits in zip(chosen, bits, strict=True):
            choice = (choice << slot_bits) + self.items[:, slot]
        counts = range(len(others) + 1) if n_revealed is None else (n_revealed,)
        revealed_sets = [{*subset, *revealed} for count in counts for subset in combinations(others, count)]
        digits = [
            torch.cat([self.items[:, slot] + 1 if slot in revealed_set else zeros for revealed_set in revealed_sets])
            for slot in state_slots
        ]
        states = PrefixStates(state_slots, tuple(self.sizes[slot] + 1 for slot in state_slots))
        state = states.fit(torch.cat([zeros] * len(revealed_sets)), digits, max_bits=62 - sum(bits))
        # An item is in one entry for each set of revealed slots, which the state tells apart.
        entries, n_items = ((state << sum(bits)) + choice.repeat(len(revealed_sets))).unique(return_counts=True)
        _, choices_per_state = (entries >> sum(bits)).unique_consecutive(return_counts=True)
        return _ChoiceTable(entries, n_items, states, bits, int(choices_per_state.max()))


@dataclass(frozen=True, eq=False)
class StageConstraint:
    """What keeps an item reachable at one stage; from `CatalogueConstraint.at`."""

    constraint: CatalogueConstraint
    revealed: Slots
    open_slots: Slots
    excluded: ExcludedItems | None = None

    def allowed(self, codes: Tensor) -> Tensor:
        """Which codes each open slot may have; an entry for a slot that a beam has revealed is unspecified.

        Args:
            codes: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64

        Returns:
            Shape: (B, K, S, V), bool; S the open slots in rising order, V the largest vocabulary of all slots.
        """
        with timed_section("constraint"):
            slots = zip(self.open_slots, self._tables, strict=True)
            return torch.stack([self._allowed_in_slot(slot, table, codes) for slot, table in slots], dim=2)

    def _allowed_in_slot(self, slot: int, table: _ChoiceTable, codes: Tensor) -> Tensor:
        """Shape: (B, K, V), bool"""
        n_codes = max(self.constraint.sizes)
        first, count = table.ranges(codes)
        (code,), exists, n_items = table.choices(first, count, 0, table.width)
        # What is no choice writes to one column too many, which is then dropped.
        reachable = torch.zeros(*first.shape, n_codes + 1, dtype=n_items.dtype, device=codes.device)
        reachable = reachable.scatter_(2, code.where(exists, n_codes), n_items)[..., :-1]
        return reachable > (0 if self.excluded is None else self.excluded.count_by_code(codes, slot))

    def joint(self, codes: Tensor, chosen: Slots, n_revealed: int) -> Iterator[tuple[list[Tensor], Tensor | None]]:
        """All joint choices for some open slots that keep an item reachable, in chunks, in rising order of the codes.

        Args:
            codes: as above, with `n_revealed` of the open slots revealed in every beam. Shape: (B, K, T)
            chosen: slots, in rising order.
            n_revealed: see `codes`.

        Yields:
            The codes of the chosen slots, each of shape (B, K, C), and which of the C exist, (B, K, C). A beam that has
            revealed one of the chosen slots has none. Where nothing is revealed all beams have the same choices: the
            shapes are (1, 1, C), and None stands for "all exist".
        """
        shared = not self.revealed and n_revealed == 0 and self.excluded is None
        with timed_section("constraint"):
            table = self.constraint.table(self.revealed, self.open_slots, chosen, n_revealed)
            first, count = table.ranges(codes[:1, :1] if shared else codes)
        step = max(1, CHUNK_SIZE // codes[..., 0].numel())
        for offset in range(0, table.width, step):
            with timed_section("constraint"):
                columns, exists, n_items = table.choices(first, count, offset, min(step, table.width - offset))
                if self.excluded is not None:
                    exists = exists & (n_items > self.excluded.count_by_choice(codes, chosen, columns))
            yield columns, None if shared else exists

    @cached_property
    def _tables(self) -> list[_ChoiceTable]:
        return [self.constraint.table(self.revealed, self.open_slots, (slot,), None) for slot in self.open_slots]


@dataclass(frozen=True, eq=False)
class PrefixStates:
    """Numbers the states of some slots: mixed radix, the first slot highest.

    Where the next digit would not fit any more, the number so far becomes its rank among those of the catalogue.

    Attributes:
        slots: the slots that make a state.
        bases: the radix of each of these: its codes, and masked.
        ranked: position of a digit -> the numbers of the digits before it that the catalogue has, sorted.
    """

    slots: Slots
    bases: tuple[int, ...]
    ranked: dict[int, Tensor] = field(default_factory=dict)

    def fit(self, zeros: Tensor, digits: Sequence[Tensor], *, max_bits: int) -> Tensor:
        """Number the catalogue's states, and remember the ranks.

        Args:
            zeros: shape (P,), int64
            digits: code + 1, or 0 where masked, of each slot. Shape of each: (P,)
            max_bits: how many bits a number may have.

        Returns:
            Shape: (P,), int64

        Raises:
            DataError: even one digit after a rank does not fit.
        """
        number, bound = zeros, 1
        for position, (digit, base) in enumerate(zip(digits, self.bases, strict=True)):
            if bound * base > 1 << max_bits:
                self.ranked[position], number = number.unique(return_inverse=True)
                bound = len(self.ranked[position]) + 1
            if bound * base > 1 << max_bits:
                raise DataError(
                    f"the catalogue constraint can't number {len(zeros):,} items with up to {max(self.bases) - 1:,} "
                    "codes per slot; run with --constrain slots"
                )
            number, bound = number * base + digit, bound * base
        return number

    def encode(self, codes: Tensor) -> Tensor:
        """The state of each beam; one that the catalogue lacks has a number of its own. Shape: (B, K, T) -> (B, K)"""
        number = torch.zeros_like(codes[:, :, 0])
        for position, (slot, base) in enumerate(zip(self.slots, self.bases, strict=True)):
            if position in self.ranked:
                ranked = self.ranked[position]
                rank = torch.searchsorted(ranked, number).clamp_(max=len(ranked) - 1)
                number = rank.where(ranked[rank] == number, len(ranked))
            number = number * base + codes[:, :, slot] + 1
        return number


@dataclass(frozen=True, eq=False)
class _ChoiceTable:
    """Choices by state.

    Attributes:
        entries: state number, then the code of each chosen slot in its own bits, sorted. Shape: (P,), int64
        n_items: how many items each entry keeps reachable. Shape: (P,), int64
        states: numbers the states.
        bits: how many bits each chosen slot has; a shift reads its code faster than a division.
        width: the most choices that a state has.
    """

    entries: Tensor
    n_items: Tensor
    states: PrefixStates
    bits: tuple[int, ...]
    width: int

    def ranges(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Where each beam's choices start, and how many there are. Shape: (B, K, T) -> (B, K), (B, K)"""
        state = self.states.encode(codes)
        first = torch.searchsorted(self.entries, state << sum(self.bits))
        return first, torch.searchsorted(self.entries, (state + 1) << sum(self.bits)) - first

    def choices(self, first: Tensor, count: Tensor, offset: int, width: int) -> tuple[list[Tensor], Tensor, Tensor]:
        """Choices `offset` to `offset + width` of each beam: the codes of each chosen slot, which exist, and how many
        items they keep reachable."""
        position = torch.arange(offset, offset + width, device=first.device)
        exists = position < count[..., None]
        index = (first[..., None] + position).clamp_(max=len(self.entries) - 1)
        entry = self.entries[index]
        columns = []
        for bits in reversed(self.bits):
            columns.append(entry & ((1 << bits) - 1))
            entry = entry >> bits
        return columns[::-1], exists, self.n_items[index]
