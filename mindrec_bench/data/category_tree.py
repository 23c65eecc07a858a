"""The category tree: from category strings to category codes (semantics: category tree; paper section 3.2.2).

A string such as `Arts, Crafts & Sewing,Sewing,Thread` is a path from a root. Roots are dropped; every other name is one
node of the tree, wherever it stands, and a node's code sequence is its parent's plus its own number among its siblings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..core.code_space import Int

_SEPARATOR = re.compile(r"(?<!\s),(?!\s)")

Code = tuple[int, ...]


def split_names(text: str) -> list[str]:
    """The names of a category string, the root first, without empty and repeated ones.

    The separator is a comma with no white space on either side, since names contain ", ".
    """
    names = (part.strip() for part in _SEPARATOR.split(text))
    return list(dict.fromkeys(name for name in names if name))


def build_tree(paths: Iterable[Sequence[str]]) -> dict[str, Code]:
    """The code sequence of every name, from the names of all items in file order.

    The first path that shows a name fixes its parent and its number. A root's sequence is empty, so the children of all
    roots are numbered together; a path that starts with a name known as a node continues below that node.
    """
    codes: dict[str, Code] = {}
    children: Counter[Code] = Counter()
    for names in paths:
        for parent, name in zip(("", *names), names, strict=False):
            if name in codes:
                continue
            if not parent:
                codes[name] = ()
                continue
            above = codes[parent]
            codes[name] = (*above, children[above])
            children[above] += 1
    return codes


def category_codes(texts: Mapping[str, str], items: Sequence[str], levels: int) -> tuple[Int, int]:
    """Category codes of the items asked for.

    Args:
        texts: category string of each item, in file order; the order fixes the tree.
        items: the item ids to answer, in this order. N of them.
        levels: L, how many codes an item gets.

    Returns:
        Code numbers, shape (N, L), and how many of the items have no category (a root alone is none).
    """
    paths = {text: split_names(text) for text in dict.fromkeys(texts.values())}
    tree = build_tree(paths.values())
    real_children = Counter(code[:-1] for code in tree.values() if code)
    coded = {
        text: _pad(_choose([tree[name] for name in names[1:]], levels), real_children, levels)
        for text, names in paths.items()
    }
    none = _pad((), real_children, levels)
    codes = np.array([coded[texts[item]] if item in texts else none for item in items], dtype=np.int64)
    without = sum(len(paths[texts[item]]) < 2 if item in texts else 1 for item in items)
    return codes.reshape(len(items), levels), without


def _choose(sequences: Sequence[Code], levels: int) -> Code:
    """The first sequence of exactly `levels` codes, else the (first) longest, cut to `levels`."""
    exact = next((sequence for sequence in sequences if len(sequence) == levels), None)
    return exact if exact is not None else max(sequences, key=len, default=())[:levels]


def _pad(code: Code, real_children: Counter[Code], levels: int) -> Code:
    """Go down by placeholder children, each numbered one past the last real child, to `levels` codes."""
    while len(code) < levels:
        code = (*code, real_children[code])
    return code
