"""The estimate of memory, and `--size auto`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mindrec_baselines.checkpoints import memory
from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.memory import auto_size_obstacle, training_bytes
from mindrec_baselines.llada import Llada

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


def test_the_estimate_is_near_what_was_measured():
    """40.1 GiB on an H100: LoRA steps of 8 examples of 159 tokens at the shape of LLaDA-8B (docs/performance.md)."""
    d, inner, rows = 4096, 12288, 126464
    shapes = {"wte": (rows, d), "head": (rows, d)}
    for layer in range(32):
        shapes |= {f"{layer}.{name}": (d, d) for name in "qkvo"}
        shapes |= {f"{layer}.gate": (inner, d), f"{layer}.up": (inner, d), f"{layer}.down": (d, inner)}
    assert 40.1 < training_bytes(shapes) / 2**30 < 1.1 * 40.1


def test_the_estimate_is_told_for_weights_that_are_here(tmp_path):
    write_checkpoint(tmp_path, "llada")
    backbone = Llada(checkpoint=str(tmp_path))
    assert backbone.training_bytes("checkpoint") == training_bytes(open_checkpoint(str(tmp_path)).shapes)
    assert Llada().training_bytes("small") is None


def test_weights_that_are_not_in_the_cache(monkeypatch):
    monkeypatch.setattr(memory, "find_checkpoint", lambda name: None)
    assert auto_size_obstacle("org/name") == "the weights of org/name are not in the hub's cache"
