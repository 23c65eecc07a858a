"""Results of models that name items in codes of their own (`Backbone.model_codes`), read as any other's.

Such a result is the item that its codes name: it hits where that item's semantic ID (SID) is the target's, as every
result does. Entropy and TTR count the model's own codes, so they compare with no other model's. An ID that ends before
the last slot has the code number -1 from there on, which is no code and is not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
    def _counted(self) -> NDArray[np.bool_]:
        """Which codes of all slots, laid end to end, are counted."""
        return np.concatenate(self.space.numbers) != ENDED

    def read(self, numbers: Int, data: CodeSpace) -> tuple[Int, CodeCounts]:
        """What `metrics.score_keys` takes.

        Args:
            numbers: code numbers of ranked results; all -1 in the padding. Shape: (U, b, T)
            data: the slots of the data's own codes, over the same items.

        Returns:
            Keys, of shape (U, b), and the counts of the codes.
        """
        space = self.space
        codes = space.from_numbers(numbers, space.sid_slots)
        items = space.find(codes)
        # What names no item is told apart by its codes, with numbers above all keys of items.
        _, other = np.unique(codes.reshape(-1, space.n_slots), axis=0, return_inverse=True)
        above = math.prod(data.sizes[data.n_categories :])
        keys = np.where(items >= 0, data.sid_keys[items], above + other.reshape(items.shape))
        counts = CodeCounts.of(codes, space.sizes).counts
        return np.where((codes >= 0).all(axis=-1), keys, -1), CodeCounts(counts[self._counted])

    def summary(self) -> dict[str, Any]:
        """The entry `slots` of a run's summary (`scoring.spec_summary`)."""
        sizes = [int((numbers != ENDED).sum()) for numbers in self.space.numbers]
        return {"categories": 0, "sid": len(sizes), "sid_codes": sum(sizes), "sid_sizes": sizes, "code": self.code}

    def note(self) -> str:
        """What must be said beside a result."""
        return f"here a code is {self.code}, so Entropy and TTR do not compare with those of semantic IDs"
