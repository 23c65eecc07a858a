"""What a training remembers beside the weights: time, validation losses, the best weights, and whether it is over."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.errors import MrbenchError

from . import processes
from .weights import write_json, write_weights

Notify = Callable[[str], None]

SAVE_SECONDS = 300.0
"""A checkpoint is written after each epoch, and in long ones this often."""

TIMED_STEPS = 20
"""After so many steps the time that training takes is told."""

BEST, STATE = "best.safetensors", "progress.json"


class Progress(TrainerCallback):
    """Watches a training: progress bar, early stop, time limit, and its own part of each checkpoint.

    `progress.json` is the last file of a checkpoint, so a checkpoint that has it is whole.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: int,
        patience: int,
        decay: float,
        minutes: float | None,
        quiet: bool,
        notify: Notify,
    ) -> None:
        self.folder, self.steps, self.quiet, self.notify = folder, steps, quiet, notify
        self.patience, self.decay = patience, decay
        self.plateau: int | None = None
        self.limit = float("inf") if minutes is None else 60 * minutes
        self.step, self.epoch, self.losses = 0, 0.0, list[float]()
        self.finished = False
        self.best: dict[str, torch.Tensor] = {}
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._now = self._saved = 0.0

    @property
    def seconds(self) -> float:
        """Training time, that before interruptions included."""
        return self._seconds_before + time.monotonic() - self._started

    def share(self, step: int) -> float:
        """How much of the training is over, by steps, time or patience, whichever is most: each ends in the decay.

        Once validation has not improved for long enough, only the decay is left, the last share of what is then the
        whole training. The time is that of the last step's end, on the clock of process 0: all processes need the same
        learning rate.
        """
        shares = [step / self.steps, self._now / self.limit]
        if self.plateau is not None:
            whole = self.plateau / (1 - self.decay)
            shares.append(step / whole)
        return min(1.0, max(shares))

    def resume(self) -> Path | None:
        """Take up the last whole checkpoint, if this version wrote it, and return its folder; else None."""
        whole = sorted(self.folder.glob(f"checkpoint-*/{STATE}"), key=lambda path: int(path.parent.name.split("-")[1]))
        if not whole:
            return None
        state = json.loads(whole[-1].read_text())
        if state.keys() != self._facts().keys():
            self.notify(f"{whole[-1].parent} is another version's checkpoint; training starts again")
            return None
        self.step, self.epoch, self.losses = state["step"], state["epoch"], state["losses"]
        self.finished, self._seconds_before = state["finished"], state["seconds"]
        self.plateau = state["plateau"]
        self._now = self._saved = self._seconds_before
        if self.losses:
            self.best = load_file(whole[-1].with_name(BEST))
        return whole[-1].parent

    def _facts(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights and optimizer."""
        return {
            "step": self.step, "epoch": self.epoch, "losses": self.losses, "finished": self.finished,
            "plateau": self.plateau, "seconds": self.seconds,
        }  # fmt: skip

    def report(self, parameters: int, precision: str) -> FitReport:
        """Sum up a training that is over; see `FitReport`."""
        improving = self.losses[-1] <= min(self.losses)
        return FitReport(
            epochs=self.epoch,
            steps=self.step,
            parameters=parameters,
            seconds=self.seconds,
            valid_loss=tuple(self.losses),
            under_trained=improving and self.plateau is None and self.step < self.steps,
            precision=precision,
        )

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Start the clock and the bar."""
        self._started = time.monotonic()
        self._first = self.step
        self._bar = tqdm(
            total=self.steps, initial=self.step, desc="training", unit="step", file=sys.stderr, disable=self.quiet
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        """Count; stop when time is up; save in long epochs."""
        self.step, self.epoch, self._now = state.global_step, float(state.epoch or 0), processes.agreed(self.seconds)
        self._bar.update()
        if self.step == self._first + TIMED_STEPS:
            self.notify(self._forecast())
        if self.share(self.step) >= 1:
            self.finished = control.should_training_stop = True
        elif self._now - self._saved > SAVE_SECONDS:
            control.should_save = True

    def _forecast(self) -> str:
        """How long training will take at the speed of the steps so far."""
        seconds = (time.monotonic() - self._started) / (self.step - self._first) * (self.steps - self.step)
        minutes = min(seconds, self.limit - self.seconds) / 60
        return f"about {minutes:.1f} minutes of training at this speed, less if validation stops improving before"

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        """Keep the best weights; begin the decay when the last `patience` evaluations brought none better.

        Raises:
            MrbenchError: the loss is not a number any more.
        """
        self.losses.append(rest["metrics"]["eval_loss"])
        if not math.isfinite(self.losses[-1]):
            self._bar.close()
            raise MrbenchError(
                f"training diverged: the validation loss is {self.losses[-1]} after {self.epoch:.1f} epochs; "
                "give the model a smaller lr"
            )
        self._bar.set_postfix(valid_loss=f"{self.losses[-1]:.4f}", best=f"{min(self.losses):.4f}")
        if self.losses[-1] <= min(self.losses) and processes.rank() == 0:
            self.best = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in rest["model"].state_dict().items()
            }
        waited = len(self.losses) - 1 - self.losses.index(min(self.losses))
        if self.plateau is None and waited >= self.patience:
            self.plateau = self.step

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        """Complete the checkpoint that the Trainer has just written, then remove the older ones."""
        self._saved = self._now
        processes.meet()  # every process has written its part
        if processes.rank() > 0:
            return
        checkpoint = self.folder / f"checkpoint-{state.global_step}"
        if self.best:
            write_weights(checkpoint / BEST, self.best)
        write_json(checkpoint / STATE, self._facts())
        for other in self.folder.glob("checkpoint-*"):
            if other != checkpoint:
                shutil.rmtree(other)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        """Close the bar."""
        self._bar.close()
