"""The user's own ids, numbered while a file streams by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core.code_space import Int
from ..catalogue_files import INTEGER
from ..faults import Faults

_MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>"})


def is_missing(text: str | None) -> bool:
    """Whether a cell says that there is no value."""
    return text is None or text.strip().casefold() in _MISSING


class IdTable:
    """Numbers ids from 0 as they are first seen.

    Args:
        role: what they are ids of, for messages.
        faults: gets rows without an id.
    """

    def __init__(self, role: str, faults: Faults) -> None:
        self._role, self._faults = role, faults
        self._numbers: dict[str, int] = {}

    def read(self, column: pa.Array, place: Callable[[int], str]) -> NDArray[np.int32]:
        """The number of each id of a column of texts; `place` names the place of a row. Shape: (n,)"""
        encoded = column.dictionary_encode(null_encoding="encode")
        texts, indices = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        missing = [number for number, text in enumerate(texts) if is_missing(text)]
        if missing:
            for row in np.flatnonzero(np.isin(indices, missing)).tolist():
                self._faults.add(f"rows without {self._role}", place(row))
        numbers = self._numbers
        local = [numbers.setdefault(text, len(numbers)) for text in texts]
        return np.array(local, dtype=np.int32)[indices]

    def ids(self) -> list[str]:
        """The id of each number."""
        return list(self._numbers)


def ranks(ids: Sequence[str]) -> tuple[list[str], Int]:
    """Sort ids, in integer order when all are integers, else as text, so that their order in the file does not matter.

    Returns:
        The sorted ids, and the place of each given id among them. Shape: (n,)
    """
    whole = all(INTEGER.fullmatch(text) for text in ids)
    order = sorted(range(len(ids)), key=lambda at: (int(ids[at]), ids[at]) if whole else ids[at])  # type: ignore[arg-type,return-value]
    places = np.empty(len(ids), dtype=np.int64)
    places[order] = np.arange(len(ids))
    return [ids[at] for at in order], places
