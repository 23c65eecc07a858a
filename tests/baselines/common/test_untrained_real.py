"""`markov` and `pop` on real data: known hit rates of exact rankings, where a hit is the target item itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.common.untrained import UntrainedBackbone
from mindrec_baselines.itemknn import ItemKnn
from mindrec_baselines.markov import Markov
from mindrec_baselines.pop import Pop
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.data.sources import Arts, Games, Instruments, Sports, Toys

SOURCES = {"Arts": Arts(), "Games": Games(), "Instruments": Instruments()}


@cache
def read_dataset(name: str, root: Path) -> Dataset:
    return SOURCES[name].load(root, users=5000)


def hit_rates(data: Dataset, backbone: UntrainedBackbone, *, exclude_history: bool) -> dict[int, float]:
    task = Task(data, data.space(categories=False))
    model = backbone.load(task, Path("unused"))
    test = data.test()
    ranks = []
    for start in range(0, len(test), 500):
        batch = slice(start, start + 500)
        scores, targets = model.begin(test.histories[batch], ()).log_probs().numpy().round(9), test.targets[batch, None]
        if exclude_history:
            seen = seen_items(test.histories[batch], task.space.sid_index)
            user, place = (seen >= 0).nonzero()
            scores[user, seen[user, place]] = -np.inf
        target_scores = np.take_along_axis(scores, targets, axis=1)
        ties = scores == target_scores
        better = (scores > target_scores) | (ties & (np.arange(data.n_items) < targets))
        ranks.append(np.where(np.isfinite(target_scores[:, 0]), better.sum(axis=1), data.n_items))
    all_ranks = np.concatenate(ranks)
    return {k: round(float((all_ranks < k).mean()), 4) for k in (1, 3, 5, 10)}


@pytest.mark.parametrize(
    ("name", "exclude_history", "expected"),
    [
        pytest.param("Arts", False, (0.0304, 0.0420, 0.0458, 0.0560), marks=pytest.mark.slow),
        pytest.param("Arts", True, (0.0352, 0.0440, 0.0484, 0.0582), marks=pytest.mark.slow),
        pytest.param("Games", False, (0.0126, 0.0230, 0.0316, 0.0488), marks=pytest.mark.slow),
        pytest.param("Games", True, (0.0144, 0.0252, 0.0346, 0.0512), marks=pytest.mark.slow),
        ("Instruments", False, (0.0410, 0.0532, 0.0606, 0.0706)),
        ("Instruments", True, (0.0482, 0.0582, 0.0626, 0.0730)),
    ],
)
def test_markov(real_data: Path, name: str, exclude_history: bool, expected: tuple[float, ...]) -> None:
    rates = hit_rates(read_dataset(name, real_data), Markov(), exclude_history=exclude_history)
    assert rates == dict(zip((1, 3, 5, 10), expected, strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Arts", {1: 0.0022, 3: 0.0048, 10: 0.0128}),
        ("Games", {1: 0.0002, 3: 0.0032, 10: 0.0128}),
        ("Instruments", {1: 0.0054, 3: 0.0118, 10: 0.0364}),
    ],
)
def test_pop(real_data: Path, name: str, expected: dict[int, float]) -> None:
    rates = hit_rates(read_dataset(name, real_data), Pop(), exclude_history=False)
    assert {k: rates[k] for k in expected} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "backbone", "expected"),
    [
        (Toys(), Markov(), (0.0623, 0.0844)),
        (Toys(), ItemKnn(), (0.0509, 0.0733)),
        (Sports(), Markov(), (0.0321, 0.0441)),
    ],
    ids=["toys, markov", "toys, itemknn", "sports, markov"],
)
def test_all_users_of_2014(real_data: Path, source, backbone: UntrainedBackbone, expected: tuple[float, float]) -> None:
    """HR@5 and HR@10 with the history left out, as an independent recomputation found them."""
    rates = hit_rates(source.load(real_data, users=None), backbone, exclude_history=True)
    assert (rates[5], rates[10]) == expected
