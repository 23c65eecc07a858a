"""Item texts for the `chain` data: titles share words where items share codes."""

from __future__ import annotations

import dataclasses

from mindrec_bench.core.dataset import Dataset, ItemTexts

COLOURS = ("amber", "black", "cobalt", "dun", "ebony", "fawn")
THINGS = ("brush", "canvas", "drawing pad", "easel")


def with_item_texts(data: Dataset) -> Dataset:
    """The same users and items; items 0 and 6, which have the same colour, have the same texts."""
    numbers = [0 if item == 6 else item for item in range(data.n_items)]
    titles = tuple(f"{COLOURS[n % 6]} {THINGS[n // 6 % 4]} no. {n}" for n in numbers)
    blank = ("",) * data.n_items
    texts = ItemTexts(titles, tuple(f"A {title}, as new." for title in titles), blank, blank)
    return dataclasses.replace(data, read_texts=lambda: texts)
