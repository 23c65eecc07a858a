"""Small charts as SVG within a page; they take their colours from the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 40


@dataclass(frozen=True)
class Mark:
    """A tick of an axis: where it is, in pixels, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """What the template `chart.html.j2` draws, in pixels from the upper left corner.

    Attributes:
        kind: `line` or `bars`.
        points: the points of the line, or the upper left corners of the bars.
        bar_width: of a bar; 0 for lines.
        x_marks, y_marks: the ticks.
        x_label, y_label: what the axes show.
        description: the chart in words, for readers who can't see it.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    bar_width: float
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    x_label: str
    y_label: str
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    bottom: int = HEIGHT - _BOTTOM
    right: int = WIDTH - _RIGHT


def line_chart(line: Sequence[tuple[float, float]], *, x_label: str, y_label: str) -> Chart:
    """Points as a line; the axes span them.

    Args:
        line: pairs of x, rising, and y; at least two.
        x_label, y_label: of the axes.
    """
    values, first, last = [y for _, y in line], line[0][0], line[-1][0]
    low, high = min(values), max(values)
    pad = (high - low) * 0.08 or abs(high) * 0.01 or 1.0
    low, high = low - pad, high + pad
    scale = (WIDTH - _LEFT - _RIGHT) / (last - first)
    points = tuple((_LEFT + scale * (x - first), _height(y, low, high)) for x, y in line)
    ticks = _round_values(first, last, whole=last - first >= 1)
    x_marks = tuple(Mark(_LEFT + scale * (x - first), text) for x, text in ticks)
    description = f"{y_label} from {values[0]:.4g} to {values[-1]:.4g}, at its lowest {min(values):.4g}"
    return Chart("line", points, 0.0, x_marks, _y_marks(low, high), x_label, y_label, description)


def bar_chart(counts: Sequence[int], *, x_label: str, y_label: str) -> Chart:
    """Counts of 1, 2, ... as bars from 0.

    Args:
        counts: at least one.
        x_label, y_label: of the axes.
    """
    high = max(*counts, 1) if len(counts) > 1 else max(counts[0], 1)
    step = (WIDTH - _LEFT - _RIGHT) / len(counts)
    points = tuple((_LEFT + step * (index + 0.1), _height(count, 0, high)) for index, count in enumerate(counts))
    x_marks = tuple(Mark(_LEFT + step * (index + 0.5), str(index + 1)) for index in _spread(len(counts)))
    listed = ", ".join(f"{index + 1}: {count}" for index, count in enumerate(counts[:20]))
    return Chart(
        "bars", points, step * 0.8, x_marks, _y_marks(0, high, whole=True), x_label, y_label,
        f"{y_label} by {x_label}: {listed}",
    )  # fmt: skip


def _height(value: float, low: float, high: float) -> float:
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)


def _y_marks(low: float, high: float, *, whole: bool = False) -> tuple[Mark, ...]:
    return tuple(Mark(_height(y, low, high), text) for y, text in _round_values(low, high, whole=whole))


def _round_values(low: float, high: float, *, whole: bool) -> list[tuple[float, str]]:
    """Round values from `low` to `high`, with their texts."""
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 4)
    if whole:
        step = max(step, 1)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(n * step, f"{n * step:,.{digits}f}") for n in range(first, last + 1)]


def _spread(count: int, at_most: int = 10) -> range:
    """Up to `at_most` evenly spaced indices below `count`, from 0."""
    return range(0, count, -(-count // at_most))
