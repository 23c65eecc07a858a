"""The walk of the penalty: the kernel, interpreted on the CPU or compiled for a GPU, against the tensor operations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mindrec_bench.core.code_space import MASK
from mindrec_decoders.search.expansion import Hypotheses
from mindrec_decoders.search.penalty_walk import walk, walk_by_rank
from mindrec_decoders.search.pruning import penalty

SHAPES = [(3, 30, 4, 10), (2, 5, 3, 5), (2, 17, 1, 3), (1, 1, 4, 1), (4, 40, 5, 6)]
"""Users, candidates, slots, beam."""


def arguments(users: int, n_candidates: int, n_slots: int, beam: int, device: str = "cpu"):
    """Codes with many repeats, and keys with many ties, as `walk` takes them."""
    generator = torch.Generator().manual_seed(n_candidates)
    sids = torch.randint(MASK, 3, (users, n_candidates, n_slots), generator=generator)
    keys = torch.randint(-50, 50, (users, n_candidates, n_slots + 1), generator=generator)
    order = torch.stack([torch.randperm(n_candidates, generator=generator) for _ in range(users)])
    return sids.to(device), keys.sort(dim=2, descending=True).values.to(device), order.to(device), beam


INTERPRETED = """
import torch
from mindrec_decoders.search.penalty_kernel import walk_in_kernel
from mindrec_decoders.search.penalty_walk import walk_by_rank
from test_penalty_walk import SHAPES, arguments
for shape in SHAPES:
    for ours, theirs in zip(walk_in_kernel(*arguments(*shape)), walk_by_rank(*arguments(*shape)), strict=True):
        assert torch.equal(ours, theirs), shape
print("equal")
"""


def test_the_interpreted_kernel_keeps_the_same() -> None:
    pytest.importorskip("triton", reason="needs Triton, which torch for CUDA brings along")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parent,
        timeout=240,
    )
    assert done.stdout == "equal\n", done.stderr


def test_the_number_of_operations_on_one_device_does_not_depend_on_the_kernel(monkeypatch) -> None:
    """Without the walk itself, pruning takes as many operations for 400 candidates as for 100: none per rank."""
    from mindrec_decoders.search import pruning

    monkeypatch.setattr(pruning, "walk", lambda sids, keys, order, beam: (order[:, :beam], order[:, :beam] * 0))
    counts = []
    for n_candidates in (100, 400):
        sids = torch.zeros(2, n_candidates, 4, dtype=torch.int64)
        scores = torch.linspace(-1, 0, n_candidates, dtype=torch.float64).expand(2, -1)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            penalty(Hypotheses(sids, scores), beam=10, n_categories=0)
        counts.append(sum(event.count for event in profile.key_averages() if event.key.startswith("aten::")))
    assert counts[0] == counts[1] < 120


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [*SHAPES, (64, 100, 4, 10), (8, 400, 4, 20), (2, 2500, 4, 50)], ids=str)
def test_a_gpu_keeps_the_same(shape) -> None:
    pytest.importorskip("triton", reason="needs Triton, which torch for CUDA brings along")
    for ours, theirs in zip(walk(*arguments(*shape, device="cuda")), walk_by_rank(*arguments(*shape)), strict=True):
        assert torch.equal(ours.cpu(), theirs)
