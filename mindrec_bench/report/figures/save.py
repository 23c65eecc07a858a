"""The files of a figure: PNG, SVG, PDF and CSV."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

from ...errors import MrbenchError
from ...io.atomic import atomic_write
from .draw import FORMATS, draw
from .figure import Figure

CSV_COLUMNS = (
    "figure", "data", "metric", "point", "x", "value", "low", "high", "bound", "seeds", "runs", "cost", "line",
)  # fmt: skip


def save_figure(figure: Figure, folder: Path) -> tuple[Path, ...]:
    """Write `<name>.png`, `.svg`, `.pdf` and `.csv`; the same figure gives the same bytes.

    Returns:
        The paths.

    Raises:
        MrbenchError: no point has a run, or the folder can't be written.
    """
    if not any(point.value is not None for line in figure.series for point in line.points):
        raise MrbenchError(f"no run of {figure.spec.name} is stored yet: {' '.join(figure.missing)}")
    paths = []
    for file_format in FORMATS:
        paths.append(folder / f"{figure.spec.name}.{file_format}")
        atomic_write(paths[-1], partial(draw, figure, file_format=file_format), option="--out")
    paths.append(folder / f"{figure.spec.name}.csv")
    atomic_write(paths[-1], lambda file: file.write(to_csv(figure).encode()), option="--out")
    return tuple(paths)


def to_csv(figure: Figure) -> str:
    """The data of a figure: one line per point, values with all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    seeds = " ".join(map(str, figure.spec.seeds))
    for line in figure.series:
        for p in line.points:
            numbers = ["" if number is None else repr(number) for number in (p.value, p.low, p.high, p.bound)]
            shown = figure.spec.name, line.data, line.metric, p.label, f"{p.x:g}", *numbers, seeds, " ".join(p.runs)
            writer.writerow([*shown, line.cost, line.line])
    return out.getvalue()
