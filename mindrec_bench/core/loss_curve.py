"""The losses of one training, as a file beside the weights."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from ..errors import DataError
from ..io.atomic import atomic_write, explain_read_errors

LOSSES_FILE = "losses.csv"
"""A file of facts about a fitted model, as `MODEL_FILE`: the hash of its weights leaves it out."""


class LossPoint(NamedTuple):
    """One line of the file.

    Attributes:
        step: optimiser steps so far, from 1.
        epoch: epochs so far.
        train_loss: the mean training loss of the steps since the point before; None where it is not known.
        valid_loss: the validation loss after this step; None where none was computed.
    """

    step: int
    epoch: float
    train_loss: float | None
    valid_loss: float | None = None


@dataclass(frozen=True)
class LossCurve:
    """The losses of one training, by rising step; a training that reports each step has a point for each."""

    points: tuple[LossPoint, ...]

    @classmethod
    def of_steps(
        cls, train_losses: Iterable[float], steps_per_epoch: float, valid_losses: Iterable[tuple[int, float]]
    ) -> Self:
        """A point for each step.

        Args:
            train_losses: of step 1, 2, ...
            steps_per_epoch: to tell epochs from steps.
            valid_losses: pairs of a step and the validation loss after it.
        """
        valid = dict(valid_losses)
        return cls(
            tuple(
                LossPoint(step, step / steps_per_epoch, loss, valid.get(step))
                for step, loss in enumerate(train_losses, start=1)
            )
        )

    def train_means(self) -> tuple[float, ...]:
        """At each validation, the mean training loss of the points since the one before."""
        means, since = list[float](), list[float]()
        for point in self.points:
            if point.train_loss is not None:
                since.append(point.train_loss)
            if point.valid_loss is not None and since:
                means.append(math.fsum(since) / len(since))
                since.clear()
        return tuple(means)

    def train_line(self, at_most: int) -> tuple[tuple[float, float], ...]:
        """The training loss over epochs, as a line to draw: pairs of an epoch and the mean loss of the points up to it.

        Args:
            at_most: so many pairs; each is of equally many points.
        """
        known = [(point.epoch, point.train_loss) for point in self.points if point.train_loss is not None]
        width = max(1, -(-len(known) // at_most))
        groups = [known[first : first + width] for first in range(0, len(known), width)]
        return tuple((group[-1][0], math.fsum(loss for _, loss in group) / len(group)) for group in groups)

    def write(self, folder: Path) -> None:
        """Write the file: a line for each point, with nine digits.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(LossPoint._fields)
        for step, epoch, train_loss, valid_loss in self.points:
            losses = ["" if loss is None else f"{loss:.9g}" for loss in (train_loss, valid_loss)]
            writer.writerow([step, f"{epoch:.6g}", *losses])
        atomic_write(folder / LOSSES_FILE, lambda file: file.write(out.getvalue().encode()))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The curve in the folder of a fitted model; None where it has none.

        Raises:
            DataError: the file can't be read, or is none of these.
        """
        path = folder / LOSSES_FILE
        with explain_read_errors(path):
            if not path.is_file():
                return None
            text = path.read_text(encoding="utf-8", errors="replace")
        try:
            return cls(
                tuple(
                    LossPoint(int(step), float(epoch), *(float(loss) if loss else None for loss in losses))
                    for step, epoch, *losses in list(csv.reader(io.StringIO(text)))[1:]
                )
            )
        except (ValueError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error})") from error
