"""Our data and split through RecBole's own data pipeline, as its ready-made ("benchmark") files.

RecBole's own leave-one-out would train on the validation item of users with three interactions and would know only
the items that occur in its sequences. So the three parts are written as they are, one line an example, and the
catalogue as an item file: every item of the catalogue has an embedding and a score, whether anyone has it or not.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import HISTORY, Dataset, Examples, Histories
from mindrec_bench.errors import MrbenchError

from . import compat
from .compat import NAME

USER, ITEM, SEQUENCE, LENGTH = "user_id", "item_id", "item_id_list", "item_length"

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Prepared:
    """RecBole's view of a task. RecBole numbers users and items from 1, in its own order; 0 is padding.

    Attributes:
        config: RecBole's `Config`, completed by its pipeline.
        train, valid, test: RecBole's data loaders.
        items: RecBole's number of each catalogue item. Shape: (N,)
        users: ids of the users in rising order, and RecBole's number of each. Shapes: (U,), (U,)
    """

    config: Any
    train: Any
    valid: Any
    test: Any
    items: Int
    users: tuple[Int, Int]

    @property
    def dataset(self) -> Any:
        """The data set that RecBole's models are built from."""
        return self.train.dataset

    def interaction(self, histories: Histories) -> Any:
        """A batch of histories as RecBole's models read them: the oldest item first, padding behind."""
        import torch
        from recbole.data.interaction import Interaction

        return Interaction({name: torch.from_numpy(array) for name, array in self.arrays(histories).items()})

    def arrays(self, histories: Histories) -> dict[str, Int]:
        """The fields of `interaction`. Shapes: (B,), (B, H) and (B,), int64. An unknown user is number 0."""
        numbers = np.append(self.items, 0)[histories.items]  # -1, no item, finds the 0 at the end
        order = np.argsort(numbers == 0, axis=1, kind="stable")
        ids, own = self.users
        place = np.searchsorted(ids, histories.users).clip(max=len(ids) - 1)
        return {
            USER: np.where(ids[place] == histories.users, own[place], 0),
            SEQUENCE: np.take_along_axis(numbers, order, axis=1),
            LENGTH: (numbers > 0).sum(axis=1).clip(min=1),  # RecBole looks at the last item, so there must be a place
        }


def prepare(model: str, settings: dict[str, Any], task: Task) -> Prepared:
    """Write the task's data for RecBole, have RecBole read it, remove the files; inside `patched_environment()` only.

    Args:
        model: RecBole's name of the model.
        settings: RecBole's parameters.
        task: data, seed and device.

    Raises:
        MrbenchError: the temporary folder can't be written.
    """
    from recbole.data import create_dataset, data_preparation

    with tempfile.TemporaryDirectory(prefix="mrbench-recbole-") as temporary:
        folder = Path(temporary)
        try:
            _write(task.data, folder / NAME)
        except OSError as error:
            raise MrbenchError(f"can't write RecBole's data to {folder} ({error.strerror}); free some space") from error
        config = compat.config(model, {**_pipeline(task.data), **settings}, folder, device=task.device, seed=task.seed)
        dataset = create_dataset(config)
        train, valid, test = data_preparation(config, dataset)
    for loader in (train, valid, test):
        _widen(loader.dataset.inter_feat)
    tokens = [str(item) for item in range(task.data.n_items)]
    users = dataset.token2id(USER, [str(user) for user in task.data.users])
    return Prepared(config, train, valid, test, dataset.token2id(ITEM, tokens), (task.data.users, users))


def _pipeline(data: Dataset) -> dict[str, Any]:
    """The parameters that make RecBole take our files, split and metrics."""
    return {
        "benchmark_filename": list(PARTS),
        "load_col": {"inter": [USER, SEQUENCE, ITEM], "item": [ITEM]},
        "alias_of_item_id": [SEQUENCE],
        "USER_ID_FIELD": USER,
        "ITEM_ID_FIELD": ITEM,
        "ITEM_LIST_LENGTH_FIELD": LENGTH,
        "MAX_ITEM_LIST_LENGTH": HISTORY,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "metrics": ["Hit", "NDCG"],
        "topk": [min(10, data.n_items)],
        "valid_metric": f"NDCG@{min(10, data.n_items)}",
        "eval_batch_size": 512,  # with RecBole's 4096 a batch of scores takes 350 MB on Arts
        "metric_decimal_place": 9,  # with RecBole's 4, equal scores would count as progress
    }


def _write(data: Dataset, folder: Path) -> None:
    """RecBole's atomic files: typed columns, a tab between them, a space inside a sequence."""
    folder.mkdir()
    items = "\n".join(map(str, range(data.n_items)))
    (folder / f"{NAME}.item").write_text(f"{ITEM}:token\n{items}\n")
    for part, examples in zip(PARTS, (data.train_examples(), data.validation(), data.test()), strict=True):
        (folder / f"{NAME}.{part}.inter").write_text(_lines(examples))


def _lines(examples: Examples) -> str:
    lines = [f"{USER}:token\t{SEQUENCE}:token_seq\t{ITEM}:token"]
    for user, items, target in zip(
        examples.histories.users.tolist(), examples.histories.items.tolist(), examples.targets.tolist(), strict=True
    ):
        lines.append(f"{user}\t{' '.join(str(item) for item in items if item >= 0)}\t{target}")
    return "\n".join(lines) + "\n"


def _widen(fields: Any) -> None:
    """Pad sequences to the full length where all are shorter: some of RecBole's models take one width only."""
    import torch

    sequences = fields.interaction[SEQUENCE]
    fields.interaction[SEQUENCE] = torch.nn.functional.pad(sequences, (0, HISTORY - sequences.shape[1]))
