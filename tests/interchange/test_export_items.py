"""Recommended items in the user's own terms."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.external_ids import write_external_ids
from mindrec_bench.errors import DataError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.interchange.export_items import export_items
from mindrec_bench.interchange.score import ExternalRankings, score_file

N_ITEMS = 24
IDS = [f'b"{item}, é' for item in range(N_ITEMS)]


@pytest.fixture
def shop(tmp_path):
    """Imported data whose items 22 and 23 share a semantic ID, and whose ids need quoting."""
    folder = tmp_path / "data" / "Shop"
    folder.mkdir(parents=True)
    sequences = {str(user): [(user + step) % N_ITEMS for step in range(8)] for user in range(40)}
    sids = {str(item): [f"<a_{min(item, 22) % 5}>", f"<b_{min(item, 22) // 5}>"] for item in range(N_ITEMS)}
    items = {
        str(item): {"title": f"Thing {item}"} if item % 2 else {"categories": "Music,Drums"} for item in range(N_ITEMS)
    }
    for kind, content in {"inter": sequences, "index": sids, "item": items}.items():
        (folder / f"Shop.{kind}.json").write_text(json.dumps(content))
    write_external_ids(folder, "Shop", "users", [f"user {user}" for user in range(40)])
    write_external_ids(folder, "Shop", "items", IDS)
    return folder


@pytest.fixture
def stored(shop, tmp_path):
    def run(decoder, **settings):
        options = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")
        config = ExperimentConfig("markov", decoder, data=str(shop), categories="none", **settings)
        return run_experiment(config, options).run

    return run


def rows_of(path):
    """The rows of a file of any format, as Python values."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "rank": int(row["rank"]), "score": float(row["score"])} for row in rows]


def test_rows_by_hand(stored, tmp_path) -> None:
    run = stored("rank-items", beam=3)
    rows = rows_of(export_items(run, "items-jsonl", tmp_path / "out"))
    assert len(rows) == 40 * 3
    # user 0 has had 0 to 6 (7 is the target): 7 followed 6 in training
    assert [rows[0][name] for name in ("user", "rank", "item", "title", "shared_with")] == [
        "user 0",
        1,
        IDS[7],
        "Thing 7",
        [],
    ]
    assert rows[1]["score"] <= rows[0]["score"] < 0
    shared = [row for row in rows if row["item"] == IDS[22]]
    assert shared
    assert {tuple(row["shared_with"]) for row in shared} == {(IDS[23],)}
    assert {row["title"] for row in shared} == {"Music,Drums"}, "the categories, where there is no title"


@pytest.mark.parametrize("decoder", ["rank-items", "bs"])
def test_all_formats_hold_the_same(stored, tmp_path, decoder) -> None:
    run = stored(decoder)
    tables = {kind: rows_of(export_items(run, f"items-{kind}", tmp_path)) for kind in ("csv", "parquet", "jsonl")}
    assert tables["parquet"] == tables["jsonl"]
    for from_csv, row in zip(tables["csv"], tables["jsonl"], strict=True):
        empty = {"item": row["item"] or "", "title": row["title"] or "", "shared_with": " ".join(row["shared_with"])}
        assert from_csv == {**row, **empty}


def test_codes_that_no_item_has_are_rows_without_item(tmp_path, shop) -> None:
    lists = [f"user {user},{rank},{codes}" for user in range(40) for rank, codes in ((1, "3 4"), (2, "2 4"))]
    (tmp_path / "codes.csv").write_text("\n".join(["user,rank,codes", *lists]))
    run = score_file(ExternalRankings(tmp_path / "codes.csv", "mine", str(shop)), runs_dir=tmp_path / "runs")
    assert run.summary.metrics["valid"] == 0.5
    first, second, *_ = rows_of(export_items(run, "items-parquet", tmp_path))
    assert (first["item"], first["title"], first["shared_with"]) == (None, None, [])
    assert (second["item"], second["shared_with"]) == (IDS[22], [IDS[23]])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_file_can_be_scored_and_gives_the_same_metrics(stored, tmp_path, shop, kind) -> None:
    run = stored("rank-items")
    path = export_items(run, f"items-{kind}", tmp_path)
    again = score_file(ExternalRankings(path, "mine", str(shop)), runs_dir=tmp_path / "runs")
    for metric in ("hr@1", "hr@10", "ndcg@10"):
        assert again.summary.metrics[metric] == pytest.approx(run.summary.metrics[metric])
    assert rows_of(export_items(again, "items-parquet", tmp_path)) == rows_of(
        export_items(run, "items-parquet", tmp_path)
    )


def test_a_title_that_a_spreadsheet_would_compute_is_quoted(stored, tmp_path, shop) -> None:
    texts = json.loads((shop / "Shop.item.json").read_text())
    formulas = {item: {"title": f"=1+{item}"} for item in texts}
    (shop / "Shop.item.json").write_text(json.dumps(formulas))
    run = stored("rank-items", beam=1)
    plain = rows_of(export_items(run, "items-csv", tmp_path / "plain", quote_formulas=False))
    assert {row["title"][:3] for row in plain} == {"=1+"}
    quoted = rows_of(export_items(run, "items-csv", tmp_path))
    assert [row["title"] for row in quoted] == [f"'{row['title']}" for row in plain]
    assert [row["item"] for row in quoted] == [row["item"] for row in plain]
    assert rows_of(export_items(run, "items-jsonl", tmp_path))[0]["title"] == plain[0]["title"]


def test_data_without_semantic_ids(stored, tmp_path, shop) -> None:
    (shop / "Shop.index.json").unlink()
    rows = rows_of(export_items(stored("rank-items", beam=1), "items-jsonl", tmp_path))
    assert {tuple(row["shared_with"]) for row in rows} == {()}
    assert rows[0]["item"] == IDS[7]


def test_changed_data_are_refused(stored, tmp_path, shop) -> None:
    run = stored("rank-items")
    (shop / "Shop.inter.json").write_text(json.dumps({"0": [1, 2, 3]}))
    with pytest.raises(DataError, match=f"has changed since run {run.id}"):
        export_items(run, "items-csv", tmp_path)
