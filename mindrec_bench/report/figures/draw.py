"""Draw a figure with matplotlib: one panel per unit (or metric and cost), never two units on one axis.

Lines differ in colour (the palette of Okabe and Ito, which colour-blind readers can tell apart), in marker and in dash,
so that they can be told apart in grey too. No font, date or id depends on the machine: the same figure gives the same
bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, BinaryIO

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from ..metric_format import metric_name
from .figure import Figure, Series

FORMATS = ("png", "svg", "pdf")

LINE_STYLES = (
    ("#000000", "o", "-"),
    ("#0072B2", "s", "--"),
    ("#E69F00", "^", "-."),
    ("#D55E00", "D", ":"),
    ("#CC79A7", "v", (0, (5, 1, 1, 1, 1, 1))),
    ("#009E73", "P", (0, (8, 2))),
    ("#56B4E9", "X", (0, (1, 1))),
    ("#767676", "*", (0, (3, 5))),
)
"""Colour, marker and dash of each line of a panel; the first three are a black, a middle and a light grey in print."""

METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
RC_PARAMS: dict[str, Any] = {
    "svg.hashsalt": "mindrec-bench",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
}
_UNITS = {
    "entropy": "Entropy (bits)",
    "ttr": "TTR (distinct codes / all codes)",
    "ttr_bound": "TTR bound",
    "distinct_codes": "distinct codes",
    "valid": "real items (share of results)",
    "duplicates": "duplicates (share of results)",
    "coverage": "coverage (share of the catalogue)",
    "popularity": "mean popularity (interactions)",
    "ms_per_user": "decoding time (ms per user)",
}
_COSTS = {"states": "states asked of the model, a user", "users_per_second": "users decoded a second"}
_ACCURACY = "accuracy (mean over users)"
_GREY = "#767676"
LITERAL: dict[str, Any] = {"parse_math": False}
"""For text from the figure's file, where a dollar is a dollar."""

_PANEL_SIZE, _COST_PANEL_SIZE, _CAPTION_SIZE = (3.5, 2.9), (4.6, 3.4), 7.5
"""Inches, and points. Panels of costs name more lines, in longer words."""


def draw(figure: Figure, file: BinaryIO, file_format: str) -> None:
    """Write a figure in one of `FORMATS`."""
    with matplotlib.style.context(["default", RC_PARAMS]):
        make_drawing(figure).savefig(file, format=file_format, dpi=200, metadata=METADATA[file_format])


def make_drawing(figure: Figure) -> Drawing:
    """The drawing: one row of panels per dataset, the title above and the caption below."""
    panels = {data: _panels([line for line in figure.series if line.data == data]) for data in figure.spec.data}
    n_columns = len(next(iter(panels.values())))
    panel_width, panel_height = _COST_PANEL_SIZE if figure.spec.costs else _PANEL_SIZE
    width = n_columns * panel_width
    caption = textwrap.wrap(figure.caption, int(width * 17))
    below, above = (len(caption) * _CAPTION_SIZE * 1.35 + 10) / 72, 0.35
    height = len(panels) * panel_height + below + above
    drawing = Drawing(figsize=(width, height), layout="constrained")
    grid = drawing.subplots(len(panels), n_columns, squeeze=False)
    for axes, (data, by_unit) in zip(grid, panels.items(), strict=True):
        for ax, ((unit, _), lines) in zip(axes, by_unit.items(), strict=True):
            _draw_panel(ax, unit, lines, _COSTS.get(lines[0].cost) or figure.spec.x_label or "x")
            ax.set_ylabel(f"{data}\n{unit}" if len(panels) > 1 else unit, **LITERAL)
    drawing.get_layout_engine().set(rect=(0, below / height, 1, 1 - (below + above) / height), wspace=0.06)  # type: ignore
    paper = f" ({figure.spec.paper} of the paper)" if figure.spec.paper else ""
    drawing.text(0.012, 1 - 0.1 / height, figure.spec.title + paper, va="top", fontsize=10, weight="bold", **LITERAL)
    drawing.text(
        0.012, 0.06 / height, "\n".join(caption), va="bottom", fontsize=_CAPTION_SIZE, color="#333333", **LITERAL
    )
    return drawing


