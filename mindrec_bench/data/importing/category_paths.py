"""Category paths in the many ways files write them, and the one way in which a data folder holds them.

A data folder holds one string an item, names from a root on, with a comma without white space between two of them
(semantics section 1). So a comma inside a name gets a space behind it, and paths that do not share a root get one.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..category_tree import split_names

Names = tuple[str, ...]

_MARKS = (">", "|")
"""What may separate names in a string; else a comma without white space."""

_NAME_COMMA = re.compile(r"\s*,[\s,]*")


def read_list(text: str) -> list[Any] | None:
    """A list written as JSON or as Python shows it; None for other text."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    return None


def read_path(text: str) -> Names | str:
    """The names of a list, of the first list in a list of lists, or, still in one piece, the text itself.

    Raises:
        ValueError: the text is a list of something else, or an object or number.
    """
    found = read_list(text)
    if found is None:
        if text.startswith("{") or re.fullmatch(r"-?[0-9.]+", text):
            raise ValueError(text)
        return text
    if found and isinstance(found[0], list):
        found = found[0]
    if not all(isinstance(name, str) for name in found):
        raise ValueError(text)
    return tuple(name.strip() for name in found)


@dataclass(frozen=True)
class Paths:
    """What `category_strings` gives.

    Attributes:
        texts: the string of each item that has categories.
        root: the name put before all paths; '' where they share one.
        separator: what was between the names of strings; '' where there were none.
        renamed: names whose commas were changed -> as they are written.
    """

    texts: dict[str, str]
    root: str
    separator: str
    renamed: dict[str, str]


def category_strings(given: Mapping[str, Names | str]) -> Paths:
    """Write the paths of all items in the folder's way.

    The separator of strings is `>` or `|` where any string has one, else a comma without white space around it.
    """
    strings = [path for path in given.values() if isinstance(path, str)]
    mark = next((mark for mark in _MARKS if any(mark in text for text in strings)), ",") if strings else ""
    paths = {item: _names(path, mark) for item, path in given.items()}
    written = {name: _written(name) for names in paths.values() for name in names}
    paths = {item: tuple(written[name] for name in names) for item, names in paths.items() if names}
    root = _root(paths.values())
    texts = {item: ",".join([root, *names] if root else names) for item, names in paths.items()}
    return Paths(texts, root, mark, {name: new for name, new in written.items() if name != new})


def _names(path: Names | str, mark: str) -> Names:
    if not isinstance(path, str):
        return tuple(name for name in path if name)
    if mark == ",":
        return tuple(split_names(path))
    return tuple(name for part in path.split(mark) if (name := part.strip()))


def _written(name: str) -> str:
    """A name in which no comma separates."""
    return _NAME_COMMA.sub(", ", name).strip(" ,")


def _root(paths: Iterable[Sequence[str]]) -> str:
    """A root to put before paths that have none in common: the first name of a path is dropped wherever it is read."""
    paths = list(paths)
    if len({names[0] for names in paths}) == 1 and any(len(names) > 1 for names in paths):
        return ""
    taken = {name for names in paths for name in names}
    root = "All"
    while root in taken:
        root += " items"
    return root
