"""Which column is what: by the names that public data sets and tools use, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, UsageError, did_you_mean

_ITEM = (
    *("item", "itemid", "iid", "parentasin", "asin", "productid", "movieid", "bookid", "businessid", "gmapid"),
    *("trackid", "songid", "artistid", "articleid", "newsid", "sku", "id"),
)

USUAL: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "visitorid", "memberid", "sessionid"),
    "item": _ITEM,
    "timestamp": (
        *("timestamp", "time", "unixreviewtime", "unixtime", "ts", "datetime", "date", "eventtime", "createdat"),
        "reviewtime",
    ),
    "rating": ("rating", "overall", "stars", "score"),
    "id": _ITEM,
    "title": ("title", "name", "itemname", "productname", "producttitle", "movietitle", "booktitle"),
    "description": ("description", "desc", "overview", "summary", "abstract"),
    "brand": ("brand", "manufacturer", "store", "publisher"),
    "categories": ("categories", "category", "categorypath", "genres", "genre"),
}
"""Usual names of each role, small letters and digits only; where a file has several, the first here counts.

`item` is about the file of interactions, `id` about the file of items.
"""

INTERACTION_ROLES = ("user", "item", "timestamp", "rating")
ITEM_ROLES = ("id", "title", "description", "brand", "categories")
_LEVEL = re.compile(r"category([0-9]+)")


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        names: role -> name in the file.
        levels: names of `category_1`, `category_2`, ... in this order; empty where one column holds the whole path.
    """

    names: Mapping[str, str]
    levels: tuple[str, ...] = ()


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """Read `role=name` pairs of the command line.

    Raises:
        UsageError: no such role, no '=', or a role twice.
    """
    chosen: dict[str, str] = {}
    for pair in given:
        role, equals, name = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--column is '{pair}'; write ROLE=NAME, such as user=reviewerID")
        if role not in USUAL:
            raise UsageError(
                f"--column {pair} gives the unknown role '{role}'{did_you_mean(role, USUAL)}; "
                f"there are {', '.join(USUAL)}"
            )
        if role in chosen:
            raise UsageError(f"--column gives {role} twice; leave one of them")
        chosen[role] = name
    return chosen


def choose(
    path: Path, header: Sequence[str], roles: Sequence[str], needed: Sequence[str], given: Mapping[str, str]
) -> Columns:
    """Find the columns of a file.

    Args:
        path: the file, for messages.
        header: its column names.
        roles: what to look for.
        needed: the roles without which it can't be read.
        given: role -> name, as the user says; the rest is found by usual names.

    Raises:
        DataError: a needed column is missing, or one that the user names.
    """
    plain = {_plain(name): name for name in reversed(header)}
    names: dict[str, str] = {}
    missing = []
    for role in roles:
        usual = next((plain[name] for name in USUAL[role] if name in plain), None)
        name = given.get(role, usual)
        if name is not None and name not in header:
            missing.append(f"'{name}' for {role}")
        elif name is not None:
            names[role] = name
        elif role in needed:
            missing.append(role)
    if missing:
        seen = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}; its columns are {seen or 'none'}: "
            f"name the right ones with --column {missing[0].rpartition(' ')[2]}=NAME"
        )
    numbered = sorted((int(match[1]), name) for key, name in plain.items() if (match := _LEVEL.fullmatch(key)))
    levels = tuple(name for _, name in numbered) if "categories" in roles and "categories" not in names else ()
    return Columns(names, levels)


def _plain(name: str) -> str:
    """A name as `USUAL` has it; `user_id:token`, as RecBole writes it, is `userid`."""
    return re.sub(r"[^a-z0-9]", "", name.partition(":")[0].casefold())
