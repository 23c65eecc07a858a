"""The role of each column: recognised by the names of public datasets and tools, or given by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError, UsageError, did_you_mean

_ITEM_ID_NAMES = (
    *("item", "itemid", "iid", "parentasin", "asin", "productid", "movieid", "bookid", "businessid", "gmapid"),
    *("trackid", "songid", "artistid", "articleid", "newsid", "sku"),
)

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "visitorid", "memberid", "sessionid"),
    "item": _ITEM_ID_NAMES,
    "timestamp": (
        *("timestamp", "time", "unixreviewtime", "unixtime", "ts", "datetime", "date", "eventtime", "createdat"),
        "reviewtime",
    ),
    "rating": ("rating", "overall", "stars", "score"),
    "id": (*_ITEM_ID_NAMES, "id"),
    "title": ("title", "name", "itemname", "productname", "producttitle", "movietitle", "booktitle"),
    "description": ("description", "desc", "overview", "summary", "abstract"),
    "brand": ("brand", "manufacturer", "store", "publisher"),
    "categories": ("categories", "category", "categorypath", "genres", "genre"),
}
"""Role -> known column names, in lower case letters and digits only; where a file has several, the first counts.

`item` is a column of the interactions, `id` a column of the items. In interactions, `id` mostly is the number of the
row, so it must be asked for.
"""

INTERACTION_ROLES = ("user", "item", "timestamp", "rating")
ITEM_ROLES = ("id", "title", "description", "brand", "categories")
TOKEN_LIST = "token_seq"
"""RecBole's type of a list of words, separated by spaces."""

_TYPED_NAMES = {("categories", TOKEN_LIST): ("class",)}
"""Role and RecBole's type -> names that are known with this type only."""

_SPLIT_TIMES = ("date", "time")
"""Two columns that are one time when a file has both."""

_NUMBER = re.compile(r"-?[0-9.]+")
_CATEGORY_LEVEL = re.compile(r"category([0-9]+)")


_TYPES = ("token", TOKEN_LIST, "float", "float_seq")


@dataclass(frozen=True)
class ColumnNames:
    """The columns of a file that are read.

    Attributes:
        by_role: role -> name in the file.
        category_levels: names of `category_1`, `category_2`, ... in this order; empty where one column holds the whole
            path.
        others: the columns that are not read.
    """

    by_role: Mapping[str, str]
    category_levels: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For the report of an import."""
        read = {**self.by_role, **{f"category_{i}": name for i, name in enumerate(self.category_levels, 1)}}
        return {"read": read, "not_read": list(self.others)}


def type_of(column: str) -> str:
    """The type in a column name of RecBole's atomic files: `token_seq` of `genres:token_seq`; else ''."""
    return column.rpartition(":")[2] if column.rpartition(":")[2] in _TYPES else ""


def parse_columns(pairs: Sequence[str]) -> dict[str, str]:
    """Parse the `role=name` pairs of the command line.

    Raises:
        UsageError: an unknown role, a missing '=', or a role that is given twice.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        role, equals, name = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--column is '{pair}'; write ROLE=NAME, such as user=reviewerID")
        if role not in KNOWN_NAMES:
            raise UsageError(
                f"--column {pair} gives the unknown role '{role}'{did_you_mean(role, KNOWN_NAMES)}; "
                f"there are {', '.join(KNOWN_NAMES)}"
            )
        if role in columns:
            raise UsageError(f"--column gives {role} twice; leave out one of them")
        columns[role] = name
    return columns


def match_columns(
    path: Path, header: Sequence[str], roles: Sequence[str], required: Sequence[str], overrides: Mapping[str, str]
) -> ColumnNames:
    """Find the columns of a file.

    Args:
        path: the file, for messages.
        header: its column names.
        roles: the roles to look for.
        required: the roles that must have a column.
        overrides: role -> name, as the user says; the others are recognised by `KNOWN_NAMES`.

    Raises:
        DataError: a required column is missing, or one that the user names, or two columns could be meant.
    """
    names_of: dict[str, list[str]] = {}
    for name in header:
        names_of.setdefault(_normalise(name), []).append(name)
    by_role: dict[str, str] = {}
    missing: list[str] = []
    for role in roles:
        column = _given_name(overrides[role], header) if role in overrides else _known_name(path, role, names_of)
        if role in overrides and column is None:
            missing.append(f"'{overrides[role]}' for {role}")
        elif column is not None:
            by_role[role] = column
        elif role in required:
            missing.append(role)
    if missing:
        raise DataError(_missing_columns(path, header, missing))
    levels: tuple[str, ...] = ()
    if "categories" in roles and "categories" not in by_role:
        matches = ((_CATEGORY_LEVEL.fullmatch(key), names[0]) for key, names in names_of.items())
        levels = tuple(name for _, name in sorted((int(match[1]), name) for match, name in matches if match))
    read = {*by_role.values(), *levels}
    return ColumnNames(by_role, levels, tuple(name for name in header if name not in read))


def _given_name(name: str, header: Sequence[str]) -> str | None:
    """The column that the user names; RecBole's type may be left out."""
    if name in header:
        return name
    return next((column for column in header if type_of(column) and column.rpartition(":")[0] == name), None)


def _known_name(path: Path, role: str, names_of: Mapping[str, Sequence[str]]) -> str | None:
    """The column of a role by its name, or None.

    Raises:
        DataError: two columns could be meant.
    """
    for name in KNOWN_NAMES[role]:
        columns = names_of.get(name, ())
        if role == "timestamp" and name in _SPLIT_TIMES and all(part in names_of for part in _SPLIT_TIMES):
            columns = [names_of[part][0] for part in _SPLIT_TIMES]
        if len(columns) > 1:
            raise DataError(
                f"{path} has the columns {' and '.join(columns)}, and each could be the {role}; name the right one "
                f"with --column {role}=NAME"
            )
        if columns:
            return columns[0]
    typed = (column for names in names_of.values() for column in names if type_of(column))
    return next((name for name in typed if _normalise(name) in _TYPED_NAMES.get((role, type_of(name)), ())), None)


def _missing_columns(path: Path, header: Sequence[str], missing: Sequence[str]) -> str:
    columns = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
    roles = [role.rpartition(" ")[2] for role in missing]
    hints = [f"name the right ones with --column {roles[0]}=NAME"]
    is_numbered = header == [str(number) for number in range(1, len(header) + 1)]
    if any(_NUMBER.fullmatch(name) for name in header) and not is_numbered:
        flag = "--items-no-header" if "id" in roles else "--no-header"
        hints.append(f"give {flag} if the first row is data (the columns are then called 1, 2, ...)")
    if "timestamp" in roles:
        hints.append("give --file-order if the rows are in time order")
    if "item" in roles and any(_normalise(name) == "id" for name in header):
        hints.insert(0, "give --column item=id if id is the item and not the number of the row")
    return f"{path} has no column {' and no column '.join(missing)}; its columns are {columns or 'none'}: " + (
        ", or ".join(hints)
    )


def _normalise(name: str) -> str:
    """A name as in `KNOWN_NAMES`; `user_id:token`, as RecBole writes it, is `userid`."""
    return re.sub(r"[^a-z0-9]", "", name.partition(":")[0].casefold())
