"""Missing runs are made once, and those that fail are named."""

from __future__ import annotations

from pathlib import Path

from mindrec_bench.experiment.config import ExecutionOptions
from mindrec_bench.report.table_spec_io import parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.report.tables.missing_runs import make_missing_runs
from mindrec_bench.store.runs import find_runs

TEXT = """
title = "t"
data = ["arts-sim:users=40,items=50"]
metrics = ["hr@1"]
users = 40
[[rows]]
label = "works"
model = "markov"
decoder = "bs"
[[rows]]
label = "the same run"
model = "markov"
decoder = "bs"
[[rows]]
label = "can't work"
model = "pop"
decoder = "bs"
size = "tiny"
[[rows]]
label = "elsewhere"
model = "theirs"
decoder = "external"
"""


def test_missing_runs_are_made_once(tmp_path: Path, notices: list[str]) -> None:
    spec = parse_table_spec(TEXT, "t", "t.toml")
    table = build_table(spec, [])
    exit_code = make_missing_runs([table, table], ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu"))
    assert exit_code == 2
    commands = [line for line in notices if line.startswith("mrbench run")]
    assert len(commands) == len(set(commands)) == 2
    (failed,) = [line for line in notices if line.startswith("failed: ")]
    assert failed.startswith(f"failed: {commands[1]}: ")
    filled = build_table(spec, find_runs(tmp_path / "runs"))
    assert [bool(row.runs) for row in filled.rows] == [True, True, False, False]
