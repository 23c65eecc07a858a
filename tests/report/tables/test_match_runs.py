"""Which stored runs fill which cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.table_spec import TableSpec, override
from mindrec_bench.report.table_spec_io import parse_table_spec
from mindrec_bench.report.tables.match_runs import RunMatcher

from ...summaries import with_spec, with_summary

Store = Callable[..., dict[str, Any]]


def table_spec(head: str = "", row: str = "", model: str = "markov", decoder: str = "bs") -> TableSpec:
    return parse_table_spec(
        f'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\n{head}\n'
        f'[[rows]]\nlabel = "row"\nmodel = "{model}"\ndecoder = "{decoder}"\ncategories = "none"\n{row}\n',
        "t",
        "t.toml",
    )


def matched(spec: TableSpec, *runs: dict[str, Any]) -> tuple[str, ...]:
    """Ids of the runs that fill the first row on the first dataset."""
    return tuple(run.id for run in RunMatcher(spec, runs).match(spec.rows[0], spec.data[0]).runs)


def test_a_run_that_matches_in_everything(store_run: Store) -> None:
    run = store_run("markov", "bs")
    assert matched(table_spec(), run) == (run.id,)


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
    assert matched(table_spec(), other) == ()


def test_a_damaged_run_is_missing_and_named(store_run: Store, notices: list[str]) -> None:
    run = store_run("markov", "bs")
    spec = table_spec()
    content = bytearray((run.path / "metrics.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / "metrics.parquet").write_bytes(content)
    cell = RunMatcher(spec, [run]).match(spec.rows[0], "arts")
    assert cell.runs == ()
    assert len(cell.missing) == 1
    assert [line.split(";")[0] for line in notices] == [f"{run.path / 'metrics.parquet'} is damaged"]


def test_a_missing_run_gives_its_command() -> None:
    spec = table_spec('seeds = [42, 7]\nsize = "small"', model="llada")
    cell = RunMatcher(spec, []).match(spec.rows[0], "arts")
    assert cell.missing == (
        "mrbench run --model llada --decoder bs --data arts --size small --categories none",
        "mrbench run --model llada --decoder bs --data arts --size small --categories none --seed 7",
    )


def test_a_missing_run_has_the_config_of_its_command() -> None:
    spec = table_spec("seeds = [42, 7]", model="llada")
    cell = RunMatcher(spec, []).match(spec.rows[0], "arts")
    assert tuple(cell.missing_configs) == cell.missing
    assert [config.seed for config in cell.missing_configs.values()] == [42, 7]


def test_rankings_made_elsewhere_have_a_command_and_no_config() -> None:
    spec = table_spec(model="theirs", decoder="external")
    cell = RunMatcher(spec, []).match(spec.rows[0], "arts")
    assert cell.missing == ("mrbench score FILE --name theirs --data arts",)
    assert cell.missing_configs == {}


def test_a_model_without_sizes_gets_none_in_its_command() -> None:
    spec = table_spec('size = "small"')
    assert "--size" not in RunMatcher(spec, []).match(spec.rows[0], "arts").missing[0]


def test_a_row_with_a_reason_gives_no_command() -> None:
    spec = table_spec(row='absent.arts = "not here"')
    assert RunMatcher(spec, []).match(spec.rows[0], "arts").missing == ()


@pytest.mark.parametrize(("name", "stored"), [("ARTS", "arts"), ("arts", "./data/arts"), ("Arts", "arts")])
def test_data_may_be_named_in_several_ways(store_run: Store, name: str, stored: str) -> None:
    run = with_summary(store_run("markov", "bs", data="arts"), data=stored)
    spec = table_spec()
    assert matched(spec_with_data(name), run) == (run.id,)
    assert spec.data == ("arts",)


def spec_with_data(data: str) -> TableSpec:
    text = (
        f'title = "t"\ndata = ["{data}"]\nmetrics = ["hr@1"]\n[[rows]]\nlabel = "r"\nmodel = "markov"\ndecoder = "bs"'
    )
    return parse_table_spec(text, "t", "t.toml")


def test_a_trained_model_is_matched_by_its_options_at_its_size(store_run: Store) -> None:
    run = store_run("llada:p_mask=0.4", "bs", size="tiny")
    assert run.spec.model.options == {"p_mask": 0.4}
    assert matched(table_spec(model="llada:p_mask=0.4"), run) == (run.id,)
    assert matched(table_spec(model="llada"), run) == ()


def test_a_published_model_is_matched_whatever_the_version_of_its_files(store_run: Store) -> None:
    run = store_run("llada", "bs", size="8b")
    run = with_spec(run, model=replace(run.spec.model, files={"checkpoint": "org/name@0123"}))
    assert matched(table_spec(model="llada"), run) == (run.id,)
    assert matched(table_spec(model="llada:pad=attend"), run) == ()


def test_options_that_equal_the_defaults_make_no_difference(store_run: Store) -> None:
    run = store_run("markov", "dbs-penalty")
    assert matched(table_spec(decoder="dbs-penalty:variant=printed"), run) == (run.id,)


def test_a_row_without_categories_takes_the_default_of_the_command(store_run: Store) -> None:
    none, generate = store_run("markov", "bs"), store_run("markov", "bs", categories="generate")
    spec = spec_with_data("arts")
    assert matched(spec, none) == (none.id,)
    assert matched(spec, none, generate) == (generate.id,)


def test_seeds_come_in_the_order_of_the_head_and_all_or_none(store_run: Store) -> None:
    first, second = store_run("markov", "bs", seed=0), store_run("markov", "bs", seed=1)
    spec = table_spec("seeds = [1, 0]")
    assert matched(spec, first, second) == (second.id, first.id)
    cell = RunMatcher(spec, [first]).match(spec.rows[0], "arts")
    assert (cell.runs, len(cell.missing)) == ((), 1)


def test_users_are_those_requested(store_run: Store) -> None:
    run = store_run("markov", "bs")
    first_60, all_users = with_summary(run, users_asked=60), with_summary(run, users_asked=None)
    assert matched(table_spec('users = "all"'), run, all_users) == (all_users.id,)
    assert matched(table_spec(), run) == (run.id,)
    assert matched(table_spec(), first_60) == ()
    assert matched(table_spec("users = 60"), run, first_60) == (first_60.id,)


def test_auto_takes_the_largest_size_of_any_row(store_run: Store) -> None:
    text = 'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1"]\n'
    for decoder in ("bs", "dbs-dedup"):
        text += f'[[rows]]\nlabel = "{decoder}"\nmodel = "llada"\ndecoder = "{decoder}"\ncategories = "none"\n'
    text += '[[rows]]\nlabel = "8b"\nmodel = "llada"\ndecoder = "bs"\ncategories = "none"\nsize = "8b"\n'
    spec = parse_table_spec(text, "t", "t.toml")
    small = store_run("llada", "bs", size="small")
    tiny = [store_run("llada", decoder, size="tiny") for decoder in ("bs", "dbs-dedup")]
    matcher = RunMatcher(spec, [*tiny, small])
    cells = [matcher.match(row, "arts") for row in spec.rows]
    assert [cell.size for cell in cells] == ["small", "small", "8b"]
    assert [len(cell.runs) for cell in cells] == [1, 0, 0]
    assert "--size small" in cells[1].missing[0]
    tiny_only = RunMatcher(spec, tiny)
    assert [len(tiny_only.match(row, "arts").runs) for row in spec.rows] == [1, 1, 0]


@pytest.mark.parametrize(
    ("stored", "limit", "expected"),
    [((5.0, None, 40.0), None, None), ((40.0, 5.0), None, 40.0), ((40.0, 5.0), 5, 5.0)],
)
def test_the_longest_training_counts_unless_the_head_fixes_a_limit(store_run: Store, stored, limit, expected) -> None:
    runs = [store_run("llada", "bs", size="tiny", max_minutes=minutes) for minutes in stored]
    spec = override(table_spec(model="llada"), max_minutes=limit)
    (run,) = RunMatcher(spec, runs).match(spec.rows[0], "arts").runs
    assert run.spec.max_minutes == expected


def test_a_time_limit_does_not_matter_for_models_that_are_not_trained(store_run: Store) -> None:
    spec = override(table_spec(model="markov"), max_minutes=5)
    assert RunMatcher(spec, [store_run("markov", "bs")]).match(spec.rows[0], "arts").runs


def test_the_commands_of_missing_runs_include_the_time_limit() -> None:
    spec = override(table_spec(model="llada"), max_minutes=30)
    (command,) = RunMatcher(spec, []).match(spec.rows[0], "arts").missing
    assert command.endswith("--max-minutes 30")


def test_two_runs_for_one_cell_are_a_conflict(store_run: Store) -> None:
    runs = [store_run("llada", "bs", size="tiny", data=data) for data in ("arts", "ARTS")]
    spec = table_spec(model="llada")
    with pytest.raises(UsageError, match=r"two runs match the row 'row': .* which differ in data"):
        RunMatcher(spec, runs).match(spec.rows[0], "arts")


def test_tables_show_test_items_only(store_run: Store) -> None:
    spec = table_spec(model="markov")
    assert matched(spec, store_run("markov", "bs", split="valid")) == ()
    assert matched(spec, store_run("markov", "bs")) != ()
