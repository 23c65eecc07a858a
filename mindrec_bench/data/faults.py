"""What is wrong with files, collected while they are read, so that everything is said at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError

_SHOWN = 3
"""Examples that a message gives of each kind of fault."""


@dataclass
class Faults:
    """Kinds of faults in the order first met, each with its count and where the first ones are."""

    found: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def add(self, what: str, where: str) -> None:
        """Count one fault.

        Args:
            what: its kind, in the plural: 'rows without user'.
            where: `row 7`, or an id.
        """
        count, shown = self.found.get(what, (0, []))
        self.found[what] = (count + 1, shown if len(shown) == _SHOWN else [*shown, where])

    def rename(self, kind: str, names: Iterable[tuple[object, str]]) -> None:
        """Call places such as `user 7` by other names.

        Args:
            kind: what stands before the id: `user`.
            names: each id and its name.
        """
        shown = {place for _, places in self.found.values() for place in places}
        other = {place: f"{kind} {name}" for number, name in names if (place := f"{kind} {number}") in shown}
        self.found = {
            what: (count, [other.get(place, place) for place in places]) for what, (count, places) in self.found.items()
        }

    def lines(self) -> list[str]:
        """Each kind as `3 rows without user (row 2, row 5, row 9)`; of a single one the place says enough."""
        return [
            f"{f'{count:,} ' if count > 1 else ''}{what} ({', '.join(shown)}{', ...' if count > len(shown) else ''})"
            for what, (count, shown) in self.found.items()
        ]

    def check(self, path: Path) -> None:
        """Go on only where nothing is wrong.

        Raises:
            DataError: names every kind of fault, with counts and places.
        """
        if self.found:
            raise DataError(f"{path} can't be imported, since it has {'; '.join(self.lines())}; correct the file")
