"""Training by RecBole's own trainer, with checkpoints from which it continues exactly after the last complete epoch.

After every epoch RecBole computes NDCG@10 on the validation items over the whole catalogue. The best epoch's weights
are kept, and training stops after `patience` epochs without a better one. The stored validation loss is 1 - NDCG@10.
A checkpoint holds the weights, the optimiser and every random generator that RecBole uses, so on the CPU a training
that is killed and repeated ends with the same bits.
"""

from __future__ import annotations

import logging
import random
import shutil
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.loss_curve import LossCurve, LossPoint
from mindrec_bench.errors import MrbenchError
from mindrec_bench.io.checkpoints import checkpoint_path, complete_checkpoint, last_checkpoint
from mindrec_bench.io.progress import ProgressBar

from ..training import weights
from . import compat
from .data import RecBoleData

logger = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.pt"


class _TimeLimitReached(Exception):  # noqa: N818
    """Raised to leave RecBole's training loop."""


def fit(data: RecBoleData, network: nn.Module, task: Task, folder: Path) -> FitReport:
    """Train `network` and leave its best weights in `folder`; continue where an interrupted call stopped.

    Args:
        data: data and configuration.
        network: made from `data`, just initialised.
        task: time limit, device, progress.
        folder: gets the weights; checkpoints are in it until training is complete.

    Raises:
        MrbenchError: the folder can't be written, or the loss became NaN.
    """
    with weights.explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        trainer = _ResumableTrainer(data, network, task, folder / weights.CHECKPOINTS)
        trainer.resume()
        trainer.run()
        report = trainer.report()
        weights.save_model(folder, task, trainer.best_weights, report, trainer.loss_curve())
        shutil.rmtree(trainer.folder, ignore_errors=True)
    return report


