"""What users and items are called in input and output: their own ids, and titles, where the data has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..errors import UsageError, did_you_mean


@dataclass(frozen=True, eq=False)
class ItemNames:
    """The names of the users and items of a dataset.

    Attributes:
        dataset: imported data has the ids of the imported files, other data those of its folder.
    """

    dataset: Dataset

    @cached_property
    def ids(self) -> Sequence[str]:
        """The own id of each item. Length N"""
        external_ids = self.dataset.external_ids
        return external_ids.items if external_ids else self.dataset.item_ids

    @cached_property
    def titles(self) -> Sequence[str]:
        """The title of each item, else its category path, '' where the data has neither. Length N"""
        texts = self.dataset.texts
        if texts is None:
            return ("",) * self.dataset.n_items
        return tuple(title or path for title, path in zip(texts.title, texts.categories, strict=True))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {id_: index for index, id_ in enumerate(self.ids)}

    @cached_property
    def _items_of_sequence(self) -> list[Int]:
        """The items of each distinct SID, rising."""
        index = self.dataset.space(categories=False).sid_index
        order = np.argsort(index.item_sequences, kind="stable")
        bounds = np.searchsorted(index.item_sequences[order], np.arange(1, index.n_sequences))
        return np.split(order, bounds)

    @cached_property
    def _sequence_of_item(self) -> Int:
        return self.dataset.space(categories=False).sid_index.item_sequences

    def sharing(self, item: int) -> list[int]:
        """The other items that have the SID of an item, rising; an item of data without SIDs shares with none."""
        items = self._items_of_sequence[self._sequence_of_item[item]].tolist()
        return [other for other in items if other != item]

    def users(self, users: Int) -> list[str]:
        """The own ids of users. Shape: (B,) -> length B"""
        external_ids = self.dataset.external_ids
        if external_ids is None:
            return [str(user) for user in users.tolist()]
        return [external_ids.users[row] for row in np.searchsorted(self.dataset.users, users).tolist()]

    def find_user(self, id_: str) -> int:
        """The row of a user in the dataset.

        Raises:
            UsageError: there is no such user; the message names the closest id.
        """
        rows = self._user_rows
        if id_ not in rows:
            raise UsageError(
                f"no user '{id_}' in {self.dataset.name}{did_you_mean(id_, rows)}; it has {len(rows):,} users, by "
                f"{self._kind_of_ids}; recommend for others with --history"
            )
        return rows[id_]

    def find_items(self, ids: Iterable[Any], where: str) -> list[int]:
        """The items with these own ids.

        Args:
            ids: texts, or numbers.
            where: they stand, for the message.

        Raises:
            UsageError: one is unknown; the message names the closest id.
        """
        items = []
        for value in ids:
            id_ = str(value)
            if id_ not in self._index:
                raise UsageError(
                    f"no item '{id_}' in {self.dataset.name}{did_you_mean(id_, self._index)}, in {where}; items are "
                    f"named by {self._kind_of_ids}"
                )
            items.append(self._index[id_])
        return items

    @cached_property
    def _user_rows(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.users(self.dataset.users))}

    @property
    def _kind_of_ids(self) -> str:
        return "the ids of the imported files" if self.dataset.external_ids else "the ids of its files"
