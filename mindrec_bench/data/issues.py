"""Issues of a file, collected while it is checked, so that one message names all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

MAX_EXAMPLES = 3
"""Examples that a message gives of each kind of issue."""


@dataclass
class Issues:
    """Kinds of issues in the order first met, each with its count and its first examples.

    Attributes:
        kinds: kind -> count and examples. A kind without examples is about the file as a whole.
        advice: what to do about them, if it is more than to correct the file.
    """

    kinds: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def add(self, kind: str, example: str | None = None) -> None:
        """Count one issue.

        Args:
            kind: what is wrong, in the plural: 'rows without user'. Without an example, a sentence about the file.
            example: where it is: `row 7`, or an id.
        """
        count, examples = self.kinds.get(kind, (0, []))
        if example is not None and len(examples) < MAX_EXAMPLES:
            examples = [*examples, example]
        self.kinds[kind] = (count + 1, examples)

    def advise(self, advice: str) -> None:
        """Add what to do, once."""
        if advice not in self.advice:
            self.advice.append(advice)

    def add_where(
        self, wrong: NDArray[np.bool_], kind: str, values: Sequence[Any] | NDArray[Any], *, prefix: str = ""
    ) -> None:
        """Count one issue for each true entry of a mask.

        Args:
            wrong: which entries are wrong. Shape: (n,)
            kind: as in `add`.
            values: what each entry is called; equal ones are shown once. Shape: (n,)
            prefix: put before each value: `row `.
        """
        indices = np.flatnonzero(wrong)
        if not len(indices):
            return
        count, examples = self.kinds.get(kind, (0, []))
        names = (f"{prefix}{values[index]}" for index in indices[:100].tolist())
        self.kinds[kind] = (count + len(indices), list(dict.fromkeys([*examples, *names]))[:MAX_EXAMPLES])

    def rename(self, prefix: str, names: Iterable[tuple[object, str]]) -> None:
        """Replace the ids in examples such as `user 7`.

        Args:
            prefix: the word before the id: `user`.
            names: each id and what replaces it.
        """
        shown = {example for _, examples in self.kinds.values() for example in examples}
        renamed = {example: f"{prefix} {name}" for id_, name in names if (example := f"{prefix} {id_}") in shown}
        self.kinds = {
            kind: (count, [renamed.get(example, example) for example in examples])
            for kind, (count, examples) in self.kinds.items()
        }

    def lines(self) -> list[str]:
        """One line for each kind: `3 rows without user (row 2, row 5, row 9)`; a count of 1 is left out."""
        return [
            f"{count:,} {kind}{_in_brackets(count, examples)}" if count > 1 else kind + _in_brackets(count, examples)
            for kind, (count, examples) in self.kinds.items()
        ]

    def check(self, path: Path, *, purpose: str = "imported") -> None:
        """Refuse a file that has issues.

        Args:
            path: the file.
            purpose: what it can't be, for the message.

        Raises:
            DataError: names every kind of issue, with its count and examples.
        """
        if self.kinds:
            advice = ", or ".join(["correct the file", *self.advice])
            raise DataError(f"{path} can't be {purpose}: {'; '.join(self.lines())}; {advice}")


def _in_brackets(count: int, examples: list[str]) -> str:
    if not examples:
        return ""
    return f" ({', '.join(examples)}{', ...' if count > len(examples) else ''})"
