"""The batch size that is found by trying, and where a run takes it from."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mindrec_bench.core.dataset import Examples, Histories
from mindrec_bench.experiment import batch_size, run
from mindrec_bench.experiment.batch_size import find_batch_size
from mindrec_bench.experiment.config import DEFAULT_BATCH, LARGEST_BATCH

EXAMPLES = Examples(Histories(np.zeros((5000, 2), dtype=np.int64), np.arange(5000)), np.zeros(5000, dtype=np.int64))


def find(monkeypatch, speed, memory=lambda size: 0.0, fits=10**9, examples=EXAMPLES):
    """The size found, and the sizes tried, on a GPU with this speed and share of memory at each size."""
    tried = []

    def trial(decoder, examples, size):
        tried.append(size)
        return (speed(size), memory(size)) if size <= fits else None

    monkeypatch.setattr(batch_size, "_try", trial)
    return find_batch_size(None, examples), tried[1:]


def test_the_largest_that_gains(monkeypatch) -> None:
    sizes = [16, 32, 64, 128, 256, 512, 1024]
    assert find(monkeypatch, lambda size: min(size, 700)) == (1024, [*sizes, 2048, 2048, 2048])
    assert find(monkeypatch, lambda size: 100) == (16, [16, 32, 32, 32]), "a model is busy with the first size"
    assert find(monkeypatch, lambda size: 2) == (16, [16, 32]), "and takes so long that nothing is tried again"


def test_a_first_batch_that_compiles_kernels_ends_nothing(monkeypatch) -> None:
    seen = set()

    def speed(size: int) -> float:
        compiles = size not in seen
        seen.add(size)
        return size / 3 if compiles and size >= 64 else size / 0.025

    found, tried = find(monkeypatch, speed)
    assert found == LARGEST_BATCH
    assert tried.count(32) == 1
    assert tried.count(64) == tried.count(128) == 2


def test_the_largest_that_fits(monkeypatch) -> None:
    size, tried = find(monkeypatch, float, fits=300)
    assert (size, tried[-1]) == (256, 512), "tried, and out of memory"
    size, tried = find(monkeypatch, float, memory=lambda size: size / 1000)
    assert (size, tried[-1]) == (512, 512), "twice as many would need more than there is"
    assert find(monkeypatch, float, fits=8)[0] == 8, "halved further when a run decodes"


def test_no_more_than_the_users_and_the_limit(monkeypatch) -> None:
    assert find(monkeypatch, float)[0] == LARGEST_BATCH
    assert find(monkeypatch, float, examples=_first(100))[0] == 128
    assert find(monkeypatch, float, examples=_first(3))[0] == 4


def _first(count: int) -> Examples:
    return Examples(EXAMPLES.histories[:count], EXAMPLES.targets[:count])


@pytest.mark.parametrize(
    ("asked", "device", "stored", "expected"),
    [
        (64, "cuda", 256, 64),
        ("auto", "cpu", 256, DEFAULT_BATCH),
        ("auto", "cuda", 256, 256),
        ("auto", "cuda", None, 32),
    ],
)
def test_asked_else_stored_else_found(asked, device, stored, expected) -> None:
    folder = SimpleNamespace(stored_batch_size=lambda **origin: stored)
    context = SimpleNamespace(options=SimpleNamespace(batch_size=asked), device=device, run_folder=folder)
    group = SimpleNamespace(run=lambda function, size, arguments: 32)
    assert run.Coordinator(context, group)._batch_size("") == expected
