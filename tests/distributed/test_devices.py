"""Device, memory and versions."""

from __future__ import annotations

import json

import pytest
import torch

from mindrec_bench.distributed.devices import PACKAGES, environment, peak_bytes, pick_device
from mindrec_bench.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "there", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_pick_device(monkeypatch, asked, there, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device(asked) == expected


def test_a_missing_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device is cuda, but torch finds no CUDA device; use --device cpu"):
        pick_device("cuda")


def test_environment_is_json_and_has_versions():
    found = environment("cpu")
    assert json.loads(json.dumps(found)) == found
    assert found["device"] == "cpu"
    assert found["device_name"]
    assert found["threads"] == torch.get_num_threads()
    assert set(found["versions"]) == set(PACKAGES)
    assert found["versions"]["torch"].startswith(torch.__version__.split("+")[0])


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("mindrec_bench.distributed.devices.PACKAGES", ("package-that-is-not-there",))
    assert environment("cpu")["versions"] == {"package-that-is-not-there": None}


def test_peak_memory_holds_what_was_taken():
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_bytes("cpu") > len(block)
    assert peak_bytes("cpu") < 1 << 40, "bytes, and not kilobytes taken for megabytes"
