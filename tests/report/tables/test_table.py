"""A table as data: whether any run fills it."""

from __future__ import annotations

import json
import re

from mindrec_bench.report.table_spec_io import installed_tables


def test_without_names_the_tables_that_have_runs_are_shown_and_the_others_named(store_run, call, tmp_path):
    store_run("llada", "bs", size="tiny", categories="generate")
    code, out, err = call("table", "--format", "json")
    shown = [table["name"] for table in json.loads(out)]
    (listed,) = re.findall(r"^without runs: (.*) \(", err, re.MULTILINE)
    assert code == 0
    assert "table6" in shown
    assert sorted([*shown, *listed.split(", ")]) == installed_tables()
    assert call("table", "--out", "tables")[0] == 0
    assert sorted(path.stem for path in (tmp_path / "tables").iterdir()) == sorted(shown)
