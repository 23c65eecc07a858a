"""The state of a training run: time, validation losses and the best weights."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mindrec_bench.core.backbone import FitReport, Tracker
from mindrec_bench.core.loss_curve import LossCurve
from mindrec_bench.errors import MrbenchError
from mindrec_bench.io.checkpoints import checkpoint_path, complete_checkpoint, last_checkpoint
from mindrec_bench.io.progress import ProgressBar

from . import processes
from .weights import write_tensors

logger = logging.getLogger(__name__)

SAVE_SECONDS = 300.0
"""Seconds between checkpoints inside a long epoch; one is written after each epoch but the last."""

FORECAST_STEPS = 20
"""After this many steps the user is told how long training will take, at the speed of the second half of them."""

LOSS_STEPS = 100
"""Training losses stay on the device for so many steps, since reading one waits for the device."""

BEST_FILE = "best.safetensors"


class TrainingProgress(TrainerCallback):
    """Watches a training, of the Trainer or of `TrainingLoop`: progress bar, early stopping, time limit, checkpoints.

    A checkpoint is whole when it has its `progress.json` and the files that this names (`io.checkpoints`).

    Args:
        folder: the checkpoints'.
        max_steps: steps of the whole training.
        steps_per_epoch: to tell epochs from steps.
        patience: evaluations without a better loss before the decay begins.
        decay: the last fraction of training, in which the learning rate falls.
        minutes: time limit, or None.
        quiet: no progress bar.
        tracker: gets the losses too, or None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_steps: int,
        steps_per_epoch: int,
        patience: int,
        decay: float,
        minutes: float | None,
        quiet: bool,
        tracker: Tracker | None = None,
    ) -> None:
        self.folder, self.max_steps, self.quiet = folder, max_steps, quiet
        self.steps_per_epoch, self.tracker = steps_per_epoch, tracker
        self.patience, self.decay = patience, decay
        self.plateau_step: int | None = None
        self.time_limit = float("inf") if minutes is None else 60 * minutes
        self.step, self.epoch, self.valid_losses = 0, 0.0, list[float]()
        self.train_losses, self.valid_steps = list[float](), list[int]()
        self._unread, self._shown = list[torch.Tensor](), dict[str, str]()
        self.best_weights: dict[str, torch.Tensor] = {}
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._step_ended = self._saved = 0.0

    @property
    def seconds(self) -> float:
        """Training time, including that before interruptions."""
        return self._seconds_before + time.monotonic() - self._started

    def fraction_done(self, step: int) -> float:
        """The fraction of training that is over: by steps, time or patience, whichever is largest.

        Each of the three ends in the decay: once validation has not improved for `patience` evaluations, only the decay
        is left, as the last fraction of a training that is shorter by then. Time is that at the end of the last step on
        the clock of process 0, because all processes need the same learning rate.
        """
        fractions = [step / self.max_steps, self._step_ended / self.time_limit]
        if self.plateau_step is not None:
            shortened = self.plateau_step / (1 - self.decay)
            fractions.append(step / shortened)
        return min(1.0, max(fractions))

    def resume(self, *, needs: str) -> Path | None:
        """Restore the last whole checkpoint and return its folder; None where there is none that can be continued.

        Args:
            needs: a file that the checkpoints have which this version writes.
        """
        found = last_checkpoint(
            self.folder,
            lambda state: state.keys() == self._state().keys(),
            needs=needs,
            drop=processes.rank() == 0,
        )
        if found is None:
            return None
        checkpoint, state = found
        self.step, self.epoch, self.valid_losses = state["step"], state["epoch"], state["losses"]
        self.train_losses = [math.nan if loss is None else loss for loss in state["train_losses"]]
        self.valid_steps = state["valid_steps"]
        self._seconds_before = state["seconds"]
        self.plateau_step = state["plateau"]
        self._step_ended = self._saved = self._seconds_before
        if self.valid_losses:
            self.best_weights = load_file(checkpoint / BEST_FILE)
        return checkpoint

    def _state(self) -> dict[str, Any]:
        """What a checkpoint says of the training (`io.checkpoints`)."""
        return {
            "step": self.step, "epoch": self.epoch, "losses": self.valid_losses, "plateau": self.plateau_step,
            "seconds": self.seconds, "train_losses": self.train_losses, "valid_steps": self.valid_steps,
        }  # fmt: skip

    def report(self, parameters: int, precision: str) -> FitReport:
        """Summarise a training that is over; see `FitReport`."""
        improving = self.valid_losses[-1] <= min(self.valid_losses)
        return FitReport(
            epochs=self.epoch,
            steps=self.step,
            parameters=parameters,
            seconds=self.seconds,
            valid_loss=tuple(self.valid_losses),
            under_trained=improving and self.plateau_step is None and self.step < self.max_steps,
            precision=precision,
            train_loss=self.loss_curve().train_means(),
        )

    def loss_curve(self) -> LossCurve:
        """The losses of all steps so far that were read."""
        evaluations = zip(self.valid_steps, self.valid_losses, strict=True)
        return LossCurve.of_steps(self.train_losses, self.steps_per_epoch, evaluations)

    def add_train_loss(self, loss: torch.Tensor) -> None:
        """Keep the loss of the step that ends now.

        Args:
            loss: mean over this process's examples, on the device; it may be overwritten afterwards. Shape: ()
        """
        self._unread.append(loss.detach().clone())

    def _read_train_losses(self) -> None:
        """Read the losses that are still on the device; called by all processes after the same step."""
        if not self._unread:
            return
        losses = processes.mean(torch.stack(self._unread).float()).tolist()
        self._unread.clear()
        if self.tracker is not None:
            for step, loss in enumerate(losses, start=len(self.train_losses) + 1):
                self.tracker.log({"train_loss": loss, "epoch": step / self.steps_per_epoch}, step)
        self.train_losses += losses
        self._show(loss=sum(losses) / len(losses))

    def _show(self, **losses: float) -> None:
        """Show losses beside the progress, with those that are shown already."""
        self._shown |= {name: f"{loss:.4f}" for name, loss in losses.items()}
        self._bar.set_postfix(self._shown, refresh=False)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock and the progress bar."""
        self._started = self._forecast_started = time.monotonic()
        self._first_step = self.step
        self._bar = ProgressBar(
            total=self.max_steps, initial=self.step, desc="training", unit="steps", disable=self.quiet
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Count the step; stop when time is up; save inside long epochs."""
        self.step, self.epoch = state.global_step, float(state.epoch or 0)
        self._step_ended = processes.broadcast(self.seconds)
        if self.step % LOSS_STEPS == 0:
            self._read_train_losses()
        self._bar.update()
        if self.step == self._first_step + FORECAST_STEPS // 2:
            self._forecast_started = time.monotonic()
        if self.step == self._first_step + FORECAST_STEPS:
            logger.info(self.forecast())
        if self.fraction_done(self.step) >= 1:
            control.should_training_stop = True
        elif self._step_ended - self._saved > SAVE_SECONDS:
            control.should_save = True

    def forecast(self) -> str:
        """How long training will take; the first steps are slower, since they load libraries and compile kernels."""
        seconds_per_step = (time.monotonic() - self._forecast_started) / (FORECAST_STEPS - FORECAST_STEPS // 2)
        seconds = seconds_per_step * (self.max_steps - self.step)
        minutes = min(seconds, self.time_limit - self.seconds) / 60
        return f"about {minutes:.1f} minutes of training left at this speed, less if validation stops improving earlier"

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Keep the best weights; begin the decay when the last `patience` evaluations brought no better loss.

        After the last evaluation no checkpoint is written, since the best weights are written next.

        Raises:
            MrbenchError: the loss is not finite.
        """
        self._read_train_losses()
        self.valid_losses.append(kwargs["metrics"]["eval_loss"])
        self.valid_steps.append(self.step)
        latest, best = self.valid_losses[-1], min(self.valid_losses)
        if not math.isfinite(latest):
            self._bar.close()
            raise MrbenchError(
                f"training diverged: the validation loss is {latest} after {self.epoch:.1f} epochs; "
                "give the model a smaller lr"
            )
        self._show(valid_loss=latest, best=best)
        if self.tracker is not None:
            self.tracker.log({"valid_loss": latest}, self.step)
        if latest <= best and processes.rank() == 0:
            self.best_weights = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in kwargs["model"].state_dict().items()
            }
        evaluations_since_best = len(self.valid_losses) - 1 - self.valid_losses.index(best)
        if self.plateau_step is None and evaluations_since_best >= self.patience:
            self.plateau_step = self.step
        if control.should_training_stop:
            control.should_save = False

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Complete the checkpoint that the Trainer has just written, which removes older ones."""
        self._saved = self._step_ended
        self._read_train_losses()
        processes.barrier()  # every process has written its part
        if processes.rank() > 0:
            return
        checkpoint = checkpoint_path(self.folder, state.global_step)
        if self.best_weights:
            write_tensors(checkpoint / BEST_FILE, self.best_weights)
        complete_checkpoint(checkpoint, self._state())

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the progress bar."""
        self._bar.close()
