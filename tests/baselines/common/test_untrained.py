"""`markov`, `pop` and `oracle` against loops over a small dataset."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.common.untrained import UntrainedBackbone, mix_with_popularity
from mindrec_baselines.markov import Markov
from mindrec_baselines.oracle import Oracle
from mindrec_baselines.pop import Pop
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.dataset import Dataset, Histories
from mindrec_bench.data.simulation.arts_sim import ArtsSim

# Items 5 and 6 occur in no training part, item 7 in no sequence. The last two items of a user are held out.
SEQUENCES = [[0, 1, 2, 0, 1, 3, 5, 6], [2, 0, 1, 4], [1, 1, 1, 2, 3], [4, 6, 5]]
N_ITEMS = 8


@pytest.fixture
def task() -> Task:
    items = np.concatenate([np.array(sequence) for sequence in SEQUENCES])
    numbers = np.arange(N_ITEMS)
    data = Dataset(
        name="hand",
        users=np.arange(len(SEQUENCES)),
        offsets=np.concatenate([[0], np.cumsum([len(sequence) for sequence in SEQUENCES])]),
        items=items,
        item_ids=[str(item) for item in numbers],
        sids=np.stack([numbers // 4, numbers % 4], axis=1),
        categories=None,
        fingerprint="hand",
    )
    return Task(data, data.space(categories=False))


def probabilities(backbone: UntrainedBackbone, task: Task, histories: list[list[int]]) -> np.ndarray:
    """Probabilities of each item after each history. Shape: (B, N)"""
    padded = np.array([[-1] * (HISTORY - len(items)) + items for items in histories])
    model = backbone.load(task, Path("unused"))
    log_probs = model.begin(Histories(padded, np.arange(len(histories))), (0, 1)).log_probs()
    assert str(log_probs.dtype) == "torch.float64"
    return log_probs.exp().numpy()


def popularity_by_hand() -> np.ndarray:
    counts = np.zeros(N_ITEMS)
    for sequence in SEQUENCES:
        for item in sequence[:-2]:
            counts[item] += 1
    return counts / counts.sum()


def markov_by_hand(history: list[int], decay: float, mix: float) -> np.ndarray:
    scores = np.zeros(N_ITEMS)
    for distance, item in enumerate(reversed(history)):
        for sequence in SEQUENCES:
            for first, second in pairwise(sequence[:-2]):
                scores[second] += decay**distance * (first == item)
    if scores.sum() == 0:
        return popularity_by_hand()
    return (1 - mix) * scores / scores.sum() + mix * popularity_by_hand()


# The fourth and the fifth have no transitions: their items are the last of a training part, or in none.
HISTORIES = [[0], [1, 2, 0], [0, 1, 2, 0, 1, 3, 5, 1, 1, 0], [3, 4], [7, 5], []]


def test_pop(task: Task) -> None:
    assert probabilities(Pop(), task, HISTORIES) == pytest.approx(np.tile(popularity_by_hand(), (len(HISTORIES), 1)))
    assert popularity_by_hand()[0] == pytest.approx(3 / 12)


@pytest.mark.parametrize("backbone", [Markov(), Markov(decay=1, mix=0), Markov(decay=0.3, mix=0.5), Markov(mix=1)])
def test_markov(task: Task, backbone: Markov) -> None:
    expected = [markov_by_hand(history, backbone.decay, backbone.mix) for history in HISTORIES]
    assert probabilities(backbone, task, HISTORIES) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("backbone", [Markov(), Pop()])
def test_users_do_not_depend_on_their_batch(task: Task, backbone: UntrainedBackbone) -> None:
    batch = probabilities(backbone, task, HISTORIES)
    single = np.concatenate([probabilities(backbone, task, [history]) for history in HISTORIES])
    np.testing.assert_array_equal(batch, single)


def test_never_trained_items_have_no_probability(task: Task) -> None:
    for backbone in (Markov(), Pop()):
        rows = probabilities(backbone, task, HISTORIES)
        assert (rows[:, 5:] == 0).all()
        assert rows.sum(axis=1) == pytest.approx(np.ones(len(HISTORIES)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 0.0}, "decay is 0.0; it must be above 0 and at most 1"),
        ({"decay": 1.5}, "decay is 1.5"),
        ({"mix": -0.1}, "mix is -0.1; it must be from 0 to 1"),
        ({"mix": 1.1}, "mix is 1.1"),
    ],
)
def test_markov_refuses_options_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Markov(**options)


def test_oracle_is_the_true_distribution() -> None:
    data = ArtsSim(users=20, items=60).load(None, users=None)
    histories = data.test().histories
    model = Oracle().load(Task(data, data.space(categories=True)), Path("unused"))
    assert data.simulation is not None
    log_probs = model.begin(histories, ()).log_probs().numpy()
    np.testing.assert_array_equal(log_probs, data.simulation.log_probs(histories.items))


@pytest.mark.parametrize("backbone", [Markov(), Pop(), Oracle()])
def test_fit_writes_nothing(task: Task, backbone: UntrainedBackbone, tmp_path: Path) -> None:
    assert (backbone.capability, backbone.sizes) == ("items", ())
    assert backbone.fit(task, tmp_path) == FitReport(epochs=0, steps=0, parameters=0, seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_mix_with_popularity() -> None:
    scores = np.array([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0]])
    mixture = mix_with_popularity(scores, np.array([0.5, 0.25, 0.25]), 0.2)
    assert mixture == pytest.approx(np.array([[0.5, 0.25, 0.25], [0.7, 0.25, 0.05]]))
