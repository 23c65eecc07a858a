"""The data of figures from stored runs: points, caption, and missing runs."""

from __future__ import annotations

from collections.abc import Callable
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
        "Measured on 60 users of arts, 60 users of games; seed 42; beam 10.",
        "markov x bs, categories none.",
        "Bars: bootstrap 95% intervals over users (TTR has none; dashed: what it can't exceed).",
        "Time: one pass over the users, training left out (x86_64, 128 users a batch).",
        "No run yet: decay=0.5 on games.",
        "A note.",
    ):
        assert part in figure.caption


def test_under_trained_points_are_named(store_run: Store) -> None:
    spec = load_table_spec("fig4")
    runs = [
        store_run(f"llada:p_mask={p}", "dbs-penalty", categories="generate", size="small", under_trained=p == 0.7)
        for p in (0.4, 0.7)
    ]
    assert "(validation still improved when time was up): p_mask=0.7." in build_figure(spec, runs, resamples=50).caption


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
