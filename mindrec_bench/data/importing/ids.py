"""External ids, numbered while a file is streamed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..issues import Issues
from .table_reader import RowName

_MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>"})


def is_missing(text: str | None) -> bool:
    """Whether a cell says that there is no value."""
    return text is None or text.strip().casefold() in _MISSING


class IdEncoder:
    """Numbers ids from 0 in the order of their first occurrence.

    Args:
        role: what the ids are of, for messages.
        issues: gets rows without an id.
    """

    def __init__(self, role: str, issues: Issues) -> None:
        self._role, self._issues = role, issues
        self._numbers: dict[str, int] = {}

    def encode(self, column: pa.Array, row_name: RowName) -> NDArray[np.int32]:
        """The number of each id of a text column. Shape: (n,)"""
        encoded = column.dictionary_encode(null_encoding="encode")
        texts, indices = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        missing = [index for index, text in enumerate(texts) if is_missing(text)]
        if missing:
            for row in np.flatnonzero(np.isin(indices, missing)).tolist():
                self._issues.add(f"rows without {self._role}", row_name(row))
        numbers = self._numbers
        number_of_text = [numbers.setdefault(text, len(numbers)) for text in texts]
        return np.array(number_of_text, dtype=np.int32)[indices]

    def ids(self) -> list[str]:
        """The id of each number."""
        return list(self._numbers)
