"""The role of each column: recognised by the names of public datasets and tools, or given by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, UsageError, did_you_mean

_ITEM_ID_NAMES = (
    *("item", "itemid", "iid", "parentasin", "asin", "productid", "movieid", "bookid", "businessid", "gmapid"),
    *("trackid", "songid", "artistid", "articleid", "newsid", "sku", "id"),
)

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "visitorid", "memberid", "sessionid"),
    "item": _ITEM_ID_NAMES,
    "timestamp": (
        *("timestamp", "time", "unixreviewtime", "unixtime", "ts", "datetime", "date", "eventtime", "createdat"),
        "reviewtime",
    ),
    "rating": ("rating", "overall", "stars", "score"),
    "id": _ITEM_ID_NAMES,
    "title": ("title", "name", "itemname", "productname", "producttitle", "movietitle", "booktitle"),
    "description": ("description", "desc", "overview", "summary", "abstract"),
    "brand": ("brand", "manufacturer", "store", "publisher"),
    "categories": ("categories", "category", "categorypath", "genres", "genre"),
}
"""Role -> known column names, in lower case letters and digits only; where a file has several, the first counts.

`item` is a column of the interactions, `id` a column of the items.
"""

INTERACTION_ROLES = ("user", "item", "timestamp", "rating")
ITEM_ROLES = ("id", "title", "description", "brand", "categories")
_CATEGORY_LEVEL = re.compile(r"category([0-9]+)")


@dataclass(frozen=True)
class ColumnNames:
    """The columns of a file that are read.

    Attributes:
        by_role: role -> name in the file.
        category_levels: names of `category_1`, `category_2`, ... in this order; empty where one column holds the whole
            path.
    """

    by_role: Mapping[str, str]
    category_levels: tuple[str, ...] = ()


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
        DataError: a required column is missing, or one that the user names.
    """
    header_names = {_normalise(name): name for name in reversed(header)}
    by_role: dict[str, str] = {}
    missing = []
    for role in roles:
        known = next((header_names[name] for name in KNOWN_NAMES[role] if name in header_names), None)
        name = overrides.get(role, known)
        if name is not None and name not in header:
            missing.append(f"'{name}' for {role}")
        elif name is not None:
            by_role[role] = name
        elif role in required:
            missing.append(role)
    if missing:
        columns = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}; its columns are {columns or 'none'}: "
            f"name the right ones with --column {missing[0].rpartition(' ')[2]}=NAME"
        )
    levels: tuple[str, ...] = ()
    if "categories" in roles and "categories" not in by_role:
        matches = ((_CATEGORY_LEVEL.fullmatch(key), name) for key, name in header_names.items())
        levels = tuple(name for _, name in sorted((int(match[1]), name) for match, name in matches if match))
    return ColumnNames(by_role, levels)


def _normalise(name: str) -> str:
    """A name as in `KNOWN_NAMES`; `user_id:token`, as RecBole writes it, is `userid`."""
    return re.sub(r"[^a-z0-9]", "", name.partition(":")[0].casefold())
