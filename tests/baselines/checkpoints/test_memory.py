"""The estimate of memory, and `--size auto`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mindrec_baselines.checkpoints import memory
from mindrec_baselines.checkpoints.memory import auto_size_obstacle, training_bytes

from ..made_checkpoints import HIDDEN, INNER, LAYERS, weights, write_checkpoint


def test_the_estimate_equals_a_sum_by_hand():
    rows, d = 1000, HIDDEN
    shapes = {name: tuple(tensor.shape) for name, tensor in weights("llada", rows).items()}
    matrices = LAYERS * (4 * d * d + 3 * d * INNER)
    norms = d * (2 * LAYERS + 1)
    widths = LAYERS * (4 * 2 * d + 3 * (d + INNER))
    expected = 2 * (matrices + norms + 2 * rows * d) + 2 * rows * d  # bf16, and the head once more
    expected += 16 * (8 * widths + 2 * rows * d)  # float32 values, gradients, two moments
    expected += 2 * 8 * 256 * widths  # inputs and outputs of every matrix for 8 examples of 256 tokens
    assert training_bytes(shapes) == expected


@pytest.mark.parametrize(("available", "obstacle"), [(10**12, ""), (10**5, "takes about 0 GiB and the GPU has 0")])
def test_local_weights_must_fit_the_gpu(tmp_path, monkeypatch, available, obstacle):
    write_checkpoint(tmp_path, "llada")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(total_memory=available))
    assert obstacle in auto_size_obstacle(str(tmp_path))
    assert bool(auto_size_obstacle(str(tmp_path))) == bool(obstacle)


def test_weights_that_are_not_in_the_cache(monkeypatch):
    monkeypatch.setattr(memory, "find_checkpoint", lambda name: None)
    assert auto_size_obstacle("org/name") == "the weights of org/name are not in the hub's cache"
