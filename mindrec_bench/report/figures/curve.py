"""Training curves of stored runs: validation and training losses over epochs (`mrbench figure curve RUN...`)."""

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

from ...core.loss_curve import LossCurve, LossPoint
from ...errors import UsageError
from ...io.atomic import atomic_write
from ...store.runs import Run
from ..metric_format import count_users
from ..training_losses import training_losses
from .draw import FORMATS, LINE_STYLES, LITERAL, METADATA, RC_PARAMS

NAME = "curve"

TRAIN_POINTS = 200
"""The line of a training loss has at most so many points; each is the mean of equally many steps."""

_LEGEND_WIDTH = 64
"""Characters of a legend that fit above a panel."""


@dataclass(frozen=True)
class TrainingCurve:
    """The training of one fitted model.

    Attributes:
        fit: the id of the fitted model.
        model: its name; losses of models with different names are of different kinds, and do not compare.
        label: what it was trained as, on what.
        losses: by step, or by epoch where the fitted model is not in the run store.
        under_trained: the time limit was reached while the loss still improved.
    """

    fit: str
    model: str
    label: str
    losses: LossCurve
    under_trained: bool

    @property
    def valid_line(self) -> tuple[tuple[float, float], ...]:
        """(epochs so far, validation loss) of each evaluation."""
        return tuple((point.epoch, point.valid_loss) for point in self.losses.points if point.valid_loss is not None)


def training_curves(runs: Sequence[Run]) -> list[TrainingCurve]:
    """The trainings behind runs, each once: decoders share a fitted model.

    Raises:
        UsageError: a run has a model that is not trained, or a training that evaluated nothing; or there are more than
            can be told apart.
    """
    curves: dict[str, TrainingCurve] = {}
    for run in runs:
        fit, spec, losses = run.summary.fit, run.spec, training_losses(run)
        if fit is None or losses is None:
            raise UsageError(f"run {run.id} ({run.summary.model}) has no training curve; name runs of trained models")
        size = f" ({spec.model.size})" if spec.model.size else ""
        label = f"{run.summary.model}{size} on {run.summary.data}, {count_users(spec.data.users)}, seed {spec.seed}"
        curve = TrainingCurve(spec.fit.id, spec.model.name, label, losses, fit.under_trained)
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
    """One line per step (or per epoch), losses with all their stored digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["fit", "model", *LossPoint._fields])
    writer.writerows([curve.fit, curve.label, *point] for curve in curves for point in curve.losses.points)
    return out.getvalue()


def _draw(curves: Sequence[TrainingCurve], file: BinaryIO, file_format: str) -> None:
    """A row of panels per kind of loss: validation, a circle at the best value, and training where it is known.

    They have axes of their own, since for some models the two are different quantities.
    """
    with matplotlib.style.context(["default", RC_PARAMS]):
        models = list(dict.fromkeys(curve.model for curve in curves))
        columns = 2 if any(curve.losses.train_line(1) for curve in curves) else 1
        drawing = Drawing(figsize=(4.6 * columns, 2.6 * len(models) + 0.25 * len(curves)), layout="constrained")
        panels = dict(zip(models, drawing.subplots(len(models), columns, squeeze=False), strict=True))
        for curve, (colour, _, dash) in zip(curves, LINE_STYLES, strict=False):
            valid = curve.valid_line
            best = min(range(len(valid)), key=lambda index: valid[index][1])
            label = f"{curve.label}{', under-trained' if curve.under_trained else ''}"
            label = textwrap.fill(label, _LEGEND_WIDTH)
            style: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.3}
            marks: dict[str, Any] = {"marker": "o", "markevery": [best], "markersize": 4.5, "label": label}
            panels[curve.model][0].plot(*zip(*valid, strict=True), **style, **marks)
            if train := curve.losses.train_line(TRAIN_POINTS):
                panels[curve.model][1].plot(*zip(*train, strict=True), **style)
        for model, row in panels.items():
            for axes, kind in zip(row, ("validation", "training"), strict=False):
                axes.set_ylabel(f"{kind} loss of {model}", **LITERAL)
                axes.set_xlabel("epochs (a circle at the best)" if kind == "validation" else "epochs")
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            legend = row[0].legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=8)
            for text in legend.get_texts():
                text.set(**LITERAL)
        drawing.savefig(file, format=file_format, dpi=200, metadata=METADATA[file_format])
