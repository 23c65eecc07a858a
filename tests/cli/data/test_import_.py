"""`mrbench data import`, and the external ids of imported data in other commands."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from mindrec_bench.data.sources import resolve_data

USERS = 30
IMPORT = ("data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop")


def test_the_report(call, sales):
    code, out, err = call(*IMPORT)
    assert (code, err.splitlines()) == (0, ["reading sales.csv", "reading things.jsonl"])
    assert out.splitlines() == [
        "30 users, 24 items, 270 interactions",
        "  columns of sales.csv: user = customer_id, item = sku, timestamp = date",
        "  columns of things.jsonl: id = sku, title = name, categories = category",
        "  270 rows read",
        "  24 items with a title",
        "  24 items with categories",
        "  categories got the root 'All', since they have none in common",
        "",
        "data/shop",
        "next: mrbench data tokenize shop",
    ]
    _, listed, _ = call("list", "data")
    assert "shop         Imported from sales.csv: 30 users, 24 items, 270 interactions; no semantic IDs" in listed
    code, _, err = call(*IMPORT)
    assert (code, "already a folder data/shop" in err) == (2, True)
    code, out, _ = call(*IMPORT, "--replace", "--json", "--k-core", "3")
    assert (code, json.loads(out)["options"]["user_core"]) == (0, 3)


def test_without_semantic_ids_the_next_command_is_named(call, shop):
    for model, decoder, reason in (
        ("markov", "bs", "and decoder 'bs' searches them"),
        ("llada", "bs", "and model 'llada' predicts them"),
    ):
        code, out, err = call("run", "-m", model, "-d", decoder, "--data", "shop")
        assert (code, out) == (3, "")
        assert f"data 'shop' has no semantic IDs, {reason}" in err
        assert "`mrbench data tokenize shop`" in err
        assert "rank-items" in err


def test_models_that_score_items_need_no_semantic_ids(call, shop):
    code, out, _ = call("run", "-m", "markov", "-d", "rank-items", "--data", "shop")
    assert code == 0
    assert "note: the data has no semantic IDs: a hit is a match of items, and Entropy and TTR count items" in out
    assert call("data", "show", "shop")[0] == 0


def test_imported_data_can_be_looked_up(call, shop):
    code, out, _ = call("list", "data", "shop")
    assert code == 0
    assert "Imported from sales.csv: 30 users, 24 items, 270 interactions" in out
    assert "--data shop:key=value" in out
    code, out, _ = call("data", "import", "sales.csv", "--name", "other", "--data-dir", "else where")
    assert out.splitlines()[-1] == "next: mrbench data tokenize other --data-dir 'else where'"


def test_a_wrong_file_ends_with_3(call, sales, tmp_path):
    Path("sales.csv").write_text("customer_id,sku,date\nx,y,yesterday\n")
    code, out, err = call(*IMPORT)
    assert (code, out) == (3, "")
    assert "row 2: 'yesterday'" in err.splitlines()[-1]
    assert not (tmp_path / "data").exists()


def test_external_ids_are_exported_and_scored(call, tokenized_shop, tmp_path):
    code, out, _ = call("run", "-m", "pop", "-d", "rank-items", "--data", "shop", "--beam", "5", "--json")
    run = json.loads(out)
    assert (code, run["data"]) == (0, "shop")
    call("export", run["run"], "--format", "parquet")
    call("export", run["run"])
    users = [f"user {user}" for user in range(USERS)]
    assert pq.read_table(f"{run['run']}.run.parquet")["q_id"].unique().to_pylist() == sorted(users)
    assert pq.read_table(f"{run['run']}.qrels.parquet")["q_id"].to_pylist() == sorted(users)
    lines = Path(f"{run['run']}.run.trec").read_text().splitlines()
    assert {len(line.split()) for line in lines} == {6}
    assert lines[0].startswith("user%200 Q0 ")
    check_scores(call, run, tmp_path)


def check_scores(call, run, tmp_path):
    """The run's own rankings, with external ids, give the same numbers."""
    data = resolve_data("shop", tmp_path / "data")[1].load(None, users=None)
    stored = pq.read_table(Path(run["path"]) / "rankings.parquet").to_pydict()
    user_names = {int(user): name for user, name in zip(data.users, data.external_ids.users, strict=True)}
    item_names = dict(zip(data.item_ids, data.external_ids.items, strict=True))
    items = [item_names[item] for item in stored["item"]]
    rankings = {"user": [user_names[user] for user in stored["user"]], "rank": stored["rank"], "item": items}
    csv.write_csv(pa.table(rankings), "mine.csv")
    pq.write_table(pa.table(rankings), "mine.parquet")
    for file in ("mine.csv", "mine.parquet"):
        code, out, _ = call("score", file, "--name", "mine", "--data", "shop", "--json")
        scored = json.loads(out)
        assert code == 0
        assert scored["metrics"]["hr@5"] == run["metrics"]["hr@5"]
    kept = pq.read_table(Path(scored["path"]) / "rankings.parquet").to_pydict()
    assert [kept[name] for name in ("user", "rank", "item")] == [stored[name] for name in ("user", "rank", "item")]
    rankings["user"][0], rankings["item"][1] = "nobody", "nothing"
    pq.write_table(pa.table(rankings), "wrong.parquet")
    code, _, err = call("score", "wrong.parquet", "--name", "mine", "--data", "shop")
    assert code == 3
    assert "rows of users that the data does not have (user nobody)" in err
    assert "rows with unknown items (item nothing)" in err
