"""The task's data and split, passed through RecBole's data pipeline as its pre-split ("benchmark") files.

RecBole's own leave-one-out split would train on the validation item of users with three interactions, and would know
only items that occur in its sequences. So the three splits are written as they are, one line per example, and the
catalogue as an item file: every item of the catalogue has an embedding and a score, whether any user has it or not.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Dataset, Examples, Histories
from mindrec_bench.errors import MrbenchError

from . import compat
from .compat import DATASET_NAME

USER, ITEM, SEQUENCE, LENGTH = "user_id", "item_id", "item_id_list", "item_length"
"""RecBole's fields."""

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class RecBoleData:
    """The task's data in RecBole, which numbers users and items from 1 in an order of its own; 0 is the padding.

    Attributes:
        config: RecBole's `Config`, completed by its pipeline.
        train, valid, test: RecBole's data loaders.
        item_numbers: RecBole's number of each catalogue item. Shape: (N,)
        user_ids: in rising order. Shape: (U,)
        user_numbers: RecBole's number of each of these users. Shape: (U,)
    """

    config: Any
    train: Any
    valid: Any
    test: Any
    item_numbers: Int
    user_ids: Int
    user_numbers: Int

    @property
    def dataset(self) -> Any:
        """The dataset from which RecBole's models are built."""
        return self.train.dataset

    def interaction(self, histories: Histories) -> Any:
        """A batch of histories as RecBole's models read them: the oldest item first, padding on the right."""
        import torch
        from recbole.data.interaction import Interaction

        return Interaction({name: torch.from_numpy(array) for name, array in self.arrays(histories).items()})

    def arrays(self, histories: Histories) -> dict[str, Int]:
        """The fields of `interaction`. Shapes: (B,), (B, H) and (B,), int64. An unknown user has number 0."""
        numbers = np.append(self.item_numbers, 0)[histories.items]  # -1, the padding, selects the 0 at the end
        order = np.argsort(numbers == 0, axis=1, kind="stable")
        index = np.searchsorted(self.user_ids, histories.users).clip(max=len(self.user_ids) - 1)
        return {
            USER: np.where(self.user_ids[index] == histories.users, self.user_numbers[index], 0),
            SEQUENCE: np.take_along_axis(numbers, order, axis=1),
            LENGTH: (numbers > 0).sum(axis=1).clip(min=1),  # at least 1, because RecBole reads the last item
        }


def prepare_data(model: str, settings: dict[str, Any], task: Task) -> RecBoleData:
    """Write the task's data for RecBole, have RecBole read it, and remove the files; inside `patched_environment()`.

    Args:
        model: its name in RecBole.
        settings: RecBole's settings.
        task: data, seed and device.

    Raises:
        MrbenchError: the temporary folder can't be written.
    """
    from recbole.data import create_dataset, data_preparation

    settings = {**_data_settings(task.data), **settings}
    with tempfile.TemporaryDirectory(prefix="mrbench-recbole-") as temporary:
        folder = Path(temporary)
        try:
            _write_files(task.data, folder / DATASET_NAME)
        except OSError as error:
            raise MrbenchError(f"can't write RecBole's data to {folder} ({error.strerror}); free some space") from error
        config = compat.make_config(model, settings, folder, device=task.device, seed=task.seed)
        dataset = create_dataset(config)
        train, valid, test = data_preparation(config, dataset)
    for loader in (train, valid, test):
        _pad_sequences(loader.dataset.inter_feat, task.data.history)
    return RecBoleData(
        config=config,
        train=train,
        valid=valid,
        test=test,
        item_numbers=dataset.token2id(ITEM, [str(item) for item in range(task.data.n_items)]),
        user_ids=task.data.users,
        # A user without a training example and without a target is in no file, and has number 0 as unknown users have.
        user_numbers=np.array([dataset.field2token_id[USER].get(str(user), 0) for user in task.data.users]),
    )


def _data_settings(data: Dataset) -> dict[str, Any]:
    """Settings that make RecBole use the written files and splits, and NDCG@10 for validation."""
    return {
        "benchmark_filename": list(SPLITS),
        "load_col": {"inter": [USER, SEQUENCE, ITEM], "item": [ITEM]},
        "alias_of_item_id": [SEQUENCE],
        "USER_ID_FIELD": USER,
        "ITEM_ID_FIELD": ITEM,
        "ITEM_LIST_LENGTH_FIELD": LENGTH,
        "MAX_ITEM_LIST_LENGTH": data.history,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "metrics": ["Hit", "NDCG"],
        "topk": [min(10, data.n_items)],
        "valid_metric": f"NDCG@{min(10, data.n_items)}",
        "eval_batch_size": 512,  # with RecBole's 4096, a batch of scores takes 350 MB on Arts
        "metric_decimal_place": 9,  # with RecBole's 4, equal scores would count as an improvement
    }


def _write_files(data: Dataset, folder: Path) -> None:
    """Write RecBole's "atomic files": typed columns separated by tabs, sequences by spaces."""
    folder.mkdir()
    items = "\n".join(map(str, range(data.n_items)))
    (folder / f"{DATASET_NAME}.item").write_text(f"{ITEM}:token\n{items}\n")
    for split, examples in zip(SPLITS, (data.train_examples(), data.validation(), data.test()), strict=True):
        (folder / f"{DATASET_NAME}.{split}.inter").write_text(_interaction_lines(examples))


def _interaction_lines(examples: Examples) -> str:
    lines = [f"{USER}:token\t{SEQUENCE}:token_seq\t{ITEM}:token"]
    for user, items, target in zip(
        examples.histories.users.tolist(), examples.histories.items.tolist(), examples.targets.tolist(), strict=True
    ):
        lines.append(f"{user}\t{' '.join(str(item) for item in items if item >= 0)}\t{target}")
    return "\n".join(lines) + "\n"


def _pad_sequences(features: Any, length: int) -> None:
    """Pad sequences to the length of a whole history where all are shorter: some models accept only that length."""
    import torch

    sequences = features.interaction[SEQUENCE]
    features.interaction[SEQUENCE] = torch.nn.functional.pad(sequences, (0, length - sequences.shape[1]))
