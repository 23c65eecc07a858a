"""Item texts as single lines, and the keywords of each item."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mindrec_bench.core.dataset import ItemTexts

_WORD = re.compile(r"[^\W\d_]{2,}")
"""Two or more letters of any script."""

PLACEHOLDER = "item"
"""The text of an item that has none."""


def text_lines(texts: ItemTexts) -> list[str]:
    """All text of each item in one line: title, brand, categories, description. Length N"""
    fields = zip(texts.title, texts.brand, _category_names(texts), texts.description, strict=True)
    return [". ".join(filter(None, parts)) or PLACEHOLDER for parts in fields]


def _category_names(texts: ItemTexts) -> Iterator[str]:
    """The category names of each item, separated by ", "."""
    return (", ".join(filter(None, path.split(","))) for path in texts.categories)


def keywords(texts: ItemTexts, count: int) -> list[str]:
    """The `count` words with the largest TF-IDF weight of each item's title, the most common of them first. Length N

    A word that no other title has is left out where the title has others, so that keywords group items. The keywords of
    an item without a title come from its description, else from its categories.
    """
    items = zip(texts.title, texts.description, _category_names(texts), strict=True)
    words_by_item = [_first_words(*fields) for fields in items]
    item_counts = Counter(word for words in words_by_item for word in set(words))
    n_items = len(words_by_item)
    return [" ".join(_top_words(words, item_counts, n_items, count)) or PLACEHOLDER for words in words_by_item]


def _first_words(*fields: str) -> Sequence[str]:
    """The lower-case words of the first field that has any."""
    return next(filter(None, (_WORD.findall(field.lower()) for field in fields)), [])


def _top_words(words: Sequence[str], item_counts: Counter[str], n_items: int, count: int) -> list[str]:
    shared = [word for word in words if item_counts[word] > 1] or words
    weights = {word: times * math.log(n_items / item_counts[word]) for word, times in Counter(shared).items()}
    top = sorted(weights, key=lambda word: (-weights[word], word))[:count]
    return sorted(top, key=lambda word: (-item_counts[word], word))
