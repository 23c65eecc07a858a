"""Scores results of models that identify items by codes of their own (`Backbone.model_codes`).

Such a result is the item that its codes identify: it is a hit where that item's semantic ID (SID) equals the target's,
as for any other result. Entropy and TTR count the model's own codes, so they are not comparable with those of other
models. An ID that ends before the last slot has the code number -1 from there on, which is no code and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from .diversity import CodeCounts

ENDED = -1
"""The code number of a slot after the end of an ID."""


@dataclass(frozen=True, eq=False)
class ModelCodes:
    """A model's own codes.

    Attributes:
        space: the slots of its IDs.
        code: what one of its codes is, in words.
    """

    space: CodeSpace
    code: str

    @cached_property
    def _is_code(self) -> NDArray[np.bool_]:
        """Which entries of the vocabularies, laid end to end, are codes and not `ENDED`."""
        return np.concatenate(self.space.numbers) != ENDED

    def read(self, numbers: Int, data: CodeSpace) -> tuple[Int, CodeCounts]:
        """Turn stored rankings into what `metrics.lists.score_sequences` takes.

        Args:
            numbers: code numbers of ranked results; all -1 in the padding. Shape: (U, b, T)
            data: the slots of the data's own codes, over the same items.

        Returns:
            The SID sequences, of shape (U, b), and the counts of the model's codes.
        """
        index, sid_index = self.space.sid_index, data.sid_index
        codes = self.space.from_numbers(numbers, self.space.sid_slots)
        sequences = index.number_sequences(codes)
        is_item = (sequences >= 0) & (sequences < index.n_sequences)
        items = index.first_items[np.where(is_item, sequences, 0)]
        # What is no item keeps a number of its own, above the data's sequences.
        no_item = np.where(sequences < 0, -1, sequences - index.n_sequences + sid_index.n_sequences)
        counts = CodeCounts.of(codes, self.space.sizes).counts
        return np.where(is_item, sid_index.item_sequences[items], no_item), CodeCounts(counts[self._is_code])

    @property
    def slot_sizes(self) -> tuple[int, ...]:
        """How many codes each slot has."""
        return tuple(int((numbers != ENDED).sum()) for numbers in self.space.numbers)

    def note(self) -> str:
        """The note beside a run's result."""
        return f"here a code is {self.code}, so Entropy and TTR do not compare with those of semantic IDs"