def _panels(lines: Sequence[Series]) -> dict[tuple[str, str], list[Series]]:
    """(unit of y, cost on x) -> the lines that share these axes; with a cost each metric has panels of its own."""
    panels: dict[tuple[str, str], list[Series]] = {}
    for line in lines:
        unit = _ACCURACY if "@" in line.metric else _UNITS[line.metric]
        panels.setdefault((metric_name(line.metric) if line.cost else unit, line.cost), []).append(line)
    return panels


def _draw_panel(ax: Axes, unit: str, lines: Sequence[Series], x_label: str) -> None:
    lines = [line for line in lines if line.points]
    is_cost = any(line.cost for line in lines)
    positions = [point.x for line in lines for point in line.points]
    _set_x_axis(ax, sorted(set(positions)), x_label, padding=0.06 + 0.015 * len(lines), ticks_at_points=not is_cost)
    for index, (line, (colour, marker, dash)) in enumerate(zip(lines, LINE_STYLES, strict=False)):
        xs = [point.x for point in line.points]
        value, low, high, bound = (
            np.array([np.nan if number is None else number for number in numbers])
            for numbers in zip(*((p.value, p.low, p.high, p.bound) for p in line.points), strict=True)
        )
        bars = None if np.isnan(low).all() else np.stack([value - low, high - value]).clip(min=0)
        shift = (index - (len(lines) - 1) / 2) * (2 if is_cost else 4) / 72  # points of one x are drawn side by side
        ax.errorbar(
            xs, value, yerr=bars, label=line.line or metric_name(line.metric), color=colour, marker=marker,
            linestyle=dash, markersize=4.5, linewidth=1.3, elinewidth=0.9, capsize=2.2,
            transform=ax.transData + ScaledTranslation(shift, 0, ax.figure.dpi_scale_trans),  # type: ignore[union-attr]
        )  # fmt: skip
        has_bound = ~np.isnan(bound)
        if has_bound.any():
            dashed: dict[str, Any] = {"marker": "_", "linestyle": (0, (4, 3)), "linewidth": 1, "color": _GREY}
            ax.plot(np.array(xs)[has_bound], bound[has_bound], label="upper bound", **dashed)
    _set_y_axis(ax, unit, lines)
    if len(labels := ax.get_legend_handles_labels()[1]) > 1:
        n_columns = _legend_columns(labels) if is_cost else 3
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=n_columns, borderaxespad=0.2, columnspacing=1.2, fontsize=8
        )
    for point in lines[0].points if lines else ():
        if not point.runs:
            at_bottom = ax.get_xaxis_transform()
            ax.text(point.x, 0.03, "no run", rotation=90, ha="center", color=_GREY, fontsize=7.5, transform=at_bottom)


def _legend_columns(labels: Sequence[str]) -> int:
    """How many columns of the widest label fit above a panel of costs: a character of 8 points is 0.065 inches wide."""
    return max(1, int(0.85 * _COST_PANEL_SIZE[0] / (0.065 * max(map(len, labels)) + 0.45)))


def _set_x_axis(ax: Axes, xs: Sequence[float], label: str, padding: float, *, ticks_at_points: bool = True) -> None:
    """`padding`, a share of the axis, on either side of the points; ticks there only, or where matplotlib puts them."""
    if not xs:
        ax.set_xticks([])
        ax.set_xlabel(label, **LITERAL)
        return
    logarithmic = min(xs) > 0 and max(xs) / min(xs) >= 10
    if logarithmic:
        ax.set_xscale("log")
        margin = (max(xs) / min(xs)) ** padding
        ax.set_xlim(min(xs) / margin, max(xs) * margin)
    else:
        margin = padding * (max(xs) - min(xs) or 1.0)
        ax.set_xlim(min(xs) - margin, max(xs) + margin)
    if ticks_at_points:
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(xs, [f"{x:g}" for x in xs])
    else:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"{label}, log scale" if logarithmic else label, **LITERAL)


def _set_y_axis(ax: Axes, unit: str, lines: Sequence[Series]) -> None:
    """Accuracy and time start at 0; other axes span their values, intervals and bounds."""
    points = [point for line in lines for point in line.points]
    ends = [end for p in points for end in (p.value, p.low, p.high, p.bound) if end is not None]
    if not ends:
        ax.set_yticks([])
        return
    from_zero = unit in (_ACCURACY, _UNITS["ms_per_user"])
    low, high = 0.0 if from_zero else min(ends), max(ends)
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    ax.set_ylim(low if from_zero else low - margin, high + margin)
