"""Tables of groups of users."""

from __future__ import annotations

import json

import pytest

DATA = "arts-sim:users=60,items=50"
TABLE = f"""
title = "Groups"
data = ["{DATA}"]
metrics = ["hr@10", "ttr", "coverage"]
reference = "counting"
beam = 4
[[rows]]
label = "counting"
model = "pop"
decoder = "rank-items"
published.'{DATA}' = ["0.5", "-", "-"]
[[rows]]
label = "pairs"
model = "markov"
decoder = "rank-items"
"""


@pytest.fixture
def table(call, tmp_path):
    path = tmp_path / "groups.toml"
    for model in ("pop", "markov"):
        assert call("run", "-m", model, "-d", "rank-items", "--data", DATA, "--beam", "4", "--quiet")[0] == 0
    path.write_text(TABLE.replace("hr@10", "hr@4"))
    return str(path)


def test_one_table_for_each_group(call, table):
    code, out, _ = call("table", table, "--by", "transition", "--format", "json")
    tables = json.loads(out)
    assert (code, len(tables)) == (0, 2)
    whole = json.loads(call("table", table, "--format", "json")[1])[0]
    users = [next(iter(table["users"].values())) for table in tables]
    assert sum(users) == 60

    def cells(table, row):
        return [cell["value"] for cell in table["rows"][row]["cells"]]

    for row in (0, 1):
        mean = sum(cells(table, row)[0] * count for table, count in zip(tables, users, strict=True)) / 60
        assert mean == pytest.approx(cells(whole, row)[0])
        assert all(cells(table, row)[2] is None for table in tables), "coverage is of all lists"
    titles = [table["title"] for table in tables]
    assert titles == ["Groups; by transition: seen transition", "Groups; by transition: unseen transition"]


def test_tables_without_metrics_of_users_have_no_slices(call):
    assert "shows no metrics of users" in call("table", "table1", "--by", "cold")[2]


def test_runs_are_compared_by_slices(call, table):
    ids = [entry["run"] for entry in json.loads(call("runs", "--json")[1])]
    code, out, _ = call("compare", *ids, "--by", "transition", "--by", "cold", "--k", "2")
    assert (code, out.count("by transition"), "HR@2↑" in out) == (0, 2, True)
    values = json.loads(call("compare", *ids, "--by", "history", "--json")[1])
    assert sum(group["users"] for group in values["slices"][0]["groups"]) == 60
