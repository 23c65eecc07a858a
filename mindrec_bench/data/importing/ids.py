"""External ids, numbered while a file is streamed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..issues import Issues
from .table_reader import RowName

logger = logging.getLogger(__name__)

_MISSING = frozenset({"nan", "null", "none", "na", "n/a", "<na>"})
"""Words that say that there is no value; `--keep-na` keeps them."""

_WHOLE_FLOAT = r"^-?[0-9]+\.0+$"
_ROUNDED = r"^-?[0-9]\.[0-9]+[eE]\+?[0-9]+$"


def is_missing(text: str | None, *, keep_na: bool = False) -> bool:
    """Whether a cell says that there is no value.

    Args:
        text: the cell.
        keep_na: words such as NA and None are values like any other.
    """
    return not text or not (text := text.strip()) or (not keep_na and text.casefold() in _MISSING)


def _are_missing(texts: pa.Array, *, keep_na: bool) -> NDArray[np.bool_]:
    """`is_missing` of each text. Shape: (n,)"""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    missing = pc.is_in(words, pa.array(["", *(() if keep_na else _MISSING)], pa.string()))
    return pc.or_(missing, pc.is_null(texts)).to_numpy(zero_copy_only=False)


class IdEncoder:
    """Numbers ids from 0 in the order of their first occurrence.

    Args:
        role: what the ids are of, for messages.
        issues: gets rows without an id, and ids that can't be told apart for sure.
        keep_na: see `is_missing`.
    """

    def __init__(self, role: str, issues: Issues, *, keep_na: bool = False) -> None:
        self._role, self._issues, self._keep_na = role, issues, keep_na
        self._numbers: dict[str, int] = {}

    def encode(self, column: pa.Array, row_name: RowName) -> NDArray[np.int32]:
        """The number of each id of a text column. Shape: (n,)"""
        encoded = column.dictionary_encode(null_encoding="encode")
        texts, indices = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        missing = np.flatnonzero(_are_missing(encoded.dictionary, keep_na=self._keep_na))
        if len(missing):
            for row in np.flatnonzero(np.isin(indices, missing)).tolist():
                report_missing(self._issues, self._role, texts[indices[row]], row_name(row))
        if pc.any(pc.match_substring_regex(encoded.dictionary, r"[\r\n]")).as_py():
            broken = [index for index, text in enumerate(texts) if text and ("\n" in text or "\r" in text)]
            for row in np.flatnonzero(np.isin(indices, broken)).tolist():
                self._issues.add(f"ids of the {self._role} with a line break", row_name(row))
        numbers = self._numbers
        number_of_text = [numbers.setdefault(text, len(numbers)) for text in texts]
        return np.array(number_of_text, dtype=np.int32)[indices]

    def ids(self) -> list[str]:
        """The id of each number."""
        return list(self._numbers)

    def check(self, column: str, path: Path) -> None:
        """Add an issue for ids that are one number written in two ways, and log what is suspicious.

        Args:
            column: the name of the column, for messages.
            path: the file, for messages.
        """
        ids = pa.array([text for text in self._numbers if text is not None], pa.string())
        for text in ids.filter(pc.match_substring_regex(ids, _WHOLE_FLOAT)).to_pylist():
            if (whole := text.partition(".")[0]) in self._numbers:
                kind = (
                    f"ids in the column {column} that are one number written in two ways, of which one should be kept"
                )
                self._issues.add(kind, f"'{whole}' and '{text}'")
        rounded = ids.filter(pc.match_substring_regex(ids, _ROUNDED))
        if len(rounded):
            logger.warning(
                f"the column {column} of {path} holds ids such as {rounded[0]}, which look like rounded numbers; "
                "export it again with its ids as text"
            )
        trimmed = pc.utf8_trim_whitespace(ids)
        same = ids.filter(pc.not_equal(trimmed, ids)).to_pylist()
        twin = next((text for text in same if text.strip() in self._numbers), None)
        if twin is not None:
            logger.warning(
                f"the column {column} of {path} holds both {twin.strip()!r} and {twin!r}, which differ in white space "
                "only and count as two"
            )


def report_missing(issues: Issues, role: str, text: str | None, place: str) -> None:
    """Add an issue for a row without an id; `text` is what stands there."""
    if text and text.strip():
        issues.add(f"rows whose {role} is read as missing", f"{place}: '{text}'")
        issues.advise("give --keep-na if these are ids")
    else:
        issues.add(f"rows without {role}", place)
