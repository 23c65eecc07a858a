"""The columns of rankings made elsewhere, checked one by one; issues are collected and not raised."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from ..core.dataset import Dataset
from ..data.importing.numbers_as_text import column_text
from ..data.issues import Issues
from ..io.schema import is_number

_CODE = re.compile(r"<[A-Za-z]+[_:]([0-9]{1,18})>|([0-9]{1,18})")


def read_integers(table: pa.Table, name: str, issues: Issues) -> Int | None:
    """A column of whole numbers, which may be written as text; None, with an issue, where it holds anything else."""
    column = table[name].combine_chunks()
    empty = column.is_null().to_numpy(zero_copy_only=False)
    issues.add_where(empty, f"rows without {name}", np.arange(1, len(empty) + 1), prefix="row ")
    try:
        numbers = _whole_numbers(column)
    except pa.ArrowException:
        issues.add(f"the column {name} must hold whole numbers, not {_content(column)}")
        return None
    return None if empty.any() else numbers.to_numpy()


def _whole_numbers(column: pa.Array) -> pa.Array:
    """A column as int64; text such as 7.0 is a whole number too.

    Raises:
        pyarrow.ArrowException: the column holds something else.
    """
    if not pa.types.is_string(column.type):
        return column.cast(pa.int64())
    trimmed = pc.utf8_trim_whitespace(column)
    try:
        return trimmed.cast(pa.int64())
    except pa.ArrowInvalid:
        return trimmed.cast(pa.decimal128(38, 0)).cast(pa.int64())


def _content(column: pa.Array) -> str:
    """What a column holds, for messages: its type, and of text the first cell that is no number."""
    if not pa.types.is_string(column.type):
        return str(column.type)
    wrong = next((text for text in column.to_pylist() if text is not None and not is_number(text)), None)
    return "text with fractions" if wrong is None else f"'{' '.join(wrong.split())[:40]}'"


def read_users(table: pa.Table, dataset: Dataset, issues: Issues) -> Int | None:
    """The column of users as user numbers; None, with an issue, where a user is empty or unknown.

    Imported data is ranked for by the ids of the imported files, other data by user numbers.
    """
    if dataset.external_ids is None:
        return read_integers(table, "user", issues)
    try:
        column = column_text(table["user"].combine_chunks())
    except pa.ArrowException:
        issues.add(f"the column user must hold user ids, not {table['user'].type}")
        return None
    empty = column.is_null().to_numpy(zero_copy_only=False)
    issues.add_where(empty, "rows without user", np.arange(1, len(empty) + 1), prefix="row ")
    index = pc.index_in(column, pa.array(dataset.external_ids.users)).fill_null(-1).to_numpy()
    issues.add_where((index < 0) & ~empty, "rows of users that the data does not have", column, prefix="user ")
    return None if (index < 0).any() else dataset.users[index]


def user_names(users: Int, dataset: Dataset) -> NDArray[Any]:
    """What messages call users: the ids of the imported files where the data was imported, else their numbers."""
    if dataset.external_ids is None:
        return users
    return np.array(dataset.external_ids.users, dtype=object)[np.searchsorted(dataset.users, users)]


def read_scores(table: pa.Table, issues: Issues) -> NDArray[np.float64] | None:
    """The scores; None where there are none or, with an issue, some are not numbers. Shape: (R,)"""
    if "score" not in table.column_names:
        return None
    column = table["score"].combine_chunks()
    try:
        scores = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        issues.add(f"the column score must hold numbers, not {_content(column)}")
        return None
    infinite = np.isinf(scores)
    issues.add_where(infinite, "infinite scores, which mark no result", np.arange(1, len(scores) + 1), prefix="row ")
    if infinite.any():
        issues.advise("leave those rows out")
    wrong = np.isnan(scores)
    issues.add_where(wrong, "scores that are not numbers", np.arange(1, len(scores) + 1), prefix="row ")
    return None if wrong.any() else scores


def read_sids(
    table: pa.Table, dataset: Dataset, space: CodeSpace, issues: Issues
) -> tuple[NDArray[Any] | None, Int | None]:
    """The item ids, where the file has them, and the SIDs, from the codes if there are any, else from the items.

    Returns:
        Shapes: (R,), (R, M)
    """
    items, item_sids = _items(table, dataset, issues)
    if "codes" not in table.column_names:
        return items, item_sids
    sids = _code_lists(table, space, issues)
    if sids is None:
        return items, None
    unknown = space.from_numbers(sids, space.sid_slots) < 0
    if unknown.any():
        names = [f"{number} in slot {slot + 1}" for row in sids.tolist() for slot, number in enumerate(row)]
        issues.add_where(unknown.ravel(), "codes that no item has there", names)
    if items is not None and item_sids is not None:
        differs = (item_sids >= 0).all(axis=1) & (sids != item_sids).any(axis=1)
        issues.add_where(differs, "rows whose item has other codes", table["item"], prefix="item ")
    return items, sids


def _items(table: pa.Table, dataset: Dataset, issues: Issues) -> tuple[NDArray[Any] | None, Int | None]:
    """Catalogue item ids, and their SID code numbers, -1 where there is no such item.

    Returns:
        Shapes: (R,), (R, M)
    """
    if "item" not in table.column_names:
        return None, None
    column = table["item"].combine_chunks()
    try:
        column = column_text(column)
    except pa.ArrowException:
        issues.add(f"the column item must hold item ids, not {column.type}")
        return None, None
    empty = column.is_null().to_numpy(zero_copy_only=False)
    if empty.all() and "codes" in table.column_names:
        return None, None  # as in stored rankings of a decoder that ranks codes
    known_ids = dataset.external_ids.items if dataset.external_ids else dataset.item_ids
    index = pc.index_in(column, pa.array(known_ids)).fill_null(-1).to_numpy()
    issues.add_where((index < 0) & ~empty, "rows with unknown items", column, prefix="item ")
    if "codes" not in table.column_names:
        issues.add_where(empty, "rows without item", np.arange(1, len(empty) + 1), prefix="row ")
    names = np.array(dataset.item_ids, dtype=object)[index]
    names[index < 0] = None
    return names, np.where(index[:, None] < 0, -1, dataset.sids[index])


def _code_lists(table: pa.Table, space: CodeSpace, issues: Issues) -> Int | None:
    """SID code numbers, from lists of numbers or of codes like <a_11>, or from texts of these separated by spaces.

    A list may start with the category codes, which are left out.

    Returns:
        Shape: (R, M); None, with an issue, for lists with another length or other entries.
    """
    column = table["codes"].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(column))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        issues.add(f"the column codes must hold lists of codes, not {column.type}")
        return None
    sid = len(space.sid_slots)
    allowed = sorted({sid, space.n_slots})
    lengths = pc.list_value_length(column).fill_null(0).to_numpy()
    wrong = ~np.isin(lengths, allowed)
    lengths_text = " or ".join(map(str, allowed))
    issues.add_where(wrong, f"rows that do not have {lengths_text} codes, of lengths", lengths)
    flat = column.flatten()
    encoded = flat.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    numbers = [_code_number(text) for text in texts]
    invalid = [str(text) for text, number in zip(texts, numbers, strict=True) if number is None]
    if flat.null_count:
        invalid.append("an empty one")
    for code in invalid:
        issues.add("codes that are neither numbers nor like <a_11>", code)
    if wrong.any() or invalid:
        return None
    values = np.array(numbers, dtype=np.int64)[encoded.indices.to_numpy()]
    sid_positions = (np.cumsum(lengths) - 1)[:, None] - np.arange(sid)[::-1]
    return values[sid_positions]


def _code_number(code: Any) -> int | None:
    match = _CODE.fullmatch(str(code))
    return int(match[1] or match[2]) if match else None
