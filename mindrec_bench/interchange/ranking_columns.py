"""The columns of rankings made elsewhere, checked one by one; what is wrong is collected, not raised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from ..core.dataset import Dataset

_CODE = re.compile(r"<[A-Za-z]+[_:]([0-9]{1,18})>|([0-9]{1,18})")
_SHOWN = 3
"""Examples of each problem that a message gives."""


@dataclass
class Problems:
    """What is wrong with a file, in the order found."""

    found: list[str] = field(default_factory=list)

    def add(self, wrong: NDArray[np.bool_], what: str, examples: Sequence[Any] | NDArray[Any]) -> None:
        """Say `what` with its count and its first examples, where anything is wrong; `{}` stands for the count.

        Args:
            wrong: which entries are wrong. Shape: (n,)
            what: the sentence.
            examples: an entry's text or number. Shape: (n,)
        """
        at = np.flatnonzero(wrong)
        if len(at):
            shown = list(dict.fromkeys(str(examples[i]) for i in at[:100].tolist()))[:_SHOWN]
            self.found.append(f"{what.replace('{}', f'{len(at):,}')} (first: {', '.join(shown)})")


def read_whole(table: pa.Table, name: str, problems: Problems) -> Int | None:
    """A column of whole numbers, also where they are written as text; None, with a problem, for another column."""
    column = table[name].combine_chunks()
    empty = column.is_null().to_numpy(zero_copy_only=False)
    problems.add(empty, f"{{}} rows without {name}", np.arange(1, len(empty) + 1))
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowException:
        problems.found.append(f"the column {name} must hold whole numbers, not {column.type}")
        return None
    return None if empty.any() else numbers.to_numpy()


def read_users(table: pa.Table, dataset: Dataset, problems: Problems) -> Int | None:
    """The column of users; own ids of imported data become its numbers. As `read_whole`, -1 for an unknown own id."""
    if dataset.external_ids is None:
        return read_whole(table, "user", problems)
    try:
        column = table["user"].combine_chunks().cast(pa.string())
    except pa.ArrowException:
        problems.found.append(f"the column user must hold user ids, not {table['user'].type}")
        return None
    empty = column.is_null().to_numpy(zero_copy_only=False)
    problems.add(empty, "{} rows without user", np.arange(1, len(empty) + 1))
    place = pc.index_in(column, pa.array(dataset.external_ids.users)).fill_null(-1).to_numpy()
    problems.add((place < 0) & ~empty, "{} rows of users that the data does not have", column)
    return None if (place < 0).any() else dataset.users[place]


def user_names(users: Int, dataset: Dataset) -> NDArray[Any]:
    """What a message calls users: their own ids, where the data was imported."""
    if dataset.external_ids is None:
        return users
    return np.array(dataset.external_ids.users, dtype=object)[np.searchsorted(dataset.users, users)]


def read_scores(table: pa.Table, problems: Problems) -> NDArray[np.float64] | None:
    """The scores (shape: (R,)); None where there are none or, with a problem, they are no numbers."""
    if "score" not in table.column_names:
        return None
    column = table["score"].combine_chunks()
    try:
        scores = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        problems.found.append(f"the column score must hold numbers, not {column.type}")
        return None
    wrong = np.isnan(scores)
    problems.add(wrong, "{} scores that are no numbers, in rows", np.arange(1, len(scores) + 1))
    return None if wrong.any() else scores


def read_sids(
    table: pa.Table, dataset: Dataset, space: CodeSpace, problems: Problems
) -> tuple[NDArray[Any] | None, Int | None]:
    """Item ids where there are any (shape: (R,)), and the SIDs, of the codes or else of the items (shape: (R, M))."""
    items, item_sids = _items(table, dataset, problems)
    if "codes" not in table.column_names:
        return items, item_sids
    sids = _code_lists(table, space, problems)
    if sids is None:
        return items, None
    unknown = space.from_numbers(sids, space.sid_slots) < 0
    if unknown.any():
        names = [f"{number} in slot {slot + 1}" for row in sids.tolist() for slot, number in enumerate(row)]
        problems.add(unknown.ravel(), "{} codes that no item has there", names)
    if items is not None and item_sids is not None:
        other = (item_sids >= 0).all(axis=1) & (sids != item_sids).any(axis=1)
        problems.add(other, "{} rows whose item has other codes", table["item"])
    return items, sids


def _items(table: pa.Table, dataset: Dataset, problems: Problems) -> tuple[NDArray[Any] | None, Int | None]:
    """Catalogue item ids (shape: (R,)) and their SID code numbers, -1 where there is no such item (shape: (R, M))."""
    if "item" not in table.column_names:
        return None, None
    column = table["item"].combine_chunks()
    try:
        column = column.cast(pa.string())
    except pa.ArrowException:
        problems.found.append(f"the column item must hold item ids, not {column.type}")
        return None, None
    empty = column.is_null().to_numpy(zero_copy_only=False)
    if empty.all() and "codes" in table.column_names:
        return None, None  # as in stored rankings of a decoder that ranks codes
    given = dataset.external_ids.items if dataset.external_ids else dataset.item_ids
    index = pc.index_in(column, pa.array(given)).fill_null(-1).to_numpy()
    problems.add((index < 0) & ~empty, "{} rows with unknown items", column)
    if "codes" not in table.column_names:
        problems.add(empty, "{} rows without item", np.arange(1, len(empty) + 1))
    names = np.array(dataset.item_ids, dtype=object)[index]
    names[index < 0] = None
    return names, np.where(index[:, None] < 0, -1, dataset.sids[index])


def _code_lists(table: pa.Table, space: CodeSpace, problems: Problems) -> Int | None:
    """SID code numbers, from lists of numbers or of codes like <a_11>, or from texts of these with spaces between.

    A list may begin with the category codes, which are left out.

    Returns:
        Shape: (R, M); None, with a problem, for lists of other lengths or entries.
    """
    column = table["codes"].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(column))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        problems.found.append(f"the column codes must hold lists of codes, not {column.type}")
        return None
    sid = len(space.sid_slots)
    allowed = sorted({sid, space.n_slots})
    lengths = pc.list_value_length(column).fill_null(0).to_numpy()
    wrong = ~np.isin(lengths, allowed)
    right = " or ".join(map(str, allowed))
    problems.add(wrong, f"{{}} rows that do not have {right} codes, of lengths", lengths)
    flat = column.flatten()
    kinds = flat.dictionary_encode()
    texts = kinds.dictionary.to_pylist()
    numbers = [_number(text) for text in texts]
    bad = [str(text) for text, number in zip(texts, numbers, strict=True) if number is None]
    if bad or flat.null_count:
        shown = ", ".join([*bad, *(["an empty one"] if flat.null_count else [])][:_SHOWN])
        problems.found.append(f"codes that are neither numbers nor like <a_11> (first: {shown})")
    if wrong.any() or bad or flat.null_count:
        return None
    values = np.array(numbers, dtype=np.int64)[kinds.indices.to_numpy()]
    last = (np.cumsum(lengths) - 1)[:, None] - np.arange(sid)[::-1]
    return values[last]


def _number(code: Any) -> int | None:
    match = _CODE.fullmatch(str(code))
    return int(match[1] or match[2]) if match else None
