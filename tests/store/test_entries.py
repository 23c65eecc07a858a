"""The run store as a list of entries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.store.entries import find_entries, name_entries, select_entries
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.run_spec import DecoderSpec
from mindrec_bench.store.shards import ShardMeta

from ..summaries import make_summary


def finish(folder, **changes):
    folder.start()
    user, codes = np.array([10]), np.ones((1, 1, 4), dtype=np.int64)
    shard = folder.write_shard(0, rankings_table(user, codes, np.zeros((1, 1)), np.ones(1)), ShardMeta("cpu", 5, 1))
    columns = {"hit_rank": np.zeros(1, dtype=np.int32)}
    return folder.finish([shard], user, columns, make_summary(folder.spec, **changes))


@pytest.fixture
def entries(tmp_path, run_spec):
    """Entries by their state, of a store with a run of each."""
    root = tmp_path / "runs"
    done = finish(RunFolder(run_spec, root))
    RunFolder(replace(run_spec, seed=3), root).store_compact(
        replace(done, summary=make_summary(replace(run_spec, seed=3))), with_codes=False
    )
    other = replace(run_spec, decoder=DecoderSpec("adaptive", {"reverse": True}), eval_users=50, beam=20)
    RunFolder(other, root).start()
    damaged = finish(RunFolder(replace(run_spec, seed=5), root))
    (damaged.path / "summary.json").write_text("{")
    return {entry.state: entry for entry in find_entries(root)}


def test_every_folder_has_an_entry_with_its_state(entries, run_spec):
    assert sorted(entries) == ["compact", "damaged", "done", "unfinished"]
    done = entries["done"]
    assert (done.id, done.data, done.model, done.decoder) == (run_spec.id, "arts", "llada", "dbs-penalty")
    assert done.settings == {"size": "tiny"}
    assert done.changed == 1767225600, "2026-01-01, when it was finished"
    assert done.bytes == sum(path.stat().st_size for path in done.path.iterdir())


def test_a_run_without_a_result_is_described_by_its_spec(entries):
    unfinished = entries["unfinished"]
    assert (unfinished.data, unfinished.model) == ("Arts", "llada:p_mask=0.6,shuffle=yes")
    assert (unfinished.decoder, unfinished.users) == ("adaptive:reverse=yes", 50)
    assert unfinished.settings == {"size": "tiny", "beam": 20, "eval_users": 50}
    assert entries["damaged"].spec.seed == 5


def test_names_select_entries(entries):
    def states(**names):
        return {entry.state for entry in select_entries(entries.values(), **names)}

    assert states(data="Arts", model="llada") == set(entries)
    assert states(decoder="adaptive") == states(decoder="adaptive:reverse=yes") == {"unfinished"}
    assert states(incomplete=True) == {"unfinished", "damaged"}
    with pytest.raises(UsageError, match=r"no run has the decoder 'adaptiv' \(did you mean 'adaptive'\?\); there are"):
        states(decoder="adaptiv")


def test_entries_are_named_by_the_start_of_their_id_or_their_folder(entries, tmp_path):
    values, done = list(entries.values()), entries["done"]
    for text in (done.id[:8], str(done.path)):
        assert name_entries(tmp_path / "runs", values, [text, done.id]) == [done]
    outside = tmp_path / "else" / "a" / "b" / "c" / "d"
    outside.mkdir(parents=True)
    (outside / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match="is not in the run store"):
        name_entries(tmp_path / "runs", values, [str(outside)])


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet", "spec.json"])
def test_a_run_with_a_damaged_file_is_damaged(entries, tmp_path, name):
    done = entries["done"]
    content = (done.path / name).read_bytes()
    (done.path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    states = {entry.path: entry.state for entry in find_entries(tmp_path / "runs")}
    assert states[done.path] == "damaged"
