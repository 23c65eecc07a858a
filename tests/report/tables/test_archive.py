"""The runs behind tables are kept without their rankings, and the tables stay the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mindrec_bench.report.table_spec_io import parse_table_spec
from mindrec_bench.report.tables.archive import archive_runs
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.report.tables.render import render_tables
from mindrec_bench.report.tables.table import Table
from mindrec_bench.store.runs import Run, find_run, find_runs

ROWS = "".join(
    f'[[rows]]\nlabel = "{model}"\nmodel = "{model}"\ndecoder = "bs"\ncategories = "none"\n'
    for model in ("markov", "pop")
)


def make_table(runs: list[Run], metrics: str) -> Table:
    head = f'title = "t"\ndata = ["arts"]\nmetrics = {metrics}\nreference = "pop"\n'
    return build_table(parse_table_spec(head + ROWS, "t", "t.toml"), runs, resamples=100)


def text_of(table: Table) -> str:
    return render_tables([table], "json", with_intervals=False, colour=False)


def test_tables_of_kept_runs_are_the_same(store_run: Callable[..., Run], tmp_path: Path) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=1), store_run("pop", "dbs-dedup")]
    table = make_table(runs, '["hr@3", "ndcg@10", "entropy", "ttr"]')
    paths = archive_runs([table], {run.id: run for run in runs}, tmp_path / "kept")
    kept = list(find_runs(tmp_path / "kept"))
    assert sorted(run.path for run in kept) == sorted(paths)
    assert {run.id for run in kept} == {run.id for run in runs[:2]}, "the third is behind no cell"
    assert {run.summary.lacks for run in kept} == {("rankings",)}
    assert text_of(make_table(kept, '["hr@3", "ndcg@10", "entropy", "ttr"]')) == text_of(table)


def test_codes_are_kept_only_where_a_table_needs_them(store_run: Callable[..., Run], tmp_path: Path) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=1)]
    by_id = {run.id: run for run in runs}
    archive_runs([make_table(runs, '["hr@3"]')], by_id, tmp_path / "kept")
    assert {run.summary.lacks for run in find_runs(tmp_path / "kept")} == {("rankings", "codes")}
    archive_runs([make_table(runs, '["ttr"]')], by_id, tmp_path / "kept")
    assert {run.summary.lacks for run in find_runs(tmp_path / "kept")} == {("rankings",)}
    archive_runs([make_table(runs, '["hr@3"]')], by_id, tmp_path / "kept")
    assert {run.summary.lacks for run in find_runs(tmp_path / "kept")} == {("rankings",)}, "they stay"


def test_a_run_store_can_be_its_own_archive(store_run: Callable[..., Run], tmp_path: Path) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=1)]
    root = runs[0].path.parents[3]
    archive_runs([make_table(runs, '["ttr"]')], {run.id: run for run in runs}, root)
    assert all(find_run(root, run.id) == run for run in runs), "whole runs stay whole"
    archive_runs([make_table(runs, '["hr@3"]')], {run.id: run for run in runs}, tmp_path / "kept")
    kept = list(find_runs(tmp_path / "kept"))
    archive_runs([make_table(kept, '["ttr"]')], {run.id: run for run in kept}, tmp_path / "kept")
    assert list(find_runs(tmp_path / "kept")) == kept
