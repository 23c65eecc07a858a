"""Slices of held-out users: by how long their history is, and by what their target is (docs/semantics.md, Slices).

One definition for all that asks on whom a model is right: the audit of data, `mrbench compare --by`, tables and pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int
from ..core.dataset import Dataset, Split
from ..errors import UsageError
from ..io.schema import require_choice
from .category_tree import split_names

HISTORY_ENDS = (4, 9, 19)
"""The longest history of each group by length; the last group has no end."""

LARGEST_CATEGORIES = 8
"""The categories with the most targets that get a group of their own."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Held-out users in groups.

    Attributes:
        by: a key of `SLICES`.
        users: user ids, rising. Shape: (W,)
        groups: the names of the groups; one may have no users.
        group_of: the group of each user, an index into `groups`. Shape: (W,)
    """

    by: str
    users: Int
    groups: tuple[str, ...]
    group_of: Int

    def members(self, users: Int) -> list[tuple[str, NDArray[np.bool_]]]:
        """Each group that some of these users are in, and which of them are. Shape of each: (U,)

        Args:
            users: user ids, all of them held out. Shape: (U,)
        """
        group = self.group_of[np.searchsorted(self.users, users)]
        masks = [(name, group == number) for number, name in enumerate(self.groups)]
        return [(name, mask) for name, mask in masks if mask.any()]


def slice_users(dataset: Dataset, by: str, split: Split = "test") -> Slices:
    """Group the users that have a target.

    Args:
        dataset: with its split.
        by: a key of `SLICES`.
        split: whose targets.

    Raises:
        UsageError: there is no such slice, or the data has no categories.
        DataError: the file of texts, which has the names of categories, is broken.
    """
    require_choice(by, SLICES, "slice", "--by")
    positions = dataset.split.valid if split == "valid" else dataset.split.test
    groups, group_of = SLICES[by](dataset, positions)
    users = dataset.users[dataset.user_of[positions]]
    order = np.argsort(users, kind="stable")
    return Slices(by, users[order], groups, group_of[order])


def is_seen_transition(dataset: Dataset, positions: Int) -> NDArray[np.bool_]:
    """Whether an interaction's item follows the item before it somewhere in the training parts. Shape: (W,) -> (W,)

    Args:
        dataset: with its split.
        positions: of interactions that are not the first of their user.
    """
    first, second = dataset.train_pairs()
    n = dataset.n_items
    return np.isin(dataset.items[positions - 1] * n + dataset.items[positions], first * n + second)


def is_cold(dataset: Dataset, positions: Int) -> NDArray[np.bool_]:
    """Whether an interaction's item has no interaction in the training parts. Shape: (W,) -> (W,)"""
    return np.asarray(dataset.train_counts()[dataset.items[positions]] == 0)


def _by_history(dataset: Dataset, positions: Int) -> tuple[tuple[str, ...], Int]:
    """How many interactions a user has before the target, however many of them a model sees."""
    lengths = positions - dataset.offsets[dataset.user_of[positions]]
    starts = (1, *(end + 1 for end in HISTORY_ENDS))
    names = [f"{start} to {end} items" for start, end in zip(starts, HISTORY_ENDS, strict=False)]
    return (*names, f"{starts[-1]} items or more"), np.searchsorted(HISTORY_ENDS, lengths)


def _by_popularity(dataset: Dataset, positions: Int) -> tuple[tuple[str, ...], Int]:
    """Thirds of the training interactions, the most popular items first; items of one count stay together."""
    counts = dataset.train_counts()
    values, inverse = np.unique(counts, return_inverse=True)
    mass = np.bincount(inverse, weights=counts).astype(np.int64)
    above = mass.sum() - np.cumsum(mass)  # interactions with items of higher counts
    third = np.where(values > 0, np.minimum(3 * above // max(int(mass.sum()), 1), 2), 3)
    names = []
    for number, name in enumerate(("most popular third", "middle third", "least popular third")):
        of_third = values[third == number]
        span = f"{of_third.min():,} to {of_third.max():,}" if len(of_third) else "none"
        names.append(f"{name} ({span} interactions)")
    return (*names, "not in training"), third[inverse][dataset.items[positions]]


def _by_category(dataset: Dataset, positions: Int) -> tuple[tuple[str, ...], Int]:
    """The target's first category level; beyond the largest categories, all others together."""
    if dataset.categories is None:
        raise UsageError(f"{dataset.name} has no categories; choose another slice: {', '.join(SLICES)}")
    codes = dataset.categories[:, 0]
    targets = codes[dataset.items[positions]]
    largest = [code for code, _ in sorted(Counter(targets.tolist()).items(), key=lambda entry: (-entry[1], entry[0]))]
    shown = largest if len(largest) <= LARGEST_CATEGORIES + 1 else largest[:LARGEST_CATEGORIES]
    number = {code: index for index, code in enumerate(shown)}
    group_of = np.array([number.get(code, len(shown)) for code in targets.tolist()], dtype=np.int64)
    names = [_category_name(dataset, code) for code in shown]
    return (*names, *([] if len(shown) == len(largest) else ["all other categories"])), group_of


def _category_name(dataset: Dataset, code: int) -> str:
    """The commonest name of a category in the texts of its items."""
    if dataset.texts is None:
        return f"category {code}"
    assert dataset.categories is not None
    paths = (split_names(dataset.texts.categories[item]) for item in np.flatnonzero(dataset.categories[:, 0] == code))
    names = Counter(path[1] for path in paths if len(path) > 1)
    return names.most_common(1)[0][0] if names else "no category"


def _by_transition(dataset: Dataset, positions: Int) -> tuple[tuple[str, ...], Int]:
    """Whether the target follows the last item of the history somewhere in training."""
    return ("seen transition", "unseen transition"), (~is_seen_transition(dataset, positions)).astype(np.int64)


def _by_training(dataset: Dataset, positions: Int) -> tuple[tuple[str, ...], Int]:
    """Whether the target has any interaction in training."""
    return ("in training", "cold"), is_cold(dataset, positions).astype(np.int64)


SLICES: dict[str, Callable[[Dataset, Int], tuple[tuple[str, ...], Int]]] = {
    "history": _by_history,
    "popularity": _by_popularity,
    "category": _by_category,
    "transition": _by_transition,
    "cold": _by_training,
}
"""What users can be grouped by -> the names of the groups, and the group of each target's position."""
