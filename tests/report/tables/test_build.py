"""Stored runs fill the cells, the caption and the footnotes of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mindrec_bench.report.table_spec import TableSpec
from mindrec_bench.report.table_spec_io import load_table_spec, parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.report.tables.caption import caption
from mindrec_bench.report.tables.csv_json import to_dict
from mindrec_bench.report.tables.footnotes import footnotes
from mindrec_bench.report.tables.latex import to_latex
from mindrec_bench.report.tables.run_data import load_systems
from mindrec_bench.report.tables.table_lines import table_lines
from mindrec_bench.stats.comparison import compare

from ...summaries import with_summary

Store = Callable[..., dict[str, Any]]

TEXT = """
title = "Four decoders"
data = ["arts"]
metrics = ["hr@1", "ndcg@10", "entropy", "ttr", "duplicates"]
reference = "bs"
findings = ["ttr"]
[[rows]]
label = "bs"
model = "markov"
decoder = "bs"
published.arts = ["0.1000", "-", "4.000", "0.0010", "-"]
[[rows]]
label = "dedup"
model = "markov"
decoder = "dbs-dedup"
note = "keeps distinct sequences"
[[rows]]
label = "same as dedup"
model = "pop"
decoder = "dbs-dedup"
[[rows]]
label = "released"
model = "markov"
decoder = "dbs-penalty:variant=released"
[[rows]]
label = "elsewhere"
model = "pop"
decoder = "bs"
absent = "their code is not public"
"""


@pytest.fixture
def spec() -> TableSpec:
    return parse_table_spec(TEXT, "mine", "mine.toml")


@pytest.fixture
def runs(store_run: Store) -> list[dict[str, Any]]:
    dedup = {"noise": 1, "hit": 0.9}
    return [
        store_run("markov", "bs"),
        store_run("markov", "dbs-dedup", **dedup),
        store_run("pop", "dbs-dedup", **dedup),
    ]


def test_cells_hold_values_published_values_and_comparisons(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    table = build_table(spec, runs, resamples=500, seed=3)
    reference, dedup, same, released, elsewhere = table.rows
    assert [cell.value for cell in dedup.cells] == pytest.approx([runs[1].summary.metrics[m] for m in spec.metrics])
    assert reference.cells[0].difference == pytest.approx(runs[0].summary.metrics["hr@1"] - 0.1)
    assert (reference.cells[1].published, reference.cells[1].difference) == (None, None)
    assert all(cell.comparison is None for cell in reference.cells)
    systems = load_systems([(run.id, [run]) for run in runs], with_codes=True)
    expected = compare(systems[0], systems[1:], spec.metrics, resamples=500, seed=3)
    assert [cell.comparison for cell in dedup.cells[:4]] == list(expected[0].values())
    assert dedup.cells[4].comparison is None  # shares of a run are shown, not tested
    assert dedup.cells[1].significant
    assert [cell.value for cell in released.cells] == [None] * 5
    assert released.missing == {
        "arts": ("mrbench run --model markov --decoder dbs-penalty:variant=released --data arts",)
    }
    assert (elsewhere.missing, elsewhere.reasons) == ({}, {"arts": "their code is not public"})
    assert table.users == {"arts": 60}
    assert table.ttr_bounds["arts"].n_codes == 24
    assert set(table.ttr_bounds["arts"].tokens.values()) == {table.ttr_bounds["arts"].full_tokens} == {60 * 10 * 4}
    assert same.cells[0].comparison == dedup.cells[0].comparison


def test_ties_share_a_rank_and_fewer_duplicates_are_better(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    table = build_table(spec, runs, resamples=100)
    ranks = [[row.cells[column].rank for row in table.rows] for column in (1, 4)]
    assert ranks == [[2, 1, 1, 0, 0], [1, 2, 2, 0, 0]]


def test_search_error_is_a_column_where_it_is_known(store_run: Store) -> None:
    """A run of a network has none."""
    text = TEXT.replace('"hr@1", "ndcg@10", "entropy", "ttr", "duplicates"', '"exact@10", "lost@10"')
    text = text.replace('published.arts = ["0.1000", "-", "4.000", "0.0010", "-"]', "")
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup"), store_run("pop", "dbs-dedup")]
    runs[0] = with_summary(runs[0], search_error={"exact@10": 0.25, "lost@10": 0.5})
    runs[1] = with_summary(runs[1], search_error={"exact@10": 0.75, "lost@10": 0.125})
    table = build_table(parse_table_spec(text, "mine", "mine.toml"), runs, resamples=100)
    values = [[cell.value for cell in row.cells] for row in table.rows]
    assert values == [[0.25, 0.5], [0.75, 0.125], [None, None], [None, None], [None, None]]
    assert [[cell.rank for cell in row.cells] for row in table.rows[:3]] == [[2, 2], [1, 1], [0, 0]]


def test_a_lone_value_is_not_the_best(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    assert {cell.rank for cell in build_table(spec, runs[:1]).rows[0].cells} == {0}


def test_without_its_reference_a_table_is_not_tested(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    table = build_table(spec, runs[1:])
    assert all(cell.comparison is None for row in table.rows for cell in row.cells)
    assert "differs from" not in caption(table)
    assert caption(table).endswith("Not tested on arts: no run of the reference there.")


def test_where_a_reference_has_no_run_the_next_one_is_used(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    table = build_table(replace(spec, reference=("elsewhere", "dedup", "bs")), runs, resamples=300)
    assert table.references == {"arts": "dedup"}
    tested = [row.label for row in table.rows if row.cells[0].comparison]
    assert tested == ["bs", "same as dedup"]
    assert "* differs from 'dedup' at 0.05" in caption(table)
    differing = replace(table, references={"arts": "dedup", "games": "bs"})
    assert "* differs from 'dedup' (arts), 'bs' (games) at 0.05" in caption(differing)


def test_intervals_are_computed_on_request(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    plain, with_intervals = (build_table(spec, runs, with_intervals=flag, resamples=300) for flag in (False, True))
    assert all(cell.interval is None for row in plain.rows for cell in row.cells)
    hr, ndcg, entropy, ttr, _ = with_intervals.rows[1].cells
    for cell in (hr, ndcg, entropy):
        assert cell.interval[0] <= cell.value <= cell.interval[1]
    assert ttr.interval is None


def test_the_caption_states_what_was_measured_and_how(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    text = caption(build_table(spec, runs, resamples=500))
    assert "Measured on 60 users of arts; seed 42; beam 10." in text
    assert (
        "* differs from 'bs' at 0.05 (two-sided; exact McNemar for HR; paired randomisation (sign flips) of 500 "
        "resamples for NDCG; paired randomisation (lists swapped) of 500 resamples for Entropy and TTR; Holm over up "
        "to 2 comparisons a column)." in text
    )
    assert "80% power at 0.05" in text


def test_footnotes_are_computed(spec: TableSpec, runs: list[dict[str, Any]]) -> None:
    notes = footnotes(build_table(spec, runs, resamples=100))
    assert "dedup: keeps distinct sequences" in notes
    assert "TTR on arts can't exceed 0.01000: 24 codes over 2,400 tokens (60 users, 10 results of 4 codes)." in notes
    assert "- elsewhere on arts: their code is not public." in notes
    assert notes[-1].startswith("- elsewhere") or notes[-1].startswith("- released on arts: mrbench run")


def test_under_trained_rows_are_named(store_run: Store) -> None:
    spec = parse_table_spec(TEXT.replace('"markov"', '"llada"'), "mine", "mine.toml")
    run = store_run("llada", "bs", size="small", under_trained=True)
    table = build_table(spec, [run])
    assert any("Under-trained" in note and note.endswith(": 'bs'.") for note in footnotes(table))
    assert "Epochs trained: 2.5 on arts: 'bs'." in footnotes(table)
    assert "size small" in caption(table)


def test_a_time_limit_of_the_training_is_stated(store_run: Store) -> None:
    spec = parse_table_spec(TEXT.replace('"markov"', '"llada"'), "mine", "mine.toml")
    table = build_table(spec, [store_run("llada", "bs", size="small", max_minutes=40.0)])
    assert "Epochs trained: 2.5 on arts (at most 40 minutes): 'bs'." in footnotes(table)


def test_several_seeds_are_averaged(store_run: Store) -> None:
    spec = parse_table_spec(TEXT.replace("reference", "seeds = [0, 1]\nreference"), "mine", "mine.toml")
    runs = [store_run("markov", decoder, seed=seed) for decoder in ("bs", "dbs-dedup") for seed in (0, 1)]
    table = build_table(spec, runs, resamples=200)
    assert "mean of seeds 0, 1" in caption(table)
    assert table.rows[1].cells[0].comparison.test == "randomisation"
    assert any("(60 users, 10 results of 4 codes, the lists of 2 seeds pooled)" in note for note in footnotes(table))


def test_short_lists_are_said_not_to_be_comparable(spec: TableSpec, store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup", results=5)]
    notes = footnotes(build_table(spec, runs, resamples=100))
    assert (
        "'dedup' on arts recommends 1,200 of 2,400 tokens, since its lists are shorter: its TTR can reach 0.02000 and "
        "does not compare with the others." in notes
    )


def test_table_1_without_any_run() -> None:
    table = build_table(load_table_spec("table1"), [])
    assert [cell.difference for cell in table.rows[0].cells[:2]] == [1, 1]
    assert [cell.difference for cell in table.rows[1].cells] == [0] * 9


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table5", "table6", "fig3", "fig4", "fig5"])
def test_the_papers_tables_without_any_run(name: str) -> None:
    table = build_table(load_table_spec(name), [])
    assert "No runs are stored yet" in caption(table)
    for row in table.rows:
        assert set(row.missing) | set(row.reasons) == set(table.spec.data)


def test_findings_of_the_audit_are_footnotes_of_the_papers_tables() -> None:
    notes = {
        name: footnotes(build_table(load_table_spec(name), [])) for name in ("table2", "table3", "table4", "table6")
    }
    assert any(note.startswith("The claimed 9.5% average improvement") for note in notes["table2"])
    assert any(note.startswith("'LETTER-LLaDA' of Table 2 and 'Training w/o category'") for note in notes["table2"])
    assert any("0.0048 of Inference w/o category fits all users" in note for note in notes["table3"])
    assert any("exceeds the bound 0.00505 (1,010 codes over 200,000 tokens)" in note for note in notes["table3"])
    assert any("HR@1 137:140 0.25 to 0.9" in note for note in notes["table4"])
    assert any("HR@3 169:171 0.5 to 0.96" in note for note in notes["table6"])


def test_rows_that_exclude_the_history_are_never_mixed_silently(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", exclude_history=True)]
    head = 'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\n'
    rows = ['[[rows]]\nlabel = "a"\nmodel = "markov"\ndecoder = "bs"\n', '[[rows]]\nlabel = "b"\nmodel = "pop"\n']
    rows[1] += 'decoder = "bs"\nexclude_history = true\n'
    mixed = build_table(parse_table_spec(head + "".join(rows), "mine", "mine.toml"), runs)
    assert all(row.runs for row in mixed.rows)
    assert [line.label for line in table_lines(mixed)] == ["a", "b †"]
    assert "† never recommends items of the history; the other rows may." in caption(mixed)
    assert [row["history_excluded"] for row in to_dict(mixed)["rows"]] == [False, True]
    assert r"b $\dagger$ &" in to_latex(mixed)
    alike = build_table(parse_table_spec(head + rows[1], "mine", "mine.toml"), runs)
    assert [line.label for line in table_lines(alike)] == ["b"]
    assert "beam 10; history excluded." in caption(alike)
    without = build_table(parse_table_spec(head + rows[0], "mine", "mine.toml"), runs)
    assert "history" not in caption(without)
    # A row without runs has nothing to mix.
    assert "†" not in caption(build_table(parse_table_spec(head + "".join(rows), "mine", "mine.toml"), runs[:1]))


def test_the_caption_says_what_is_held_out_and_how_long_histories_are(store_run: Store) -> None:
    runs = [
        store_run("markov", "bs", holdout="time:0.9", history=20),
        store_run("pop", "bs", holdout="time:0.9", history=50),
    ]
    text = (
        'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\nholdout = "time:0.90"\nhistory = 20\n'
        '[[rows]]\nlabel = "a"\nmodel = "markov"\ndecoder = "bs"\n'
        '[[rows]]\nlabel = "b"\nmodel = "pop"\ndecoder = "bs"\nhistory = 50\n'
    )
    table = build_table(parse_table_spec(text, "mine", "mine.toml"), runs)
    assert [row.runs for row in table.rows] == [{"arts": (run.id,)} for run in runs]
    assert "; holdout time:0.9; histories of the latest 20 and 50 items." in caption(table)
    plain = build_table(parse_table_spec(TEXT, "mine", "mine.toml"), [store_run("markov", "bs")])
    assert "holdout" not in caption(plain)
    assert "histories" not in caption(plain)


def test_a_metric_beyond_the_lists_is_explained(store_run: Store) -> None:
    table = build_table(
        parse_table_spec(TEXT.replace("ndcg@10", "ndcg@20"), "mine", "mine.toml"), [store_run("markov", "bs")]
    )
    assert [note for note in footnotes(table) if "NDCG@20" in note] == [
        "NDCG@20 on arts needs lists of 20 results; those of 'bs' have 10."
    ]
