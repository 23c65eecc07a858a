"""The category tree: from category strings to category codes (docs/semantics.md, Category tree; paper section 3.2.2).

A string such as `Arts, Crafts & Sewing,Sewing,Thread` is a path from a root. Roots are dropped; any other name is one
node of the tree, wherever it occurs. The codes of a node are those of its parent and its number among its siblings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from ..core.code_space import Int

_SEPARATOR = re.compile(r"(?<!\s),(?!\s)")

NodeCodes = tuple[int, ...]
"""The codes on the path to a node, one per level; empty for a root."""


def split_names(text: str) -> list[str]:
    """The names in a category string, from the root on, without empty and repeated ones.

    The separator is a comma without white space on either side, since names contain ", ".
    """
    names = (part.strip() for part in _SEPARATOR.split(text))
    return list(dict.fromkeys(name for name in names if name))


def shared_names(paths: Iterable[Sequence[str]]) -> dict[str, tuple[str, str]]:
    """The names below several parents, of which the first counts -> that one and the second."""
    parents: dict[str, str] = {}
    shared: dict[str, tuple[str, str]] = {}
    for names in paths:
        for parent, name in pairwise(names):
            if parents.setdefault(name, parent) != parent:
                shared.setdefault(name, (parents[name], parent))
    return shared


def build_tree(paths: Iterable[Sequence[str]]) -> dict[str, NodeCodes]:
    """The codes of every name, from the names of all items in file order.

    The first path with a name fixes its parent and its number. A root has no codes, so the children of all roots are
    numbered together; a path that starts with a name known as a node continues below that node.
    """
    tree: dict[str, NodeCodes] = {}
    n_children: Counter[NodeCodes] = Counter()
    for names in paths:
        for parent, name in zip(("", *names), names, strict=False):
            if name in tree:
                continue
            if not parent:
                tree[name] = ()
                continue
            parent_codes = tree[parent]
            tree[name] = (*parent_codes, n_children[parent_codes])
            n_children[parent_codes] += 1
    return tree


def category_codes(texts: Mapping[str, str], items: Sequence[str], levels: int) -> tuple[Int, int]:
    """Category codes of items.

    Args:
        texts: category string of each item, in file order; the order determines the tree.
        items: ids of the items, in the order of the result. N of them.
        levels: L, codes per item.

    Returns:
        Code numbers, shape (N, L), and how many of the items have no category (a root alone is none).
    """
    paths = {text: split_names(text) for text in dict.fromkeys(texts.values())}
    tree = build_tree(paths.values())
    n_children = Counter(codes[:-1] for codes in tree.values() if codes)
    codes_of_text = {
        text: _pad(_select([tree[name] for name in names[1:]], levels), n_children, levels)
        for text, names in paths.items()
    }
    placeholder = _pad((), n_children, levels)
    codes = np.array([codes_of_text[texts[item]] if item in texts else placeholder for item in items], dtype=np.int64)
    missing = sum(len(paths[texts[item]]) < 2 if item in texts else 1 for item in items)
    return codes.reshape(len(items), levels), missing


def _select(nodes: Sequence[NodeCodes], levels: int) -> NodeCodes:
    """The first node with exactly `levels` codes, else the (first) deepest one, cut to `levels`."""
    exact = next((codes for codes in nodes if len(codes) == levels), None)
    return exact if exact is not None else max(nodes, key=len, default=())[:levels]


def _pad(codes: NodeCodes, n_children: Counter[NodeCodes], levels: int) -> NodeCodes:
    """Descend through placeholder children, each numbered one past the last real child, to `levels` codes."""
    while len(codes) < levels:
        codes = (*codes, n_children[codes])
    return codes
