"""Training curves of stored runs: the validation loss after each epoch (`mrbench figure curve RUN...`)."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib.style
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from ...errors import UsageError
from ...io.atomic import atomic_write
from ...store.runs import Run
from .draw import FORMATS, LINE_STYLES, LITERAL, METADATA, RC_PARAMS

NAME = "curve"

_LEGEND_WIDTH = 64
"""Characters of a legend that fit above a panel."""


@dataclass(frozen=True)
class TrainingCurve:
    """The training of one fitted model.

    Attributes:
        fit: the id of the fitted model.
        model: its name; losses of models with different names are of different kinds, and do not compare.
        label: what it was trained as, on what.
        points: (epochs so far, validation loss) of each evaluation.
        under_trained: the time limit was reached while the loss still improved.
    """

    fit: str
    model: str
    label: str
    points: tuple[tuple[float, float], ...]
    under_trained: bool


def training_curves(runs: Sequence[Run]) -> list[TrainingCurve]:
    """The trainings behind runs, each once: decoders share a fitted model.

    Raises:
        UsageError: a run has a model that is not trained, or a training that evaluated nothing; or there are more than
            can be told apart.
    """
    curves: dict[str, TrainingCurve] = {}
    for run in runs:
        fit, spec = run.summary.fit, run.spec
        if fit is None or not fit.valid_loss:
            raise UsageError(f"run {run.id} ({run.summary.model}) has no training curve; name runs of trained models")
        size = f" ({spec.model.size})" if spec.model.size else ""
        points = [(min(float(epoch), fit.epochs), loss) for epoch, loss in enumerate(fit.valid_loss, start=1)]
        label = f"{run.summary.model}{size} on {run.summary.data}, {spec.data.users:,} users, seed {spec.seed}"
        curve = TrainingCurve(spec.fit.id, spec.model.name, label, tuple(points), fit.under_trained)
        curves.setdefault(curve.fit, curve)
    if len(curves) > len(LINE_STYLES):
        raise UsageError(f"{len(curves)} trainings are too many for one figure; name at most {len(LINE_STYLES)}")
    return list(curves.values())


def save_curves(curves: Sequence[TrainingCurve], folder: Path) -> tuple[Path, ...]:
    """Write `curve.png`, `.svg`, `.pdf` and `.csv`, and return their paths; the same curves give the same bytes.

    Raises:
        MrbenchError: the folder can't be written.
    """
    paths = [folder / f"{NAME}.{file_format}" for file_format in FORMATS]
    for path, file_format in zip(paths, FORMATS, strict=True):
        atomic_write(path, partial(_draw, curves, file_format=file_format), option="--out")
    paths.append(folder / f"{NAME}.csv")
    atomic_write(paths[-1], lambda file: file.write(to_csv(curves).encode()), option="--out")
    return tuple(paths)


def to_csv(curves: Sequence[TrainingCurve]) -> str:
    """One line per evaluation, losses with all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["fit", "model", "epochs", "valid_loss"])
    writer.writerows([curve.fit, curve.label, f"{x:g}", repr(loss)] for curve in curves for x, loss in curve.points)
    return out.getvalue()


def _draw(curves: Sequence[TrainingCurve], file: BinaryIO, file_format: str) -> None:
    """One panel per kind of loss, a circle at the best value of each training."""
    with matplotlib.style.context(["default", RC_PARAMS]):
        models = list(dict.fromkeys(curve.model for curve in curves))
        drawing = Drawing(figsize=(5.2, 2.6 * len(models) + 0.25 * len(curves)), layout="constrained")
        panels = dict(zip(models, drawing.subplots(len(models), 1, squeeze=False)[:, 0], strict=True))
        for curve, (colour, _, dash) in zip(curves, LINE_STYLES, strict=False):
            epochs, losses = zip(*curve.points, strict=True)
            best = losses.index(min(losses))
            label = f"{curve.label}{', under-trained' if curve.under_trained else ''}"
            label = textwrap.fill(label, _LEGEND_WIDTH)
            style: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.3, "label": label}
            panels[curve.model].plot(epochs, losses, marker="o", markevery=[best], markersize=4.5, **style)
        for model, axes in panels.items():
            axes.set_ylabel(f"validation loss of {model}", **LITERAL)
            axes.set_xlabel("epochs (a circle at the best)")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=8)
            for text in legend.get_texts():
                text.set(**LITERAL)
        drawing.savefig(file, format=file_format, dpi=200, metadata=METADATA[file_format])
