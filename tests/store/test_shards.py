"""Rankings as tables, and shards that are whole or not there."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.store.rankings import SCHEMA, padded_codes, rankings_table
from mindrec_bench.store.shards import ShardMeta, whole_shards, write_shard

META = ShardMeta("cpu", batch_size=2, users=3, batch_seconds=(0.25, 0.125), forward_passes=8, peak_bytes=99, fit="w1")


@pytest.fixture
def lists():
    """Users, codes, scores and lengths of three users, one without results."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 300, (3, 4, 5))
    lengths = np.array([4, 0, 2])
    codes[np.arange(4) >= lengths[:, None]] = -1
    return np.array([7, 3, 50]), codes, -np.sort(rng.random((3, 4))), lengths


@pytest.fixture
def table(lists):
    return rankings_table(*lists)


def test_a_row_a_recommendation(lists, table):
    users, codes, scores, _ = lists
    assert table.schema == SCHEMA
    assert table["user"].to_pylist() == [7] * 4 + [50] * 2
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 1, 2]
    assert table["codes"].to_pylist() == [*codes[0].tolist(), *codes[2, :2].tolist()]
    assert table["score"].to_pylist() == [*scores[0], *scores[2, :2]]
    assert table["item"].to_pylist() == [None] * 6
    assert (padded_codes(table, users, 4, 5) == codes).all()


def test_padded_codes_look_users_up(lists, table):
    _, codes, _, _ = lists
    looked_up = padded_codes(table, np.array([50, 1, 7, 3]), 4, 5)
    assert (looked_up == np.stack([codes[2], np.full((4, 5), -1), codes[0], codes[1]])).all()


def test_no_results_at_all_is_an_empty_table(lists):
    users, codes, scores, _ = lists
    empty = rankings_table(users, codes, scores, np.zeros(3, dtype=np.int64))
    assert empty.num_rows == 0
    assert empty.schema == SCHEMA
    assert (padded_codes(empty, users, 4, 5) == -1).all()


def test_items_are_named_where_items_are_ranked(lists):
    items = np.array([["i1", "i2", "i3", "i4"]] * 3)
    assert rankings_table(*lists, items)["item"].to_pylist() == ["i1", "i2", "i3", "i4", "i1", "i2"]


def whole(folder, device="cpu", batch_size=2, fit="w1"):
    notices = []
    return whole_shards(folder, device=device, batch_size=batch_size, fit=fit, notify=notices.append), notices


def test_a_shard_comes_back_with_its_metadata(tmp_path, table):
    for index in (1, 0):
        write_shard(tmp_path, index, table, META)
    shards, notices = whole(tmp_path)
    assert [shard.index for shard in shards] == [0, 1]
    assert [shard.meta for shard in shards] == [META, META]
    assert all(shard.table().equals(table, check_metadata=True) for shard in shards)
    assert notices == []


def test_no_folder_is_no_shards(tmp_path):
    assert whole(tmp_path / "none") == ([], [])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "rename"])
def test_a_damaged_shard_is_named_and_deleted(tmp_path, table, damage):
    good, bad = (write_shard(tmp_path, index, table, META).path for index in (0, 1))
    content = bytearray(bad.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        bad.write_bytes(content)
    elif damage == "rename":
        bad = bad.rename(tmp_path / "00001.parquet")
    else:
        bad.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    shards, notices = whole(tmp_path)
    assert [shard.path for shard in shards] == [good]
    assert len(notices) == 1
    assert f"{bad} is damaged" in notices[0]
    assert list(tmp_path.iterdir()) == [good]


@pytest.mark.parametrize("origin", [("cuda", 2, "w1"), ("cpu", 3, "w1"), ("cpu", 2, "w2")], ids=str)
def test_shards_of_another_device_batch_size_or_training_are_discarded(tmp_path, table, origin):
    device, batch_size, fit = origin
    write_shard(tmp_path, 0, table, META)
    new = write_shard(tmp_path, 1, table, replace(META, device=device, batch_size=batch_size, fit=fit))
    shards, notices = whole(tmp_path, *origin)
    assert shards == [new]
    assert len(notices) == 1
    assert "from cpu in batches of 2 with weights w1" in notices[0]
    assert list(tmp_path.iterdir()) == [new.path]


def test_a_shard_computed_twice_counts_once(tmp_path, table):
    write_shard(tmp_path, 0, table, META)
    write_shard(tmp_path, 0, table, replace(META, forward_passes=9))
    shards, notices = whole(tmp_path)
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


def test_a_kill_between_writing_and_renaming_leaves_no_shard(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.tmp"))) == 1, "the kill must come after writing"
    assert whole(tmp_path) == ([], [])
    assert list(tmp_path.iterdir()) == []
