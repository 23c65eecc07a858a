"""Which runs fill which cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.table_spec import TableSpec
from mindrec_bench.report.table_spec_io import parse_table
from mindrec_bench.report.tables.match_runs import RunFinder

Store = Callable[..., dict[str, Any]]


def table(head: str = "", row: str = "", model: str = "markov", decoder: str = "bs") -> TableSpec:
    return parse_table(
        f'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\n{head}\n'
        f'[[rows]]\nlabel = "row"\nmodel = "{model}"\ndecoder = "{decoder}"\ncategories = "none"\n{row}\n',
        "t",
        "t.toml",
    )


def found(spec: TableSpec, *runs: dict[str, Any]) -> tuple[str, ...]:
    return tuple(run["run"] for run in RunFinder(spec, runs).cell(spec.rows[0], spec.data[0]).runs)


def test_a_run_that_fits_in_everything(store_run: Store) -> None:
    run = store_run("markov", "bs")
    assert found(table(), run) == (run["run"],)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "pop"}, {"decoder": "dbs-dedup"}, {"decoder": "bs:normalise=slot"}, {"data": "games"},
        {"data": "arts:levels=2"}, {"categories": "generate"}, {"constrain": "catalogue"}, {"beam": 5}, {"seed": 1},
        {"eval_users": 10}, {"exclude_history": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_run_that_differs_in_one_thing_is_not_taken(store_run: Store, changes: dict[str, Any]) -> None:
    model, decoder = changes.pop("model", "markov"), changes.pop("decoder", "bs")
    other = store_run(model, decoder, **changes)
    assert found(table(), other) == ()


def test_a_missing_run_gives_its_command() -> None:
    spec = table('seeds = [42, 7]\nsize = "small"', model="llada")
    cell = RunFinder(spec, []).cell(spec.rows[0], "arts")
    assert cell.missing == (
        "mrbench run --model llada --decoder bs --data arts --size small --categories none",
        "mrbench run --model llada --decoder bs --data arts --size small --categories none --seed 7",
    )


def test_a_model_without_sizes_gets_none_in_its_command() -> None:
    spec = table('size = "small"')
    assert "--size" not in RunFinder(spec, []).cell(spec.rows[0], "arts").missing[0]


def test_a_row_with_a_reason_gives_no_command() -> None:
    spec = table(row='absent.arts = "not here"')
    assert RunFinder(spec, []).cell(spec.rows[0], "arts").missing == ()


@pytest.mark.parametrize(("spelling", "stored"), [("ARTS", "arts"), ("arts", "./data/arts"), ("Arts", "arts")])
def test_data_may_be_spelled_in_several_ways(store_run: Store, spelling: str, stored: str) -> None:
    run = store_run("markov", "bs", data="arts")
    run["data"] = stored
    spec = table()
    assert found(parse_table_with_data(spelling), run) == (run["run"],)
    assert spec.data == ("arts",)


def parse_table_with_data(data: str) -> TableSpec:
    text = (
        f'title = "t"\ndata = ["{data}"]\nmetrics = ["hr@1"]\n[[rows]]\nlabel = "r"\nmodel = "markov"\ndecoder = "bs"'
    )
    return parse_table(text, "t", "t.toml")


def test_a_trained_model_is_known_by_its_options_at_its_size(store_run: Store) -> None:
    run = store_run("llada:p_mask=0.4", "bs", size="tiny")
    assert run["spec"]["model"]["options"]["lr"] is not None
    assert found(table(model="llada:p_mask=0.4"), run) == (run["run"],)
    assert found(table(model="llada"), run) == ()


def test_a_published_model_is_found_whatever_version_its_files_were(store_run: Store) -> None:
    run = store_run("llada", "bs", size="8b")
    run["spec"]["model"]["options"]["files"] = {"checkpoint": "org/name@0123"}
    assert found(table(model="llada"), run) == (run["run"],)
    assert found(table(model="llada:pad=attend"), run) == ()


def test_options_that_equal_the_defaults_change_nothing(store_run: Store) -> None:
    run = store_run("markov", "dbs-penalty")
    assert found(table(decoder="dbs-penalty:variant=printed"), run) == (run["run"],)


def test_a_row_without_categories_takes_what_the_command_would(store_run: Store) -> None:
    none, generate = store_run("markov", "bs"), store_run("markov", "bs", categories="generate")
    spec = parse_table_with_data("arts")
    assert found(spec, none) == (none["run"],)
    assert found(spec, none, generate) == (generate["run"],)


def test_seeds_come_in_the_heads_order_and_all_or_none(store_run: Store) -> None:
    first, second = store_run("markov", "bs", seed=0), store_run("markov", "bs", seed=1)
    spec = table("seeds = [1, 0]")
    assert found(spec, first, second) == (second["run"], first["run"])
    cell = RunFinder(spec, [first]).cell(spec.rows[0], "arts")
    assert (cell.runs, len(cell.missing)) == ((), 1)


def test_users_are_those_asked_for(store_run: Store) -> None:
    run = store_run("markov", "bs")
    some, whole = {**run, "users_asked": 60}, {**run, "users_asked": None}
    assert found(table('users = "all"'), run, whole) == (whole["run"],)
    assert found(table(), run) == (run["run"],)
    assert found(table(), some) == ()
    assert found(table("users = 60"), run, some) == (some["run"],)


def test_auto_takes_the_largest_size_any_row_has(store_run: Store) -> None:
    text = 'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\n'
    for decoder in ("bs", "dbs-dedup"):
        text += f'[[rows]]\nlabel = "{decoder}"\nmodel = "llada"\ndecoder = "{decoder}"\ncategories = "none"\n'
    text += '[[rows]]\nlabel = "8b"\nmodel = "llada"\ndecoder = "bs"\ncategories = "none"\nsize = "8b"\n'
    spec = parse_table(text, "t", "t.toml")
    small = store_run("llada", "bs", size="small")
    tiny = [store_run("llada", decoder, size="tiny") for decoder in ("bs", "dbs-dedup")]
    finder = RunFinder(spec, [*tiny, small])
    cells = [finder.cell(row, "arts") for row in spec.rows]
    assert [cell.size for cell in cells] == ["small", "small", "8b"]
    assert [len(cell.runs) for cell in cells] == [1, 0, 0]
    assert "--size small" in cells[1].missing[0]
    tiny_only = RunFinder(spec, tiny)
    assert [len(tiny_only.cell(row, "arts").runs) for row in spec.rows] == [1, 1, 0]


@pytest.mark.parametrize(
    ("present", "asked", "taken"), [((5.0, None, 40.0), None, None), ((40.0, 5.0), None, 40.0), ((40.0, 5.0), 5, 5.0)]
)
def test_the_longest_training_counts_unless_the_head_names_one(store_run: Store, present, asked, taken) -> None:
    runs = [store_run("llada", "bs", size="tiny", max_minutes=minutes) for minutes in present]
    spec = replace(table(model="llada"), max_minutes=asked)
    (found,) = RunFinder(spec, runs).cell(spec.rows[0], "arts").runs
    assert found["max_minutes"] == taken


def test_a_time_limit_is_no_question_to_what_is_not_trained(store_run: Store) -> None:
    spec = replace(table(model="markov"), max_minutes=5)
    assert RunFinder(spec, [store_run("markov", "bs")]).cell(spec.rows[0], "arts").runs


def test_the_commands_of_missing_runs_carry_the_time_limit() -> None:
    spec = replace(table(model="llada"), max_minutes=30)
    (command,) = RunFinder(spec, []).cell(spec.rows[0], "arts").missing
    assert command.endswith("--max-minutes 30")


def test_two_runs_for_one_cell_are_a_conflict(store_run: Store) -> None:
    runs = [store_run("llada", "bs", size="tiny", data=data) for data in ("arts", "ARTS")]
    spec = table(model="llada")
    with pytest.raises(UsageError, match=r"two runs fit the row 'row': .* which differ in data"):
        RunFinder(spec, runs).cell(spec.rows[0], "arts")


def test_tables_show_test_items_only(store_run: Store) -> None:
    spec = table(model="markov")
    assert found(spec, store_run("markov", "bs", split="valid")) == ()
    assert found(spec, store_run("markov", "bs")) != ()
