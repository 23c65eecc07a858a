"""The files of a figure: the same figure gives the same bytes, and the CSV has all its points."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.report.figures.figure import Figure, build_figure
from mindrec_bench.report.figures.save import save_figure, to_csv
from mindrec_bench.report.table_spec_io import load_table_spec


def test_the_csv_has_all_points(figure: Figure) -> None:
    rows = list(csv.DictReader(to_csv(figure).splitlines()))
    assert len(rows) == 2 * 5 * 3
    points = [(line.data, line.metric, point) for line in figure.series for point in line.points]
    for row, (data, metric, point) in zip(rows, points, strict=True):
        assert (row["figure"], row["data"], row["metric"], row["point"]) == ("mine", data, metric, point.label)
        for name in ("value", "low", "high", "bound"):
            number = getattr(point, name)
            assert row[name] == "" if number is None else float(row[name]) == number
        assert (float(row["x"]), row["seeds"], row["runs"]) == (point.x, "42", " ".join(point.runs))


def test_the_same_figure_gives_the_same_bytes_whatever_the_settings_of_the_user(figure: Figure, tmp_path: Path) -> None:
    spec = replace(figure.spec, data=("arts",))
    figure = replace(
        figure, spec=spec, series=(figure.series[0], figure.series[3])
    )  # two panels are drawn faster than ten
    paths = save_figure(figure, tmp_path / "a")
    assert [path.name for path in paths] == ["mine.png", "mine.svg", "mine.pdf", "mine.csv"]
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.hashsalt": "other", "savefig.transparent": True}):
        save_figure(figure, tmp_path / "b")
    for path in paths:
        content = path.read_bytes()
        assert content == (tmp_path / "b" / path.name).read_bytes(), path.name
        assert not re.search(rb"CreationDate|dc:date|20[0-9]{2}-[0-9]{2}-[0-9]{2}", content), path.name


def test_without_any_run_nothing_is_written(tmp_path: Path) -> None:
    figure = build_figure(load_table_spec("fig5"), [])
    with pytest.raises(MrbenchError, match=r"no run of fig5 is stored yet: .*mrbench run --model llada"):
        save_figure(figure, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_not_be_written(figure: Figure, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match="can be written with --out"):
        save_figure(figure, tmp_path / "file")