class _ResumableTrainer:
    """RecBole's trainer, and the state that it does not keep itself."""

    def __init__(self, data: RecBoleData, network: nn.Module, task: Task, folder: Path) -> None:
        self.data, self.network, self.task, self.folder = data, network, task, folder
        self.trainer = compat.make_trainer(data.config, network)
        self.time_limit = float("inf") if task.max_minutes is None else 60 * task.max_minutes
        self.valid_losses, self.best_weights, self.finished = list[float](), dict[str, Tensor](), False
        self.train_losses = list[float]()
        self._seconds_before, self._started = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time, including that before interruptions."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def _stops_early(self) -> bool:
        """Whether RecBole stops now because validation has not improved for long enough."""
        return bool(self.trainer.cur_step > self.trainer.stopping_step)

    def resume(self) -> None:
        """Load the last whole checkpoint, if there is one."""
        found = last_checkpoint(self.folder, lambda state: "train_losses" in state)
        if found is None:
            return
        state = torch.load(found[0] / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
        self.valid_losses, self.best_weights, self.finished = state["losses"], state["best"], state["finished"]
        self._seconds_before, self.train_losses = state["seconds"], found[1]["train_losses"]
        self.trainer.start_epoch = len(self.valid_losses)
        self.trainer.cur_step, self.trainer.best_valid_score = state["cur_step"], state["best_score"]
        self.network.load_state_dict(state["network"])
        self.trainer.optimizer.load_state_dict(state["optimizer"])
        _set_generator_states(state["generators"], self.data.train.generator)
        logger.info(f"training continues at epoch {len(self.valid_losses)} of {self.trainer.epochs}")

    def run(self) -> None:
        """Train until all epochs are done, validation no longer improves, or the time is up."""
        self._started = time.monotonic()
        if self.finished:
            return
        self._progress_bar = ProgressBar(
            total=self.trainer.epochs,
            initial=len(self.valid_losses),
            desc="training",
            unit="epochs",
            disable=self.task.quiet,
        )
        try:
            self.trainer.fit(
                self.data.train, self.data.valid, verbose=False, saved=False, callback_fn=self._after_epoch
            )
        except _TimeLimitReached:
            pass
        except ValueError as error:
            if "nan" not in str(error):
                raise
            raise MrbenchError(
                f"the training loss is not a number after {len(self.valid_losses)} epochs; train with a smaller lr"
            ) from error
        finally:
            self._progress_bar.close()

    def _after_epoch(self, epoch: int, score: float) -> None:
        """Called by RecBole after each evaluation, when it has updated its own counters."""
        self.valid_losses.append(1 - float(score))
        self.train_losses.append(float(self.trainer.train_loss_dict[epoch]) / len(self.data.train))
        if self.trainer.cur_step == 0:
            self.best_weights = _copy_to_cpu(self.network.state_dict())
        time_is_up = self.seconds >= self.time_limit
        self.finished = time_is_up or self._stops_early or epoch + 1 == self.trainer.epochs
        self._save_checkpoint()
        if self.task.tracker is not None:
            losses = {"train_loss": self.train_losses[-1], "valid_loss": self.valid_losses[-1], "epoch": epoch + 1}
            self.task.tracker.log(losses, (epoch + 1) * len(self.data.train))
        self._progress_bar.set_postfix(ndcg=f"{score:.4f}", best=f"{self.trainer.best_valid_score:.4f}")
        self._progress_bar.update()
        if time_is_up:
            raise _TimeLimitReached

    def _save_checkpoint(self) -> None:
        """Write the checkpoint of the epoch."""
        state = {
            "losses": self.valid_losses,
            "best": self.best_weights,
            "finished": self.finished,
            "seconds": self.seconds,
            "cur_step": self.trainer.cur_step,
            "best_score": float(self.trainer.best_valid_score),
            "network": self.network.state_dict(),
            "optimizer": self.trainer.optimizer.state_dict(),
            "generators": _generator_states(self.data.train.generator),
        }
        checkpoint = checkpoint_path(self.folder, len(self.valid_losses))
        checkpoint.mkdir(parents=True, exist_ok=True)
        torch.save(state, checkpoint / CHECKPOINT_FILE)
        complete_checkpoint(checkpoint, {"epoch": len(self.valid_losses), "train_losses": self.train_losses})

    def report(self) -> FitReport:
        """The report of a training that is over."""
        epochs = len(self.valid_losses)
        return FitReport(
            epochs=float(epochs),
            steps=epochs * len(self.data.train),
            parameters=sum(p.numel() for p in self.network.parameters() if p.requires_grad),
            seconds=self.seconds,
            valid_loss=tuple(self.valid_losses),
            # NDCG of a few hits is noisy, so a single worse epoch does not mean that validation no longer improves
            under_trained=not self._stops_early and epochs < self.trainer.epochs,
            precision="float32",
            train_loss=tuple(self.train_losses),
        )

    def loss_curve(self) -> LossCurve:
        """A point for each epoch: RecBole adds up the losses of an epoch's batches."""
        steps, losses = len(self.data.train), zip(self.train_losses, self.valid_losses, strict=True)
        return LossCurve(
            tuple(LossPoint(epoch * steps, float(epoch), *pair) for epoch, pair in enumerate(losses, start=1))
        )


def _copy_to_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def _generator_states(loader_generator: torch.Generator) -> dict[str, Any]:
    """The states of all generators that RecBole uses: order of examples, dropout, negatives (NumPy), masks (random)."""
    _, keys, *numpy_rest = cast("tuple[Any, ...]", np.random.get_state())
    version, words, gauss = random.getstate()
    return {
        "order": loader_generator.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(keys.astype(np.int64)), *numpy_rest],
        "random": [version, list(words), gauss],
    }


def _set_generator_states(states: dict[str, Any], loader_generator: torch.Generator) -> None:
    loader_generator.set_state(states["order"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    keys, *numpy_rest = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *numpy_rest))
    version, words, gauss = states["random"]
    random.setstate((version, tuple(words), gauss))
