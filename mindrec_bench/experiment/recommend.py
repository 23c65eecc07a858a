"""Recommend items for histories with the fitted model of a stored run (`mrbench recommend`).

The users may be those of the data or others: a history is a list of items, and nothing of the user is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..core.code_space import Int
from ..core.dataset import Examples, Histories
from ..data.item_names import ItemNames
from ..errors import UsageError
from ..store.runs import Run
from .batch_decoder import Meter
from .config import ExecutionOptions
from .context import RunContext
from .fitted_run import set_up_again
from .result_items import result_items

MAX_RESULTS = 1000
"""The most items for one history."""


@dataclass(frozen=True)
class RecommendedItem:
    """One recommendation.

    Attributes:
        rank: from 1.
        item: the item's own id.
        title: its title, else its category path, else ''.
        score: the log score of the decoder.
        shared_with: own ids of other items with the same semantic ID, between which the model does not tell apart.
    """

    rank: int
    item: str
    title: str
    score: float
    shared_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recommendations:
    """The recommendations for one history.

    Attributes:
        user: the user's own id, or what a file calls the history; '' where it has no name.
        history: own ids of the items that the model has seen, the latest last.
        items: best first; fewer than asked for where the decoder found no more.
    """

    user: str
    history: tuple[str, ...]
    items: tuple[RecommendedItem, ...]


@dataclass(frozen=True, eq=False)
class Recommender:
    """A run's model and decoder, ready for histories.

    Attributes:
        run: the run.
        context: the run in this process.
        names: own ids and titles.
    """

    run: Run
    context: RunContext
    names: ItemNames

    @classmethod
    def load(cls, run: Run, options: ExecutionOptions | None = None) -> Recommender:
        """Load the fitted model of a run from its run store.

        Args:
            run: the run.
            options: device, data folders and batch size; the run store is that of the run.

        Raises:
            UsageError: the run has no model, or needs the true categories.
            DataError: its data, its plugins or its fitted model are missing or have changed.
        """
        if run.spec.categories == "given":
            raise UsageError(
                f"run {run.id} is given the true categories of the next item, which nobody knows here; use a run with "
                "--categories generate"
            )
        context = set_up_again(run, options)
        return cls(run, context, ItemNames(context.dataset))

    def history_of(self, user: str) -> list[int]:
        """All items of a user of the data, the held-out ones included.

        Raises:
            UsageError: there is no such user.
        """
        dataset, row = self.context.dataset, self.names.find_user(user)
        return dataset.items[dataset.offsets[row] : dataset.offsets[row + 1]].tolist()

    def recommend(
        self, histories: Sequence[Sequence[int]], k: int, *, users: Sequence[str] | None = None, known: bool = False
    ) -> Iterator[Recommendations]:
        """Recommend items for histories, a batch at a time.

        Args:
            histories: item indices of each history, the latest last; the latest ones count (`--history`).
            k: how many items.
            users: the name of each history, or None.
            known: the names are own ids of users of the data.

        Raises:
            UsageError: k is out of range, or a history is empty.
            MrbenchError: decoding failed.
        """
        if not 1 <= k <= MAX_RESULTS:
            raise UsageError(f"--k is {k}; it must be from 1 to {MAX_RESULTS}")
        names = list(users) if users is not None else [""] * len(histories)
        for name, history in zip(names, histories, strict=True):
            if not history:
                raise UsageError(f"the history{f' of {name}' if name else ''} is empty; name at least one item")
        context = self.context
        beam = max(k, context.spec.beam)
        weights_id = context.model_folder.weights_id() if context.backbone.sizes else ""
        decoder = context.batch_decoder(context.load_model(weights_id), beam=beam)
        all_users = context.dataset.users
        # Others have numbers that no user of the data has: a model with an embedding for each user knows none for them.
        user_ids = int(all_users.max()) + 1 + np.arange(len(histories))
        if known:
            user_ids = all_users[[self.names.find_user(name) for name in names]]
        for start in range(0, len(histories), decoder.batch_size):
            rows = slice(start, start + decoder.batch_size)
            batch = self._examples(histories[rows], user_ids[rows])
            tables = [table for table, _ in decoder.decode_batches(batch, Meter())]
            yield from self._read(pa.concat_tables(tables), batch.histories, names[rows], k)

    def _examples(self, histories: Sequence[Sequence[int]], user_ids: Int) -> Examples:
        """Histories as the model reads them. There are no targets."""
        length = self.context.dataset.history
        items = np.full((len(histories), length), -1, dtype=np.int64)
        for row, history in enumerate(histories):
            latest = history[-length:]
            items[row, length - len(latest) :] = latest
        return Examples(Histories(items, user_ids), np.zeros(len(histories), dtype=np.int64))

    def _read(self, table: pa.Table, seen: Histories, users: Sequence[str], k: int) -> Iterator[Recommendations]:
        results = result_items(table, self.run.summary.slots, self.context.dataset)
        owners, scores = table["user"].to_numpy(), table["score"].to_pylist()
        for row, user in enumerate(users):
            recommended: list[RecommendedItem] = []
            before: set[int] = set()
            for position in np.flatnonzero(owners == seen.users[row]).tolist():
                item = int(results[position])
                # Codes that no item has are no recommendation, and a search may reach an item twice.
                if item < 0 or item in before or len(recommended) == k:
                    continue
                before.add(item)
                sharing = self.names.sharing(item)
                recommended.append(
                    RecommendedItem(
                        rank=len(recommended) + 1,
                        item=self.names.ids[item],
                        title=self.names.titles[item],
                        score=scores[position],
                        shared_with=tuple(self.names.ids[other] for other in sharing),
                    )
                )
            history = tuple(self.names.ids[item] for item in seen.items[row].tolist() if item >= 0)
            yield Recommendations(user, history, tuple(recommended))


def recommend(
    run: Run,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    k: int = 10,
    options: ExecutionOptions | None = None,
) -> Recommendations:
    """Recommend items for one user of the data, or for one history, with the fitted model of a run.

    Args:
        run: the run.
        user: own id of a user of the data; all of the user's items are the history.
        history: own ids of items, the latest last, instead of a user.
        k: how many items.
        options: device and data folders.

    Raises:
        UsageError: unknown ids, or not exactly one of `user` and `history`.
        DataError: the run's data or fitted model is missing or has changed.
    """
    if (user is None) == (history is None):
        raise UsageError("give either a user or a history")
    recommender = Recommender.load(run, options)
    if user is not None:
        items = recommender.history_of(user)
    else:
        items = recommender.names.find_items(history or (), "the history")
    return next(recommender.recommend([items], k, users=[user or ""], known=user is not None))
