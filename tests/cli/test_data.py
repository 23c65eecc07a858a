"""The commands about data: from a table of one's own to rankings with one's own ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from mindrec_bench.data.sources import resolve

USERS, ITEMS = 30, 24


@pytest.fixture
def sales(tmp_path):
    """sales.csv, of users `user 0`, ..., and things.jsonl, about its items `i 0`, ...; shuffled."""
    rng = np.random.default_rng(0)
    rows = [
        (f"user {user}", f"i {item}", t) for user in range(USERS) for t, item in enumerate(rng.permutation(ITEMS)[:9])
    ]
    lines = [",".join(map(str, rows[row])) for row in rng.permutation(len(rows))]
    (tmp_path / "sales.csv").write_text("\n".join(["customer_id,sku,date", *lines]))
    things = [{"sku": f"i {item}", "name": f"Thing {item}", "category": [f"C{item % 3}"]} for item in range(ITEMS)]
    (tmp_path / "things.jsonl").write_text("\n".join(map(json.dumps, things)))


def give_codes(folder):
    """Semantic IDs as a tokenizer would make them."""
    codes = {str(item): [f"<a_{item % 5}>", f"<b_{item // 5}>"] for item in range(ITEMS)}
    (folder / "shop.index.json").write_text(json.dumps(codes))


IMPORT = ("data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop")


def test_import_says_what_it_did(call, sales):
    code, out, err = call(*IMPORT)
    assert (code, err.splitlines()) == (0, ["reading sales.csv", "reading things.jsonl"])
    assert out.splitlines() == [
        "30 users, 24 items, 270 interactions",
        "  270 rows read",
        "  24 items with a title",
        "  24 items with categories",
        "  categories got the root 'All', since they share none",
        "",
        "data/shop",
        "next: mrbench data tokenize shop",
    ]
    _, listed, _ = call("list", "data")
    assert "shop         Imported from sales.csv: 30 users, 24 items, 270 interactions; no semantic IDs" in listed
    code, _, err = call(*IMPORT)
    assert (code, "already a folder data/shop" in err) == (2, True)
    code, out, _ = call(*IMPORT, "--replace", "--json", "--k-core", "3")
    assert (code, json.loads(out)["options"]["core"]) == (0, 3)


def test_without_codes_the_next_command_is_named(call, sales):
    call(*IMPORT)
    for words in (("run", "-m", "markov", "-d", "bs", "--data", "shop"), ("data", "show", "shop")):
        code, out, err = call(*words)
        assert (code, out) == (3, "")
        assert "has no shop.index.json" in err
        assert "`mrbench data tokenize shop`" in err
    code, out, err = call("data", "validate", "shop")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "data/shop: 30 users, 24 items, 270 interactions",
        "remark: missing file of semantic IDs; make it with `mrbench data tokenize shop` before a run "
        "(shop.index.json)",
    ]


def test_validate_names_all_errors(call, sales, tmp_path):
    call(*IMPORT)
    give_codes(tmp_path / "data" / "shop")
    assert call("data", "validate", "shop")[0] == 0
    (tmp_path / "data/shop/shop.inter.json").write_text('{"0": [1, 99, 2], "x": [1]}')
    code, out, err = call("data", "validate", "data/shop")
    assert code == 3
    assert len([line for line in out.splitlines() if line.startswith("error: ")]) == 2
    assert (
        err == "mrbench: data/shop can't be used: 2 kinds of errors, listed above; correct them and validate it again\n"
    )
    code, out, _ = call("data", "validate", "shop", "--json")
    assert (code, len(json.loads(out)["errors"])) == (3, 2)


def test_remarks_have_own_ids(call, sales, tmp_path):
    call(*IMPORT)
    give_codes(tmp_path / "data" / "shop")
    path = tmp_path / "data/shop/shop.inter.json"
    users = json.loads(path.read_text())
    path.write_text(json.dumps({**users, "1": users["1"][:2]}))
    code, out, _ = call("data", "validate", "shop")
    assert code == 0
    assert "remark: users with fewer than 3 interactions, who are skipped (user user 1)" in out


def test_an_imported_name_can_be_looked_up(call, sales):
    call(*IMPORT)
    code, out, _ = call("list", "data", "shop")
    assert code == 0
    assert "Imported from sales.csv: 30 users, 24 items, 270 interactions" in out
    assert "--data shop:key=value" in out
    code, out, _ = call("data", "import", "sales.csv", "--name", "other", "--data-dir", "else where")
    assert out.splitlines()[-1] == "next: mrbench data tokenize other --data-dir 'else where'"


def test_a_wrong_file_ends_in_exit_code_3(call, sales, tmp_path):
    Path("sales.csv").write_text("customer_id,sku,date\nx,y,yesterday\n")
    code, out, err = call(*IMPORT)
    assert (code, out) == (3, "")
    assert "row 2: 'yesterday'" in err.splitlines()[-1]
    assert not (tmp_path / "data").exists()


def test_own_ids_go_out_and_come_in(call, sales, tmp_path):
    call(*IMPORT)
    give_codes(tmp_path / "data" / "shop")
    _, shown, _ = call("data", "show", "shop", "--samples", "1")
    assert "user user 0, the latest 5 of 9 items" in shown
    assert "Thing " in shown
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
    score(call, run, tmp_path)


def score(call, run, tmp_path):
    """The run's own rankings, by own ids, give the same numbers."""
    data = resolve("shop", tmp_path / "data")[1].load(None, users=None, notify=print)
    stored = pq.read_table(Path(run["path"]) / "rankings.parquet").to_pydict()
    own = {int(user): name for user, name in zip(data.users, data.external_ids.users, strict=True)}
    names = dict(zip(data.item_ids, data.external_ids.items, strict=True))
    items = [names[item] for item in stored["item"]]
    given = {"user": [own[user] for user in stored["user"]], "rank": stored["rank"], "item": items}
    csv.write_csv(pa.table(given), "mine.csv")
    pq.write_table(pa.table(given), "mine.parquet")
    for file in ("mine.csv", "mine.parquet"):
        code, out, _ = call("score", file, "--name", "mine", "--data", "shop", "--json")
        scored = json.loads(out)
        assert code == 0
        assert scored["metrics"]["hr@5"] == run["metrics"]["hr@5"]
    kept = pq.read_table(Path(scored["path"]) / "rankings.parquet").to_pydict()
    assert [kept[name] for name in ("user", "rank", "item")] == [stored[name] for name in ("user", "rank", "item")]
    given["user"][0], given["item"][1] = "nobody", "nothing"
    pq.write_table(pa.table(given), "wrong.parquet")
    code, _, err = call("score", "wrong.parquet", "--name", "mine", "--data", "shop")
    assert code == 3
    assert "1 rows of users that the data does not have (first: nobody)" in err
    assert "1 rows with unknown items (first: nothing)" in err


def test_samples_of_the_simulation(call):
    code, out, _ = call("data", "show", "arts-sim:users=20,items=50", "--samples", "2")
    lines = out.splitlines()
    assert code == 0
    assert [line.partition(",")[0] for line in lines if line.startswith("user ")] == ["user 0", "user 1"]
    assert len(lines[-1].split()) > 5, "item, categories, SID, part and words"
    assert "user 0," not in call("data", "show", "arts-sim:users=20,items=50", "--samples", "0")[1]
    assert len(json.loads(call("data", "show", "arts-sim:users=20,items=50", "--json")[1])["samples"]) == 3
