"""The results of `mrbench bench` as a bar chart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..io.atomic import atomic_write
from .measure import SECTIONS

FORMATS = ("png", "svg", "pdf")

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#767676")
"""One per section, from the palette of Okabe and Ito, which colour-blind readers can tell apart."""


def check_format(path: Path) -> None:
    """Check the ending of a file, before anything is timed.

    Raises:
        UsageError: it is not one of `FORMATS`.
    """
    if path.suffix[1:] not in FORMATS:
        raise UsageError(f"--plot {path} ends in '{path.suffix}'; it must end in .{', .'.join(FORMATS)}")


def write_plot(rows: Sequence[dict[str, Any]], heading: str, path: Path) -> None:
    """Draw one bar per case: milliseconds per user, divided into sections.

    Args:
        rows: from `result_table.to_json_row`.
        heading: above the bars.
        path: ends in one of `FORMATS`.

    Raises:
        MrbenchError: the file can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    positions, left = range(len(rows)), [0.0] * len(rows)
    for section, colour in zip(SECTIONS, _COLOURS, strict=True):
        widths = [1e3 * row["batch_p50"] / row["batch"] * row["shares"][section] for row in rows]
        axes.barh(positions, widths, left=left, color=colour, label=section)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(positions, [_bar_label(row) for row in rows], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("ms per user")
    figure.suptitle(textwrap.fill(heading, 120), x=0.01, ha="left", fontsize=8, parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(SECTIONS), frameon=False)
    atomic_write(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=200), option="--plot")


def _bar_label(row: dict[str, Any]) -> str:
    size = f" {row['size']}" if row["size"] else ""
    return f"{row['model']}{size} {row['decoder']}, beam {row['beam']}, batch {row['batch']}, history {row['history']}"
