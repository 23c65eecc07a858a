"""`mrbench data import`, and the external ids of imported data in other commands."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from mindrec_bench.data.sources import resolve_data
from mindrec_bench.tokenizers.tokenize_items import TokenizationRequest, tokenize_items
from mindrec_bench.tokenizers.tokenizer_config import make_tokenizer_config

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


def test_hints_repeat_what_finds_the_data(call, sales):
    _, out, _ = call(*IMPORT, "--data-dir", "dd/x")
    assert out.splitlines()[-1] == "next: mrbench data tokenize shop --data-dir dd/x"
    for words, found_by in ((["--data", "dd/x/shop"], "dd/x/shop"), (["--data", "shop", "--data-dir", "dd/x"], None)):
        err = call("run", "-m", "markov", "-d", "bs", *words)[2]
        assert f"`mrbench data tokenize {found_by or 'shop --data-dir dd/x'}`" in err


def test_the_help_says_where_a_new_folder_goes(call):
    text = " ".join(call("data", "import", "--help")[1].split())
    assert "Where the new folder goes. [default: ./data]" in text
    assert "MRBENCH_DATA" not in text


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


def test_imports_go_to_data_and_never_to_the_environments_folder(call, sales, tmp_path, monkeypatch):
    monkeypatch.setenv("MRBENCH_DATA", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    code, out, _ = call(*IMPORT)
    assert (code, out.splitlines()[-1]) == (0, "next: mrbench data tokenize shop")
    assert (tmp_path / "data" / "shop" / "shop.inter.json").is_file()
    assert list((tmp_path / "shared").iterdir()) == []
    (tmp_path / "data" / "shop").rename(tmp_path / "shared" / "shop")
    code, out, _ = call(*IMPORT)
    assert (code, out.splitlines()[-1]) == (0, "next: mrbench data tokenize shop --data-dir data")


def test_hints_repeat_the_folder(call, sales, tmp_path):
    place = ("--data-dir", "else where")
    call(*IMPORT, *place)
    code, _, err = call("run", "-m", "markov", "-d", "bs", "--data", "shop", *place)
    assert code == 3
    assert "`mrbench data tokenize shop --data-dir 'else where'`" in err
    code, out, _ = call("data", "tokenize", "shop", "--levels", "2", "--codes", "4", *place)
    assert (code, out.splitlines()[-1].endswith("--data shop --data-dir 'else where'")) == (0, True)


def test_all_options_of_the_command_line(call, tmp_path):
    Path("r.dat").write_text("1::5::3::10\n1::6::NA::20\n2::5::5::30\n2::6::4::5\nNA::5::4::9\nNA::6::4::8\n")
    Path("m.dat").write_bytes('5::Café::A|B\n6::"Quoted::B|A\n'.encode("latin-1"))
    code, out, err = call(
        *("data", "import", "r.dat", "--items", "m.dat", "--name", "n", "--no-header", "--sep", "::"),
        *("--column", "user=1", "--column", "item=2", "--column", "rating=3", "--column", "timestamp=4"),
        *("--column", "id=1", "--column", "title=2", "--column", "categories=3", "--items-no-header"),
        *("--items-encoding", "latin-1", "--items-no-quotes", "--items-sep", "::", "--keep-na", "--min-rating", "3"),
        *("--user-core", "1", "--item-core", "1", "--since", "6", "--until", "30", "--category-layout", "set"),
        *("--category-sep", "|", "--json"),
    )
    assert code == 0, err
    report = json.loads(out)
    assert (report["unrated"], report["outside_period"], report["interactions"]) == (1, 2, 3)
    assert report["options"]["user_core"] == report["options"]["item_core"] == 1
    entries = json.loads((tmp_path / "data" / "n" / "n.item.json").read_text())
    assert [entry["title"] for entry in entries.values()] == ["Café", '"Quoted']
    assert [entry["categories"] for entry in entries.values()] == ["All,A,A + B"] * 2


def start(*words):
    return subprocess.Popen([sys.executable, "-m", "mindrec_bench", *words], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("extra", "codes"), [((), {0, 2}), pytest.param(("--replace",), {0}, marks=pytest.mark.slow)], ids=str
)
def test_imports_under_one_name_at_once(call, sales, tmp_path, extra, codes):
    """One of them is whole, the others are refused, or with --replace follow it."""
    processes = [start(*IMPORT, *extra) for _ in range(3)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert {process.returncode for process in processes} == codes, errors
    assert not any("unexpected" in error for error in errors)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["shop"]
    assert call("data", "validate", "shop")[0] == 0


def test_two_tokenizations_of_one_dataset_at_once(call, shop):
    request = TokenizationRequest(Path("data/shop"), make_tokenizer_config(None, None, levels=2, codes=4), quiet=True)
    with ThreadPoolExecutor(2) as threads:
        errors = [task.exception() for task in [threads.submit(tokenize_items, request) for _ in range(2)]]
    (error,) = filter(None, errors)
    assert "holds semantic IDs already; replace them with --force" in str(error)
    assert call("data", "validate", "shop")[0] == 0
    assert [path.name for path in Path("data").iterdir()] == ["shop"]


@pytest.mark.slow
def test_tokenizations_by_several_processes_at_once(call, shop, tmp_path):
    words = ("data", "tokenize", "shop", "--levels", "2", "--codes", "4", "--quiet")
    processes = [start(*words) for _ in range(3)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2, 2], errors
    assert sum("holds semantic IDs already; replace them with --force" in error for error in errors) == 2
    processes = [start(*words, "--force") for _ in range(3)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert call("data", "validate", "shop")[0] == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["shop"]


def test_semantic_ids_that_are_not_those_of_their_record(call, shop):
    call("data", "tokenize", "shop", "--levels", "2", "--codes", "4", "--quiet")
    path = shop / "shop.index.json"
    path.write_text(path.read_text().replace("<a_1>", "<a_0>"))
    for words in (("run", "-m", "pop", "-d", "rank-items", "--data", "shop"), ("data", "show", "shop")):
        code, _, err = call(*words)
        assert code == 3
        assert "shop.index.json is not the file that shop.index.meta.json describes; make the semantic IDs again" in err
    code, out, _ = call("data", "validate", "shop")
    assert (code, "is not the file that shop.index.meta.json describes" in out) == (3, True)
    assert call("data", "tokenize", "shop", "--levels", "2", "--codes", "4", "--force", "--quiet")[0] == 0
    assert call("data", "validate", "shop")[0] == 0


def test_times_are_validated_and_ties_counted(call, tmp_path):
    rows = "".join(f"{user},{item},{min(item, 3)}\n" for user in "abc" for item in range(1, 6))
    Path("r.csv").write_text("user,item,time\n" + rows)
    code, out, _ = call("data", "import", "r.csv", "--name", "n", "--k-core", "0")
    assert code == 0
    assert "  9 interactions at the time of another one of their user, in the order of a fixed rule" in out
    assert "3 test targets are among them" in out
    code, out, _ = call("data", "validate", "n")
    assert (code, "9 interactions are at the time of another one of their user, 3 test targets" in out) == (0, True)
    sequences = tmp_path / "data" / "n" / "n.inter.json"
    sequences.write_text(sequences.read_text().replace("[0, 1", "[1"))
    code, out, _ = call("data", "validate", "n")
    assert (code, "n.times.parquet has 5 times for user 0, who has 4 interactions" in out) == (3, True)
