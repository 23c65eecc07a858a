"""The task's data as RecBole sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mindrec_baselines.recbole_backend import compat
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset, Histories

from .helpers import SHORT, SLOTS, make_task


def test_recbole_has_our_split_and_the_whole_catalogue(recbole: None, walks: Dataset) -> None:
    with compat.patched_environment():
        data, network = SHORT.new_network(make_task(walks))
        splits = {
            "train": (data.train.dataset, walks.train_examples()),
            "valid": (data.valid.dataset, walks.validation()),
            "test": (data.test.dataset, walks.test()),
        }
        for name, (recbole_split, examples) in splits.items():
            fields, expected = recbole_split.inter_feat.interaction, data.interaction(examples.histories).interaction
            for field in ("user_id", "item_id_list", "item_length"):
                assert torch.equal(fields[field], expected[field]), f"{field} of {name}"
            tokens = data.dataset.id2token("item_id", fields["item_id"])
            assert [int(token) for token in tokens] == examples.targets.tolist(), name
    assert sorted(data.item_numbers.tolist()) == list(range(1, walks.n_items + 1))
    assert network.item_embedding.num_embeddings == walks.n_items + 1


def test_histories_are_left_aligned_and_unknown_users_allowed(fitted: tuple[Task, Path, FitReport]) -> None:
    task, folder, _ = fitted
    model = SHORT.load(task, folder)
    numbers = model.data.item_numbers
    items = np.full((2, 10), -1)
    items[0, -2:] = [5, 7]
    histories = Histories(items, np.array([3, 10**6]))
    arrays = model.data.arrays(histories)
    assert arrays["item_id_list"][0].tolist() == [numbers[5], numbers[7], *[0] * 8]
    assert arrays["item_length"].tolist() == [2, 1]
    assert arrays["user_id"][1] == 0
    assert torch.isfinite(model.begin(histories, SLOTS).log_probs()).all()
