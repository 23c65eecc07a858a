"""The data of figures from stored runs: points, caption, and missing runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.figures.draw import make_drawing
from mindrec_bench.report.figures.figure import Figure, build_figure
from mindrec_bench.report.table_spec import TableSpec
from mindrec_bench.report.table_spec_io import load_table_spec, parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.store.runs import find_runs

from ...summaries import with_summary
from .figure_files import HEAD, point_row

Store = Callable[..., dict[str, Any]]
Runs = list[dict[str, Any]]


def test_points_are_the_cells_of_the_table_by_rising_x(figure: Figure, spec: TableSpec, runs: Runs) -> None:
    assert [(line.data, line.metric) for line in figure.series] == [
        (data, metric) for data in spec.data for metric in (*spec.metrics, "ms_per_user")
    ]
    table = build_table(spec, runs, with_intervals=True, resamples=200)
    cells = {row.label: row.cells for row in table.rows}
    for column, line in enumerate(figure.series[:4]):
        assert [point.x for point in line.points] == [0.2, 0.5, 0.8]
        for point in line.points:
            cell = cells[point.label][column]
            assert (point.value, (point.low, point.high)) == (cell.value, cell.interval or (None, None))
            assert (point.low is None) == (line.metric == "ttr")
    assert [point.runs for point in figure.series[0].points] == [(run.id,) for run in runs[:3]]


def test_only_ttr_has_a_bound(figure: Figure) -> None:
    bounds = {line.metric: {point.bound for point in line.points} for line in figure.series if line.data == "arts"}
    assert bounds.pop("ttr") == {24 / 2400}
    assert all(of_metric == {None} for of_metric in bounds.values())


def test_time_is_in_milliseconds_per_user_averaged_over_seeds(store_run: Store) -> None:
    text = HEAD.replace('"arts", "games"', '"arts"') + "seeds = [0, 1]\n" + point_row(0.5, x=0.5)
    runs = [store_run("markov:decay=0.5", "bs", seed=seed, speed=speed) for seed, speed in ((0, 50.0), (1, 200.0))]
    line = build_figure(parse_table_spec(text, "t", "t.toml"), runs, resamples=50).series[-1]
    assert (line.metric, line.points[0].value) == ("ms_per_user", (20 + 5) / 2)
    assert line.points[0].low is None


def test_a_run_without_timings_has_no_time(spec: TableSpec, runs: Runs) -> None:
    runs[0] = with_summary(runs[0], timings=None, environment=None)
    line = build_figure(spec, runs, resamples=50).series[4]
    assert [point.value for point in line.points] == [None, 20.0, pytest.approx(12.5)]


def test_missing_points_are_listed_with_their_commands(figure: Figure) -> None:
    command = "mrbench run --model markov:decay=0.5 --decoder bs --data games --categories none"
    assert figure.missing == (f"- decay=0.5 on games: {command}",)
    assert [point.value for point in figure.series[5].points][1] is None


def test_the_caption_states_what_was_measured(figure: Figure) -> None:
    for part in (
        "Measured on 60 users each of arts, games; seed 42; beam 10.",
        "markov x bs, categories none.",
        "Bars: bootstrap 95% intervals over users (TTR has none; dashed: what it can't exceed).",
        "Time: one pass over the users, training left out (x86_64, 128 users a batch).",
        "No run yet: 'decay=0.5' on games.",
        "A note.",
    ):
        assert part in figure.caption


def test_under_trained_points_are_named(store_run: Store) -> None:
    spec = load_table_spec("fig4")
    runs = [
        store_run(f"llada:p_mask={p}", "dbs-penalty", categories="generate", size="small", under_trained=p == 0.7)
        for p in (0.4, 0.7)
    ]
    caption = build_figure(spec, runs, resamples=50).caption
    assert "(validation still improved when time was up): 'p_mask=0.7'." in caption


@pytest.mark.parametrize(
    ("name", "xs"), [("fig3", (1, 2, 3, 4)), ("fig4", (0.4, 0.5, 0.6, 0.7)), ("fig5", (1, 2, 5, 10, 20))]
)
def test_the_papers_figures_match_their_points(store_run: Store, name: str, xs: tuple[float, ...]) -> None:
    """The run of every point differs from the others in what the x axis shows, and is matched with that point."""
    spec = load_table_spec(name)
    assert tuple(row.x for row in spec.rows) == xs
    (data,) = spec.data
    expected = {}
    for row in spec.rows:
        beam = {"beam": row.settings["beam"]} if "beam" in row.settings else {}
        run = store_run(row.model, row.decoder, data=data, categories="generate", size="small", **beam)
        expected[float(row.x or 0)] = (run.id,)
    assert len(set(expected.values())) == len(xs)
    runs_dir = store_run("pop", "bs").path.parents[3]
    runs = list(find_runs(runs_dir))
    assert len(runs) == len(xs) + 1
    figure = build_figure(spec, runs, resamples=50)
    assert {point.x: point.runs for point in figure.series[0].points} == expected
    assert figure.missing == ()
    assert make_drawing(figure).axes[0].get_xscale() == ("log" if name == "fig5" else "linear")


def test_missing_points_of_the_papers_figures_have_commands() -> None:
    expected = {
        "fig3": "--decoder n-per-step:n=3 --data instruments --categories generate",
        "fig4": "--model llada:p_mask=0.4 --decoder dbs-penalty --data arts",
        "fig5": "--data arts --categories generate --beam 20",
    }
    for name, part in expected.items():
        assert any(part in line for line in build_figure(load_table_spec(name), []).missing), name


def test_a_table_is_refused() -> None:
    with pytest.raises(UsageError, match="'table2' is a table and not a figure; print it with mrbench table table2"):
        build_figure(load_table_spec("table2"), [])


COST_HEAD = """
title = "Costs"
kind = "figure"
data = ["arts"]
metrics = ["ndcg@10", "hr@1"]
costs = ["states", "users_per_second"]
categories = "none"
"""


def cost_row(decay: float, line: str) -> str:
    return f'[[rows]]\nlabel = "{decay}"\nline = "{line}"\nmodel = "markov:decay={decay}"\ndecoder = "bs"\n'


def with_states(run: Any, states: int | None) -> Any:
    return with_summary(run, timings=replace(run.summary.timings, states=states))


def test_metrics_against_what_runs_cost(store_run: Store) -> None:
    text = COST_HEAD + cost_row(0.5, "wide") + cost_row(0.2, "wide") + cost_row(0.8, "other") + cost_row(0.9, "other")
    stored = [(0.5, 60 * 31, 50.0), (0.2, 60 * 7, 200.0), (0.8, 60 * 9, 100.0)]
    runs = [
        with_states(store_run(f"markov:decay={decay}", "bs", hit=decay, speed=speed), states)
        for decay, states, speed in stored
    ]
    figure = build_figure(parse_table_spec(text, "t", "t.toml"), runs, resamples=50)
    by_key = {(line.metric, line.cost, line.line): line.points for line in figure.series}
    assert list(by_key) == [
        (metric, cost, line)
        for metric in ("ndcg@10", "hr@1")
        for cost in ("states", "users_per_second")
        for line in ("wide", "other")
    ]
    assert [(p.label, p.x) for p in by_key["hr@1", "states", "wide"]] == [("0.2", 7), ("0.5", 31)]
    assert [(p.label, p.x) for p in by_key["hr@1", "users_per_second", "wide"]] == [("0.5", 50), ("0.2", 200)]
    assert [p.label for p in by_key["hr@1", "states", "other"]] == ["0.8"], "what has no run has no place"
    assert "No run yet: '0.9' on arts." in figure.caption
    for line in figure.series:
        for point in line.points:
            run = next(run for run in runs if run.id in point.runs)
            assert point.value == pytest.approx(run.summary.metrics[line.metric])
            assert point.low is not None
            assert point.low <= point.value <= point.high
    axes = make_drawing(figure).axes
    assert [ax.get_ylabel() for ax in axes] == ["NDCG@10", "NDCG@10", "HR@1", "HR@1"]
    assert [ax.get_xlabel().partition(",")[0] for ax in axes] == [
        "states asked of the model",
        "users decoded a second",
    ] * 2
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["wide", "other"]


def test_many_lines_of_costs_leave_room_for_the_panel(store_run: Store) -> None:
    """The legend is above the panel, inside the drawing, and the panel keeps its height."""
    lines = {decay: f"a line with a long name, {decay}" for decay in (0.2, 0.4, 0.5, 0.6, 0.8, 0.9)}
    text = COST_HEAD.replace(', "hr@1"', "").replace(', "users_per_second"', "")
    text += "".join(cost_row(decay, line) for decay, line in lines.items())
    runs = [with_states(store_run(f"markov:decay={decay}", "bs"), 600) for decay in lines]
    drawing = make_drawing(build_figure(parse_table_spec(text, "t", "t.toml"), runs, resamples=50))
    drawing.draw_without_rendering()
    (panel,) = drawing.axes
    assert panel.get_window_extent().height / drawing.dpi > 1.5, "inches"
    legend = panel.get_legend().get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= drawing.bbox.width
    title = drawing.texts[0].get_window_extent()
    assert panel.get_window_extent().y1 <= legend.y0 < legend.y1 <= title.y0


def test_a_run_that_did_not_count_its_states_has_no_place_among_them(store_run: Store) -> None:
    runs = [with_states(store_run("markov:decay=0.5", "bs"), None)]
    figure = build_figure(parse_table_spec(COST_HEAD + cost_row(0.5, "a"), "t", "t.toml"), runs, resamples=50)
    assert [len(line.points) for line in figure.series] == [0, 1, 0, 1]
    make_drawing(figure)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (COST_HEAD + cost_row(0.5, ""), "row '0.5' of t.toml has no key 'line'"),
        (COST_HEAD + cost_row(0.5, "a") + "x = 1\n", "has a key 'x', but its costs place it"),
        (COST_HEAD + 'timings = ["ms_per_user"]\n' + cost_row(0.5, "a"), "both costs and timings"),
        (COST_HEAD.replace('"states"', '"steps"') + cost_row(0.5, "a"), "unknown cost 'steps'"),
    ],
)
def test_rows_of_costs_are_checked(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_table_spec(text, "t", "t.toml")
