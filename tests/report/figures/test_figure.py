"""Figures from stored runs: their data, what is drawn, and that the same runs give the same bytes."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.report.figures.draw import _STYLES, _drawing
from mindrec_bench.report.figures.figure import Figure, build_figure
from mindrec_bench.report.figures.save import save_figure, to_csv
from mindrec_bench.report.table_spec import TableSpec
from mindrec_bench.report.table_spec_io import load_table, parse_table
from mindrec_bench.report.tables.build import build_table

Store = Callable[..., dict[str, Any]]
Runs = list[dict[str, Any]]

HEAD = """
title = "Decay of $p_x$"
kind = "figure"
data = ["arts", "games"]
metrics = ["hr@1", "ndcg@3", "entropy", "ttr"]
x_label = "decay"
timings = ["ms_per_user"]
notes = ["A note."]
"""


def row(decay: float, x: str) -> str:
    return (
        f'[[rows]]\nlabel = "decay={decay}"\nmodel = "markov:decay={decay}"\ndecoder = "bs"\ncategories = "none"\n{x}\n'
    )


@pytest.fixture
def spec() -> TableSpec:
    rows = "".join(row(decay, f"x = {decay}") for decay in (0.5, 0.2, 0.8))
    return parse_table(HEAD + rows, "mine", "mine.toml")


@pytest.fixture
def runs(store_run: Store) -> Runs:
    """Arts has all points, Games lacks the middle one."""
    places = [("arts", 0.2), ("arts", 0.5), ("arts", 0.8), ("games", 0.2), ("games", 0.8)]
    return [
        store_run(f"markov:decay={decay}", "bs", data=data, hit=decay, noise=i, speed=100 * decay)
        for i, (data, decay) in enumerate(places)
    ]


@pytest.fixture
def figure(spec: TableSpec, runs: Runs) -> Figure:
    return build_figure(spec, runs, resamples=200)


def test_points_are_the_tables_cells_by_rising_x(figure: Figure, spec: TableSpec, runs: Runs) -> None:
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
    assert [point.runs for point in figure.series[0].points] == [(run["run"],) for run in runs[:3]]


def test_ttr_has_its_bound_and_nothing_else_has(figure: Figure) -> None:
    bounds = {line.metric: {point.bound for point in line.points} for line in figure.series if line.data == "arts"}
    assert bounds.pop("ttr") == {24 / 2400}
    assert all(found == {None} for found in bounds.values())


def test_time_is_in_milliseconds_a_user_and_the_mean_over_seeds(store_run: Store) -> None:
    text = HEAD.replace('"arts", "games"', '"arts"') + "seeds = [0, 1]\n" + row(0.5, "x = 0.5")
    runs = [store_run("markov:decay=0.5", "bs", seed=seed, speed=speed) for seed, speed in ((0, 50.0), (1, 200.0))]
    line = build_figure(parse_table(text, "t", "t.toml"), runs, resamples=50).series[-1]
    assert (line.metric, line.points[0].value) == ("ms_per_user", (20 + 5) / 2)
    assert line.points[0].low is None


def test_a_run_without_timings_has_no_time(spec: TableSpec, runs: Runs) -> None:
    runs[0] = {**runs[0], "timings": None, "environment": None}
    line = build_figure(spec, runs, resamples=50).series[4]
    assert [point.value for point in line.points] == [None, 20.0, pytest.approx(12.5)]


def test_missing_points_are_named_with_their_command(figure: Figure) -> None:
    command = "mrbench run --model markov:decay=0.5 --decoder bs --data games --categories none"
    assert figure.missing == (f"- decay=0.5 on games: {command}",)
    assert [point.value for point in figure.series[5].points][1] is None


def test_the_caption(figure: Figure) -> None:
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
    spec = load_table("fig4")
    runs = [
        store_run(f"llada:p_mask={p}", "dbs-penalty", categories="generate", size="small", under_trained=p == 0.7)
        for p in (0.4, 0.7)
    ]
    assert "(validation still improved when time was up): p_mask=0.7." in build_figure(spec, runs, resamples=50).caption


def test_the_csv_holds_all_points(figure: Figure) -> None:
    lines = list(csv.DictReader(to_csv(figure).splitlines()))
    assert len(lines) == 2 * 5 * 3
    points = [(line.data, line.metric, point) for line in figure.series for point in line.points]
    for line, (data, metric, point) in zip(lines, points, strict=True):
        assert (line["figure"], line["data"], line["metric"], line["point"]) == ("mine", data, metric, point.label)
        for name in ("value", "low", "high", "bound"):
            number = getattr(point, name)
            assert line[name] == "" if number is None else float(line[name]) == number
        assert (float(line["x"]), line["seeds"], line["runs"]) == (point.x, "42", " ".join(point.runs))


def test_the_same_figure_gives_the_same_bytes_whatever_the_users_settings(figure: Figure, tmp_path: Path) -> None:
    spec = replace(figure.spec, data=("arts",))
    figure = replace(figure, spec=spec, series=(figure.series[0], figure.series[3]))  # two panels draw quicker than ten
    paths = save_figure(figure, tmp_path / "a")
    assert [path.name for path in paths] == ["mine.png", "mine.svg", "mine.pdf", "mine.csv"]
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.hashsalt": "other", "savefig.transparent": True}):
        save_figure(figure, tmp_path / "b")
    for path in paths:
        content = path.read_bytes()
        assert content == (tmp_path / "b" / path.name).read_bytes(), path.name
        assert not re.search(rb"CreationDate|dc:date|20[0-9]{2}-[0-9]{2}-[0-9]{2}", content), path.name


def test_what_is_drawn(figure: Figure) -> None:
    drawing = _drawing(figure)
    axes = drawing.axes
    assert len(axes) == 2 * 4
    labels = ["accuracy (mean over users)", "Entropy (bits)", "TTR (distinct codes / all codes)"]
    labels += ["decoding time (ms per user)"]
    assert [ax.get_ylabel() for ax in axes] == [f"{data}\n{unit}" for data in ("arts", "games") for unit in labels]
    assert {ax.get_xlabel() for ax in axes} == {"decay"}
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["HR@1", "NDCG@3"]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["0.2", "0.5", "0.8"]
    assert [text.get_text() for text in axes[4].texts] == ["no run"]
    assert not axes[0].texts
    drawn = [container.lines[0].get_ydata() for container in axes[0].containers]
    expected = [[point.value for point in line.points] for line in figure.series[:2]]
    assert np.array(drawn).tolist() == expected
    shared = [ax for ax in axes if any(ax.bbox.bounds == other.bbox.bounds for other in axes if other is not ax)]
    assert shared == [], "no twin axes"
    assert axes[0].get_ylim()[0] == axes[3].get_ylim()[0] == 0
    texts = [text.get_text() for text in drawing.texts]
    assert texts[0] == "Decay of $p_x$"
    assert not any(text.get_parse_math() for text in drawing.texts)
    assert texts[1].replace("\n", " ") == figure.caption


def test_lines_differ_in_colour_marker_and_dash() -> None:
    for part in zip(*_STYLES, strict=True):
        assert len(set(part)) == len(_STYLES)
    greys = [int(c[1:3], 16) * 0.299 + int(c[3:5], 16) * 0.587 + int(c[5:], 16) * 0.114 for c, _, _ in _STYLES[:3]]
    assert min(np.diff(sorted(greys))) > 60


def test_every_metric_gets_a_line(store_run: Store) -> None:
    metrics = [f"{name}@{k}" for name in ("hr", "ndcg") for k in (1, 3, 5, 10)]
    text = HEAD.replace('["hr@1", "ndcg@3", "entropy", "ttr"]', str(metrics).replace("'", '"')) + row(0.5, "x = 1")
    figure = build_figure(parse_table(text, "t", "t.toml"), [store_run("markov:decay=0.5", "bs")], resamples=50)
    assert len(_drawing(figure).axes[0].containers) == 8


@pytest.mark.parametrize(
    ("name", "xs"), [("fig3", (1, 2, 3, 4)), ("fig4", (0.4, 0.5, 0.6, 0.7)), ("fig5", (1, 2, 5, 10, 20))]
)
def test_the_papers_figures_find_their_own_points(store_run: Store, name: str, xs: tuple[float, ...]) -> None:
    """A run for every point differs from the others in what the x axis shows, and is found there."""
    spec = load_table(name)
    assert tuple(row.x for row in spec.rows) == xs
    (data,) = spec.data
    made = {}
    for row in spec.rows:
        beam = {"beam": row.beam} if row.beam else {}
        run = store_run(row.model, row.decoder, data=data, categories="generate", size="small", **beam)
        made[float(row.x or 0)] = (run["run"],)
    assert len(set(made.values())) == len(xs)
    figure = build_figure(spec, [*_stored(store_run, made)], resamples=50)
    assert {point.x: point.runs for point in figure.series[0].points} == made
    assert figure.missing == ()
    assert _drawing(figure).axes[0].get_xscale() == ("log" if name == "fig5" else "linear")


def _stored(store_run: Store, made: dict[float, tuple[str, ...]]) -> Runs:
    from mindrec_bench.store.runs import find_runs

    root = Path(store_run("pop", "bs")["path"]).parents[3]
    found = list(find_runs(root, pytest.fail))
    assert len(found) == len(made) + 1
    return found


def test_a_missing_point_of_each_of_the_papers_figures_has_a_command() -> None:
    expected = {
        "fig3": "--decoder n-per-step:n=3 --data instruments --categories generate",
        "fig4": "--model llada:p_mask=0.4 --decoder dbs-penalty --data arts",
        "fig5": "--data arts --categories generate --beam 20",
    }
    for name, part in expected.items():
        assert any(part in line for line in build_figure(load_table(name), []).missing), name


def test_without_any_run_nothing_is_written(tmp_path: Path) -> None:
    figure = build_figure(load_table("fig5"), [])
    with pytest.raises(MrbenchError, match=r"no run of fig5 is stored yet: .*mrbench run --model llada"):
        save_figure(figure, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_is_no_figure() -> None:
    with pytest.raises(UsageError, match="'table2' is no figure but a table; print it with mrbench table table2"):
        build_figure(load_table("table2"), [])


def test_a_folder_that_can_not_be_written(figure: Figure, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match="can be written with --out"):
        save_figure(figure, tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + row(0.5, ""), r"row 'decay=0\.5' of mine\.toml has no key 'x'"),
        (HEAD + row(0.5, "x = 1") + row(0.2, "x = 1.0"), r"rows 'decay=0\.5' and 'decay=0\.2' .* have the same x"),
        (HEAD.replace("ms_per", "s_per") + row(0.5, "x = 1"), "unknown timing 's_per_user'.*mean 'ms_per_user'"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_table(text, "mine", "mine.toml")
