"""Shards: whole or absent, checked when read, and mixed only with shards of the same origin."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.shards import ShardMeta, load_shards, write_shard

META = ShardMeta(
    "cpu", batch_size=2, users=3, batch_seconds=(0.25, 0.125), forward_passes=8, peak_bytes=99, weights_id="w1"
)


@pytest.fixture
def table():
    """Rankings of three users, one without results."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 300, (3, 4, 5))
    lengths = np.array([4, 0, 2])
    return rankings_table(np.array([7, 3, 50]), codes, -np.sort(rng.random((3, 4))), lengths)


def load(folder, device="cpu", batch_size=2, weights_id="w1"):
    return load_shards(folder, device=device, batch_size=batch_size, weights_id=weights_id)


def test_shard_is_read_with_its_metadata(tmp_path, table, notices):
    for index in (1, 0):
        write_shard(tmp_path, index, table, META)
    shards = load(tmp_path)
    assert [shard.index for shard in shards] == [0, 1]
    assert [shard.meta for shard in shards] == [META, META]
    assert all(shard.table().equals(table, check_metadata=True) for shard in shards)
    assert notices == []


def test_missing_folder_has_no_shards(tmp_path):
    assert load(tmp_path / "none") == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "rename"])
def test_damaged_shard_is_named_and_deleted(tmp_path, table, damage, notices):
    good, bad = (write_shard(tmp_path, index, table, META).path for index in (0, 1))
    content = bytearray(bad.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        bad.write_bytes(content)
    elif damage == "rename":
        bad = bad.rename(tmp_path / "00001.parquet")
    else:
        bad.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    shards = load(tmp_path)
    assert [shard.path for shard in shards] == [good]
    assert len(notices) == 1
    assert f"{bad} is damaged" in notices[0]
    assert list(tmp_path.iterdir()) == [good]


@pytest.mark.parametrize("origin", [("cuda", 2, "w1"), ("cpu", 3, "w1"), ("cpu", 2, "w2")], ids=str)
def test_shards_of_another_device_batch_size_or_training_are_discarded(tmp_path, table, origin, notices):
    device, batch_size, weights_id = origin
    write_shard(tmp_path, 0, table, META)
    new = write_shard(tmp_path, 1, table, replace(META, device=device, batch_size=batch_size, weights_id=weights_id))
    shards = load(tmp_path, *origin)
    assert shards == [new]
    assert len(notices) == 1
    assert "from cpu in batches of 2 with weights w1" in notices[0]
    assert list(tmp_path.iterdir()) == [new.path]


def test_shards_of_another_size_are_discarded(tmp_path, table, notices):
    write_shard(tmp_path, 0, table, META)
    new = write_shard(tmp_path, 1, table, replace(META, shard_users=16))
    assert load_shards(tmp_path, device="cpu", batch_size=2, weights_id="w1", shard_users=16) == [new]
    assert "can't be mixed with cpu in batches of 2 in shards of 16 with weights w1" in notices[0]


def test_shard_computed_twice_counts_once(tmp_path, table, notices):
    write_shard(tmp_path, 0, table, META)
    write_shard(tmp_path, 0, table, replace(META, forward_passes=9))
    shards = load(tmp_path)
    assert ([shard.index for shard in shards], notices) == ([0], [])
    assert list(tmp_path.iterdir()) == [shards[0].path]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from mindrec_bench.io import atomic
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.shards import ShardMeta, write_shard
atomic.os.replace = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)
table = rankings_table(np.array([1]), np.zeros((1, 1, 2), int), np.zeros((1, 1)), np.array([1]))
write_shard(Path(sys.argv[1]), 0, table, ShardMeta("cpu", 2, 1))
"""


def test_kill_between_writing_and_renaming_leaves_no_shard(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.tmp"))) == 1, "the kill must come after writing"
    assert load(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_metadata_is_read_back_whole():
    meta = replace(META, search_error={"lost@1": [0.5, 0.0, 0.25]})
    assert ShardMeta.from_json(meta.to_json()) == meta
    with pytest.raises(ValueError, match="unknown"):
        ShardMeta.from_json(json.dumps({**json.loads(meta.to_json()), "unknown": 1}))
