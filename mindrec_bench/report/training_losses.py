"""The losses of the training behind a stored run."""

from __future__ import annotations

import logging
from itertools import zip_longest

from ..core.loss_curve import LossCurve, LossPoint
from ..errors import DataError
from ..store.models import FittedModelFolder
from ..store.runs import Run

logger = logging.getLogger(__name__)


def training_losses(run: Run) -> LossCurve | None:
    """By step where the run store has the fitted model that the run was decoded with, else by epoch.

    None where nothing was trained, or the training reported no loss. Losses by step that are damaged, or can't be read,
    are named in a notice and left out.
    """
    fit = run.summary.fit
    if fit is None or not fit.valid_loss:
        return None
    folder = FittedModelFolder(run.spec, run.path.resolve().parents[3])
    try:
        if folder.weights_id() == run.summary.weights and (curve := folder.loss_curve()):
            return curve
    except DataError as error:
        logger.warning(f"{error}; the curve of run {run.id} shows epochs only")
    epochs = [min(float(epoch), fit.epochs) for epoch in range(1, len(fit.valid_loss) + 1)]
    losses = zip_longest(fit.train_loss, fit.valid_loss)
    return LossCurve(
        tuple(
            LossPoint(round(fit.steps * epoch / fit.epochs), epoch, *pair)
            for epoch, pair in zip(epochs, losses, strict=True)
        )
    )
