"""Devices, memory and versions."""

from __future__ import annotations

import json

import pytest
import torch

from mindrec_bench.distributed.devices import PACKAGES, check_devices, environment, peak_bytes, pick_device
from mindrec_bench.errors import UsageError


@pytest.mark.parametrize(
    ("requested", "has_gpu", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_pick_device(monkeypatch, requested, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert pick_device(requested) == expected


def test_missing_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device is cuda, but torch finds no CUDA device; use --device cpu"):
        pick_device("cuda")


@pytest.mark.parametrize("has_gpu", [True, False])
def test_gpus_of_apple_are_used_only_by_name(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_gpu)
    assert pick_device("auto") == "cpu"
    if has_gpu:
        assert pick_device("mps") == "mps"
        return
    with pytest.raises(UsageError, match="--device is mps, but torch finds no GPU of Apple; use --device cpu"):
        pick_device("mps")


def test_a_mac_has_one_gpu():
    check_devices("mps", 1)
    check_devices("cpu", 8)
    with pytest.raises(UsageError, match="2 processes need one GPU each, and this machine has 1"):
        check_devices("mps", 2)


def test_environment_is_json_and_has_versions():
    values = environment("cpu")
    assert json.loads(json.dumps(values)) == values
    assert values["device"] == "cpu"
    assert values["device_name"]
    assert values["threads"] == torch.get_num_threads()
    assert set(values["versions"]) == set(PACKAGES)
    assert values["versions"]["torch"].startswith(torch.__version__.split("+")[0])


def test_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("mindrec_bench.distributed.devices.PACKAGES", ("package-that-is-not-there",))
    assert environment("cpu")["versions"] == {"package-that-is-not-there": None}


def test_peak_memory_covers_an_allocation():
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_bytes("cpu") > len(block)
    assert peak_bytes("cpu") < 1 << 40, "in bytes"
