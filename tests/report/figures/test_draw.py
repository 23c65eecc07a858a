"""What a figure draws: panels, lines, intervals and texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mindrec_bench.report.figures.draw import LINE_STYLES, make_drawing
from mindrec_bench.report.figures.figure import Figure, build_figure
from mindrec_bench.report.table_spec_io import parse_table_spec

from .figure_files import HEAD, point_row


def test_each_unit_has_its_own_panel(figure: Figure) -> None:
    drawing = make_drawing(figure)
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
    for styles in zip(*LINE_STYLES, strict=True):
        assert len(set(styles)) == len(LINE_STYLES)
    greys = [int(c[1:3], 16) * 0.299 + int(c[3:5], 16) * 0.587 + int(c[5:], 16) * 0.114 for c, _, _ in LINE_STYLES[:3]]
    assert min(np.diff(sorted(greys))) > 60


def test_every_metric_gets_a_line(store_run: Callable[..., dict[str, Any]]) -> None:
    metrics = [f"{name}@{k}" for name in ("hr", "ndcg") for k in (1, 3, 5, 10)]
    text = HEAD.replace('["hr@1", "ndcg@3", "entropy", "ttr"]', str(metrics).replace("'", '"')) + point_row(0.5, x=1)
    figure = build_figure(parse_table_spec(text, "t", "t.toml"), [store_run("markov:decay=0.5", "bs")], resamples=50)
    assert len(make_drawing(figure).axes[0].containers) == 8
