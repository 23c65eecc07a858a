"""Charts as SVG: where points, bars and ticks are."""

from __future__ import annotations

import pytest

from mindrec_bench.report.site.charts import bar_chart, line_chart


def test_a_line_falls_where_values_fall_and_ticks_are_round():
    chart = line_chart([(1.0, 5.2), (2.0, 5.0), (3.0, 4.9), (4.0, 4.95)], x_label="epochs", y_label="loss")
    heights = [y for _, y in chart.points]
    assert heights[0] < heights[1] < heights[3] < heights[2]
    assert [mark.text for mark in chart.x_marks] == ["1", "2", "3", "4"]
    assert [mark.text for mark in chart.y_marks] == ["4.9", "5.0", "5.1", "5.2"]
    assert chart.description == "loss from 5.2 to 4.95, at its lowest 4.9"


@pytest.mark.parametrize("counts", [[0], [3], [0, 0], [4, 0, 2], list(range(50))])
def test_bars_stand_on_the_axis_and_stay_inside(counts):
    chart = bar_chart(counts, x_label="rank", y_label="users")
    assert len(chart.points) == len(counts)
    for (x, y), count in zip(chart.points, counts, strict=True):
        assert chart.left <= x < chart.right
        assert (y == chart.bottom) == (count == 0)
    assert len(chart.x_marks) <= 10
    assert all(mark.text.isdigit() for mark in chart.y_marks)
    if max(counts):
        assert chart.points[counts.index(max(counts))][1] == min(y for _, y in chart.points)


def test_equal_values_make_a_flat_line():
    chart = line_chart([(0.1, 2.0), (0.2, 2.0)], x_label="epochs", y_label="loss")
    assert len({y for _, y in chart.points}) == 1
    assert [mark.text for mark in chart.x_marks] == ["0.10", "0.15", "0.20"]
