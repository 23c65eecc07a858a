"""`markov`, `pop` and `oracle` against loops over hand-made data."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.common.items import Untrained, mixed
from mindrec_baselines.markov import Markov
from mindrec_baselines.oracle import Oracle
from mindrec_baselines.pop import Pop
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import HISTORY, Dataset, Histories
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import UsageError

# Items 5 and 6 occur in no training part; 7 occurs in none at all. The last two items of a user don't train.
SEQUENCES = [[0, 1, 2, 0, 1, 3, 5, 6], [2, 0, 1, 4], [1, 1, 1, 2, 3], [4, 6, 5]]
N_ITEMS = 8


@pytest.fixture
def task() -> Task:
    items = np.concatenate([np.array(sequence) for sequence in SEQUENCES])
    number = np.arange(N_ITEMS)
    data = Dataset(
        name="hand",
        users=np.arange(len(SEQUENCES)),
        offsets=np.concatenate([[0], np.cumsum([len(sequence) for sequence in SEQUENCES])]),
        items=items,
        item_ids=[str(item) for item in number],
        sids=np.stack([number // 4, number % 4], axis=1),
        categories=None,
        fingerprint="hand",
    )
    return Task(data, data.space(categories=False))


def ask(backbone: Untrained, task: Task, rows: list[list[int]]) -> np.ndarray:
    """Probabilities of each item after each history. Shape: (B, N)"""
    padded = np.array([[-1] * (HISTORY - len(row)) + row for row in rows])
    model = backbone.load(task, Path("unused"))  # type: ignore[attr-defined]
    answer = model.begin(Histories(padded, np.arange(len(rows))), (0, 1)).log_probs()
    assert str(answer.dtype) == "torch.float64"
    return answer.exp().numpy()


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


# The fourth and the fifth have no transition at all: their items end every training part they are in, or are in none.
ROWS = [[0], [1, 2, 0], [0, 1, 2, 0, 1, 3, 5, 1, 1, 0], [3, 4], [7, 5], []]


def test_pop(task: Task) -> None:
    assert ask(Pop(), task, ROWS) == pytest.approx(np.tile(popularity_by_hand(), (len(ROWS), 1)))
    assert popularity_by_hand()[0] == pytest.approx(3 / 12)


@pytest.mark.parametrize("backbone", [Markov(), Markov(decay=1, mix=0), Markov(decay=0.3, mix=0.5), Markov(mix=1)])
def test_markov(task: Task, backbone: Markov) -> None:
    expected = [markov_by_hand(row, backbone.decay, backbone.mix) for row in ROWS]
    assert ask(backbone, task, ROWS) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("backbone", [Markov(), Pop()])
def test_alone_or_in_a_batch(task: Task, backbone: Untrained) -> None:
    together = ask(backbone, task, ROWS)
    alone = np.concatenate([ask(backbone, task, [row]) for row in ROWS])
    np.testing.assert_array_equal(together, alone)


def test_never_trained_items_have_no_probability(task: Task) -> None:
    for backbone in (Markov(), Pop()):
        answer = ask(backbone, task, ROWS)
        assert (answer[:, 5:] == 0).all()
        assert answer.sum(axis=1) == pytest.approx(np.ones(len(ROWS)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 0.0}, "decay is 0.0; it must be above 0 and at most 1"),
        ({"decay": 1.5}, "decay is 1.5"),
        ({"mix": -0.1}, "mix is -0.1; it must be from 0 to 1"),
        ({"mix": 1.1}, "mix is 1.1"),
    ],
)
def test_markov_refuses(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Markov(**options)


def test_oracle_is_the_truth() -> None:
    data = ArtsSim(users=20, items=60).load(None, users=None, notify=pytest.fail)
    histories = data.test().histories
    answer = Oracle().load(Task(data, data.space(categories=True)), Path("unused")).begin(histories, ()).log_probs()
    assert data.simulation is not None
    np.testing.assert_array_equal(answer.numpy(), data.simulation.log_probs(histories.items))


def test_oracle_needs_a_simulation(task: Task) -> None:
    with pytest.raises(UsageError, match="'hand' is not simulated; run it with --data arts-sim"):
        Oracle().load(task, Path("unused"))


@pytest.mark.parametrize("backbone", [Markov(), Pop(), Oracle()])
def test_nothing_to_train(task: Task, backbone: Untrained, tmp_path: Path) -> None:
    assert (backbone.capability, backbone.sizes) == ("items", ())
    assert backbone.fit(task, tmp_path) == FitReport(epochs=0, steps=0, parameters=0, seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_mixed() -> None:
    popular = np.array([0.5, 0.25, 0.25])
    answer = mixed(np.array([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0]]), popular, 0.2)
    assert answer == pytest.approx(np.array([[0.5, 0.25, 0.25], [0.7, 0.25, 0.05]]))
