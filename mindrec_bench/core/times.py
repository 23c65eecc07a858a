"""When interactions happened: whole numbers, in a unit since 1970 (UTC), or numbers that can only be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .catalogue import Int

Unit = Literal["s", "ms", "us", "ns"]

UNITS: dict[Unit, int] = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Unit -> its decimal digits below the second."""


@dataclass(frozen=True, eq=False)
class Times:
    """When the interactions of a dataset happened.

    Attributes:
        values: in the order of the sequences, never falling within a user. Shape: (interactions,)
        unit: since 1970; None where the values can only be ordered.
    """

    values: Int
    unit: Unit | None

    @property
    def per_second(self) -> int | None:
        """How many units make a second; None without a unit."""
        return None if self.unit is None else int(10 ** UNITS[self.unit])
