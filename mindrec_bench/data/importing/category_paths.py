"""Category paths: parsed from the forms in which files have them, and formatted as a data folder holds them.

A data folder holds one string per item: names from a root on, separated by commas without white space around them
(docs/semantics.md, Category tree). So a comma inside a name gets a space after it, and paths without a common root get
one.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..category_tree import shared_names, split_names

Layout = Literal["path", "set", "none"]

CategoryPath = tuple[str, ...]
"""Names, from the root on."""

_SEPARATORS = (">", "|")
"""What may separate the names in a string; else a comma without white space."""

_SET_LEVELS = 2
"""Levels of the tree that is made of sets."""

_MAX_CONFLICTS = 0.1
"""Share of names below a second parent from which on names are a set: in a path a name has one parent."""

_NAME_COMMA = re.compile(r"\s*,[\s,]*")


def parse_list(text: str) -> list[Any] | None:
    """A list written as JSON or as a Python literal; None for other text."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return value
    return None


def parse_path(text: str) -> CategoryPath | str:
    """The names in a list, or in the first list of a list of lists; other text is returned unsplit.

    Raises:
        ValueError: the text is a list of something else, an object or a number.
    """
    names = parse_list(text)
    if names is None:
        if text.startswith("{") or re.fullmatch(r"-?[0-9.]+", text):
            raise ValueError(text)
        return text
    if names and isinstance(names[0], list):
        names = names[0]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(text)
    return tuple(name.strip() for name in names)


@dataclass(frozen=True)
class CategoryStrings:
    """Category paths as a data folder holds them.

    Attributes:
        texts: the string of each item that has categories.
        root: the name put before all paths; '' where they have a common one.
        separator: what separated the names in strings; '' where there were no strings.
        renamed: names whose commas were changed -> their new form.
        layout: what the names of an item are taken for.
        guessed: whether the layout was not said.
        shared: names below several parents, of which the first counts in the tree -> that one and the second.
    """

    texts: dict[str, str]
    root: str
    separator: str
    renamed: dict[str, str]
    layout: Layout = "path"
    guessed: bool = True
    shared: dict[str, tuple[str, str]] = field(default_factory=dict)


def format_paths(
    paths: Mapping[str, CategoryPath | str], layout: Layout | None = None, separator: str | None = None
) -> CategoryStrings:
    """Format the categories of all items.

    The names of an item are a path from coarse to fine, or a set in any order. A set becomes a path of two names: of
    the item's names the one that most items have, and below it the next one.

    Args:
        paths: the names of each item, or the string that holds them.
        layout: what they are; None: a set where many names are below several parents, else a path.
        separator: of the names in strings; None: `>` or `|` where any string contains it, else a comma without white
            space around it.
    """
    guessed, is_given = layout is None, separator is not None
    strings = [path for path in paths.values() if isinstance(path, str)]
    if separator is None and strings:
        separator = next((mark for mark in _SEPARATORS if any(mark in text for text in strings)), ",")
    names_of_item = {item: _split(path, separator or "", is_given) for item, path in paths.items()}
    if layout is None:
        layout = "set" if separator != ">" and _looks_like_sets(names_of_item.values()) else "path"
    formatted = {name: _format_name(name) for names in names_of_item.values() for name in names}
    formatted_paths = {item: [formatted[name] for name in names] for item, names in names_of_item.items() if names}
    if layout == "set":
        formatted_paths = _paths_of_sets(formatted_paths)
    # The names of a set are no root, even if all items have one of them.
    has_root = layout == "path" and _has_root(formatted_paths.values())
    root = "" if has_root else _new_root(formatted_paths.values())
    texts = {item: ",".join([root, *names] if root else names) for item, names in formatted_paths.items()}
    renamed = {name: new for name, new in formatted.items() if name != new}
    shared = shared_names(split_names(text) for text in dict.fromkeys(texts.values()))
    return CategoryStrings(texts, root, (separator or "") if strings else "", renamed, layout, guessed, shared)


def _looks_like_sets(paths: Iterable[Sequence[str]]) -> bool:
    """Whether many names follow several others, or begin one list and follow in another."""
    parents: dict[str, Counter[str]] = {}
    for names in paths:
        for parent, name in zip(("", *names), names, strict=False):
            parents.setdefault(name, Counter())[parent] += 1
    total = sum(counts.total() for counts in parents.values())
    conflicts = sum(counts.total() - max(counts.values()) for counts in parents.values())
    return conflicts > _MAX_CONFLICTS * total


def _paths_of_sets(sets: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A path for each set: its name that most items have, then the next one, written so that it has one parent."""
    counts = Counter(name for names in sets.values() for name in dict.fromkeys(names))
    paths = {}
    for item, names in sets.items():
        first, *rest = sorted(dict.fromkeys(names), key=lambda name: (-counts[name], name))[:_SET_LEVELS]
        paths[item] = [first, *(f"{first} + {name}" for name in rest)]
    return paths


def _split(path: CategoryPath | str, separator: str, is_given: bool) -> CategoryPath:
    if not isinstance(path, str):
        return tuple(name for name in path if name)
    if separator == "," and not is_given:
        return tuple(split_names(path))
    return tuple(name for part in path.split(separator) if (name := part.strip()))


def _format_name(name: str) -> str:
    """A name in which no comma acts as a separator."""
    return _NAME_COMMA.sub(", ", name).strip(" ,")


def _has_root(paths: Collection[Sequence[str]]) -> bool:
    """Whether all paths begin with one name, which is dropped when they are read."""
    return len({names[0] for names in paths}) == 1 and any(len(names) > 1 for names in paths)


def _new_root(paths: Iterable[Sequence[str]]) -> str:
    """A name that no path has."""
    used = {name for names in paths for name in names}
    root = "All"
    while root in used:
        root += " items"
    return root
