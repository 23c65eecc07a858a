"""`markov`, `itemknn` and `pop` on real data: known hit rates of exact rankings.

A hit is the target item itself, and where all users are read an item with its semantic ID.
"""

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
from mindrec_bench.data.sources import Arts, Beauty, Games, Instruments, Sports, Toys

SOURCES = {"Arts": Arts(), "Games": Games(), "Instruments": Instruments()}


@cache
def read_dataset(name: str, root: Path) -> Dataset:
    return SOURCES[name].load(root, users=5000)


def hit_rates(
    data: Dataset, backbone: UntrainedBackbone, *, exclude_history: bool, by_sid: bool = False
) -> dict[int, float]:
    task = Task(data, data.space(categories=False))
    model = backbone.load(task, Path("unused"))
    test = data.test()
    sids = np.unique(data.sids, axis=0, return_inverse=True)[1].reshape(-1)
    ranks = []
    for start in range(0, len(test), 500):
        batch = slice(start, start + 500)
        scores, targets = model.begin(test.histories[batch], ()).log_probs().numpy().round(9), test.targets[batch]
        if exclude_history:
            seen = seen_items(test.histories[batch], task.space.sid_index)
            user, place = (seen >= 0).nonzero()
            scores[user, seen[user, place]] = -np.inf
        if by_sid:  # the first item of the target's SID in the ranking
            targets = np.where(sids == sids[targets, None], scores, -np.inf).argmax(axis=1)
        target_scores = np.take_along_axis(scores, targets[:, None], axis=1)
        ties = scores == target_scores
        better = (scores > target_scores) | (ties & (np.arange(data.n_items) < targets[:, None]))
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
        pytest.param("Instruments", False, (0.0410, 0.0532, 0.0606, 0.0706), marks=pytest.mark.slow),
        ("Instruments", True, (0.0482, 0.0582, 0.0626, 0.0730)),
    ],
)
def test_markov(real_data: Path, name: str, exclude_history: bool, expected: tuple[float, ...]) -> None:
    rates = hit_rates(read_dataset(name, real_data), Markov(), exclude_history=exclude_history)
    assert rates == dict(zip((1, 3, 5, 10), expected, strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Arts", {1: 0.0022, 3: 0.0048, 10: 0.0128}, marks=pytest.mark.slow),
        pytest.param("Games", {1: 0.0002, 3: 0.0032, 10: 0.0128}, marks=pytest.mark.slow),
        ("Instruments", {1: 0.0054, 3: 0.0118, 10: 0.0364}),
    ],
)
def test_pop(real_data: Path, name: str, expected: dict[int, float]) -> None:
    rates = hit_rates(read_dataset(name, real_data), Pop(), exclude_history=False)
    assert {k: rates[k] for k in expected} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "backbone", "published"),
    [
        (Beauty(), Markov(), {5: 0.0517, 10: 0.0723}),
        (Beauty(), ItemKnn(), {5: 0.0436, 10: 0.0634}),
        (Sports(), Markov(), {5: 0.0321, 10: 0.0441}),
        (Sports(), ItemKnn(), {5: 0.0322, 10: 0.0473}),
        (Toys(), Markov(), {5: 0.0623, 10: 0.0844}),
        (Toys(), ItemKnn(), {5: 0.0509, 10: 0.0733}),
        (Instruments(), Markov(), {1: 0.0679, 5: 0.0924, 10: 0.1084}),
        (Instruments(), ItemKnn(), {1: 0.0744, 5: 0.1034, 10: 0.1199}),
        (Arts(), Markov(), {1: 0.0642, 5: 0.0926, 10: 0.1098}),
        (Arts(), ItemKnn(), {1: 0.0694, 5: 0.1063, 10: 0.1294}),
        (Games(), Markov(), {1: 0.0274, 5: 0.0655, 10: 0.0929}),
        (Games(), ItemKnn(), {1: 0.0297, 5: 0.0715, 10: 0.1017}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else type(value).__name__,
)
def test_all_users(real_data: Path, source, backbone: UntrainedBackbone, published: dict[int, float]) -> None:
    """As another program read them, which left out the items of the history and not others with their semantic ID."""
    rates = hit_rates(source.load(real_data, users=None), backbone, exclude_history=True, by_sid=True)
    assert {k: rates[k] for k in published} == pytest.approx(published, abs=2.1e-4)
