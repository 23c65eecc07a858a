"""What items are called, as lines of text, and the few words of a line that say most."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mindrec_bench.core.dataset import ItemTexts

_WORD = re.compile(r"[^\W\d_]{2,}")
"""Letters of any script; one letter alone says little."""

NAMELESS = "item"
"""The text of an item without any."""


def lines(texts: ItemTexts) -> list[str]:
    """All that is known of each item in one line, the title first. Length N"""
    fields = zip(texts.title, texts.brand, _path(texts), texts.description, strict=True)
    return [". ".join(filter(None, parts)) or NAMELESS for parts in fields]


def _path(texts: ItemTexts) -> Iterator[str]:
    """The category names, spaced."""
    return (", ".join(filter(None, path.split(","))) for path in texts.categories)


def keywords(texts: ItemTexts, count: int) -> list[str]:
    """The `count` words of each item's title that say most, the most common of these first. Length N

    A title's words are weighted by TF-IDF over all titles. Words that no other title has are left out where there are
    others: a tag groups items. An item without a title is described by its description, else by its categories.
    """
    named = [_words(*parts) for parts in zip(texts.title, texts.description, _path(texts), strict=True)]
    items_with = Counter(word for words in named for word in set(words))
    return [" ".join(_salient(words, items_with, len(named), count)) or NAMELESS for words in named]


def _words(*fields: str) -> Sequence[str]:
    """The words of the first field that has any, in lower case."""
    return next(filter(None, (_WORD.findall(field.lower()) for field in fields)), [])


def _salient(words: Sequence[str], items_with: Counter[str], n_items: int, count: int) -> list[str]:
    shared = [word for word in words if items_with[word] > 1] or words
    weight = {word: times * math.log(n_items / items_with[word]) for word, times in Counter(shared).items()}
    most = sorted(weight, key=lambda word: (-weight[word], word))[:count]
    return sorted(most, key=lambda word: (-items_with[word], word))
