"""What revealed codes mean: the category that they name, and the items that are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.code_space import MASK, CodeSpace, Int
from ..core.dataset import Dataset
from ..data.category_tree import split_names
from ..data.item_names import ItemNames

_N_CATEGORIES, _N_ITEMS = 2, 2


@dataclass(frozen=True)
class Meaning:
    """The catalogue's items that fit what is revealed.

    Attributes:
        category: the name that the codes of a category slot stand for; '' for other slots and unnamed categories.
        items_left: how many items fit.
        categories: their most common category names, with how many of them each has.
        examples: the names of those with most training interactions.
    """

    category: str
    items_left: int
    categories: tuple[tuple[str, int], ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CodeMeanings:
    """Looks up what codes mean.

    Attributes:
        dataset: has the names.
        space: the slots.
        slots: those of the canvas.
        id_name: what an item's ID is called: `SID`, or `ID` where the model names items in codes of its own.
    """

    dataset: Dataset
    space: CodeSpace
    slots: tuple[int, ...]
    id_name: str = "SID"

    @cached_property
    def _names(self) -> ItemNames:
        return ItemNames(self.dataset)

    @cached_property
    def _train_counts(self) -> Int:
        return self.dataset.train_counts()

    @cached_property
    def _canvas_codes(self) -> Int:
        """Codes of each item on the canvas. Shape: (N, T)"""
        return self.space.item_codes[:, list(self.slots)]

    @cached_property
    def _category_paths(self) -> list[list[str]]:
        """The names of each item's categories, coarse to fine, without the root."""
        texts = self.dataset.texts
        return [split_names(text)[1:] for text in texts.categories] if texts else [[]] * self.dataset.n_items

    def slot_name(self, slot: int) -> str:
        """A slot of the canvas in words, counted from 1."""
        number = self.slots[slot]
        n_categories = self.space.n_categories
        return f"category {number + 1}" if number < n_categories else f"{self.id_name} {number - n_categories + 1}"

    def number(self, slot: int, code: int) -> int:
        """The number that the data's files have for a code."""
        return int(self.space.numbers[self.slots[slot]][code])

    def item_words(self, item: int) -> str:
        """An item's title or, without one, its categories; '' where the data has neither."""
        texts = self.dataset.texts
        title = texts.title[item] if texts else ""
        return title or " > ".join(self._category_paths[item])

    def meaning(self, codes: Int, slot: int) -> Meaning:
        """What a partly filled sequence means after a slot was revealed.

        Args:
            codes: code indices, `MASK` where nothing is revealed. Shape: (T,)
            slot: of the canvas; revealed last.
        """
        fits = ((self._canvas_codes == codes) | (codes == MASK)).all(axis=1)
        items = np.flatnonzero(fits)
        deepest = Counter(path[-1] for path in (self._category_paths[item] for item in items.tolist()) if path)
        popular = items[np.argsort(-self._train_counts[items], kind="stable")[:_N_ITEMS]].tolist()
        level = self.slots[slot]
        category = self._category(items.tolist(), level) if level < self.space.n_categories else ""
        return Meaning(
            category,
            len(items),
            tuple(deepest.most_common(_N_CATEGORIES)),
            tuple(f"{self._names.ids[item]} {self.item_words(item)}".strip() for item in popular),
        )

    def _category(self, items: Iterable[int], level: int) -> str:
        """The name that most of the items have at this level; a name can stand at several places of the tree."""
        paths = (self._category_paths[item] for item in items)
        names = Counter(path[level] for path in paths if len(path) > level)
        return names.most_common(1)[0][0] if names else ""
