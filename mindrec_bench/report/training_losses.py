"""The losses of the training behind a stored run."""

from __future__ import annotations

import logging
from itertools import zip_longest

from ..core.loss_curve import LossCurve, LossPoint
from ..errors import DataError
from ..store.models import FittedModelFolder
from ..store.run_summary import WEIGHTS_HASH
from ..store.runs import Run

logger = logging.getLogger(__name__)


def training_losses(run: Run) -> LossCurve | None:
    """By step where the run store has the fitted model that the run was decoded with, else by epoch.

    None where nothing was trained, or the training reported no loss. A file of the fitted model that is damaged or
    missing, or can't be read, is named in a notice.
    """
    fit = run.summary.fit
    if fit is None or not fit.valid_loss:
        return None
    folder = FittedModelFolder(run.spec, run.path.resolve().parents[3])
    try:
        curve = folder.loss_curve(run.summary.weights) if run.summary.weights.startswith(WEIGHTS_HASH) else None
    except DataError as error:
        logger.warning(f"the curve of run {run.id} shows epochs only: {error}")
        curve = None
    if curve:
        return curve
    epochs = [min(float(epoch), fit.epochs) for epoch in range(1, len(fit.valid_loss) + 1)]
    losses = zip_longest(fit.train_loss, fit.valid_loss)
    return LossCurve(
        tuple(
            LossPoint(round(fit.steps * epoch / fit.epochs), epoch, *pair)
            for epoch, pair in zip(epochs, losses, strict=True)
        )
    )
