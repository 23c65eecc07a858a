"""The result of `mrbench bench` as text, as an object, and as a plot."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..io.atomic import atomic_write
from .measure import PARTS, Timed

FORMATS = ("png", "svg", "pdf")

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#767676")
"""Of `PARTS`: Okabe and Ito's, which colour-blind readers can tell apart."""

_NAMES = ("model", "decoder", "size", "beam", "batch", "history")
_TIMES = ("users/s", "p50 ms", "p95 ms", "passes", "positions")
_MORE = ("peak MB", "GFLOP", "GFLOP/s", "of rate", "x plain")


def as_row(timed: Timed, rate: float) -> dict[str, Any]:
    """One case, in SI units; `rate`: operations a second of the machine's matrix product."""
    case = timed.case
    return {
        "model": case.model,
        "decoder": case.decoder,
        "size": case.size,
        "beam": case.beam,
        "batch": case.batch,
        "history": case.history,
        "users_per_second": timed.users_per_second,
        "batch_p50": timed.quantile(0.5),
        "batch_p95": timed.quantile(0.95),
        "forward_passes": timed.passes,
        "positions": timed.counted.positions,
        "shares": timed.shares,
        "peak_bytes": timed.peak_bytes,
        "flops": timed.counted.flops,
        "flops_per_second": timed.flops_per_second,
        "of_matrix_product_rate": timed.flops_per_second / rate,
        "plain_ratio": timed.plain_ratio,
    }


def to_text(rows: Sequence[dict[str, Any]], head: str) -> str:
    """A table with one line a case under a line of setting."""
    cells = [[*_NAMES, *_TIMES, *(f"{part} %" for part in PARTS), *_MORE], *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    words = 3  # to the left; numbers to the right
    lines = [
        "  ".join(
            cell.ljust(width) if column < words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return "\n".join([head, "", *lines])


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = row["plain_ratio"]
    return [
        *(str(row[name] or "-") for name in _NAMES),
        f"{row['users_per_second']:.1f}",
        f"{1e3 * row['batch_p50']:.1f}",
        f"{1e3 * row['batch_p95']:.1f}",
        str(row["forward_passes"]),
        f"{row['positions']:,.0f}",
        *(f"{100 * row['shares'][part]:.1f}" for part in PARTS),
        f"{row['peak_bytes'] / 1e6:,.0f}",
        f"{row['flops'] / 1e9:.2f}",
        f"{row['flops_per_second'] / 1e9:.1f}",
        f"{100 * row['of_matrix_product_rate']:.0f}%",
        "-" if ratio is None else f"{ratio:.2f}",
    ]


def check_plot(path: Path) -> None:
    """Refuse a file whose ending names no format, before anything is timed.

    Raises:
        UsageError: it does not.
    """
    if path.suffix[1:] not in FORMATS:
        raise UsageError(f"--plot {path} ends in '{path.suffix}'; it must end in .{', .'.join(FORMATS)}")


def plot(rows: Sequence[dict[str, Any]], head: str, path: Path) -> None:
    """Milliseconds a user of each case, as a bar made of its parts.

    Raises:
        MrbenchError: the file can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places, left = range(len(rows)), [0.0] * len(rows)
    for part, colour in zip(PARTS, _COLOURS, strict=True):
        widths = [1e3 * row["batch_p50"] / row["batch"] * row["shares"][part] for row in rows]
        axes.barh(places, widths, left=left, color=colour, label=part)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(places, [_name(row) for row in rows], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("ms a user")
    figure.suptitle(textwrap.fill(head, 120), x=0.01, ha="left", fontsize=8, parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(PARTS), frameon=False)
    atomic_write(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=200), option="--plot")


def _name(row: dict[str, Any]) -> str:
    size = f" {row['size']}" if row["size"] else ""
    return f"{row['model']}{size} {row['decoder']}, beam {row['beam']}, batch {row['batch']}, history {row['history']}"
