"""Training by RecBole's own trainer, with checkpoints that continue exactly where the last whole epoch ended.

After every epoch RecBole evaluates NDCG@10 on the validation items over the whole catalogue; the best epoch's weights
are kept, and training stops after `patience` epochs without a better one. The stored validation loss is 1 - NDCG@10.
A checkpoint holds the weights, the optimiser and every random generator that RecBole uses, so a training that is
killed and repeated ends, on the CPU, with the same bits.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import MrbenchError

from ..training import weights
from . import compat
from .data import Prepared

CHECKPOINT = "checkpoint.pt"


class _Over(Exception):  # noqa: N818
    """Leaves RecBole's loop: time is up."""


def fit(prepared: Prepared, network: nn.Module, task: Task, folder: Path) -> FitReport:
    """Train `network` and leave its best weights in `folder`; continue where an interrupted call stopped.

    Args:
        prepared: data and configuration.
        network: made from `prepared`, just initialised.
        task: time limit, device, progress.
        folder: gets the weights; the checkpoint lies in it until training is complete.

    Raises:
        MrbenchError: the folder can't be written, or the loss became NaN.
    """
    with weights.explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        training = _Training(prepared, network, task, folder / "checkpoints")
        training.resume()
        training.run()
        report = training.report()
        weights.save(folder, task, training.best, report)
        shutil.rmtree(training.folder, ignore_errors=True)
    return report


class _Training:
    """One training: RecBole's trainer, and what is remembered beside it."""

    def __init__(self, prepared: Prepared, network: nn.Module, task: Task, folder: Path) -> None:
        self.prepared, self.network, self.task, self.folder = prepared, network, task, folder
        self.trainer = compat.trainer(prepared.config, network)
        self.limit = float("inf") if task.max_minutes is None else 60 * task.max_minutes
        self.losses, self.best, self.finished = list[float](), dict[str, Tensor](), False
        self._seconds_before, self._started = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time, that before interruptions included."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def _no_progress(self) -> bool:
        """Whether RecBole stops here: by its rule for early stopping."""
        return bool(self.trainer.cur_step > self.trainer.stopping_step)

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.losses, self.best, self.finished = state["losses"], state["best"], state["finished"]
        self._seconds_before = state["seconds"]
        self.trainer.start_epoch = len(self.losses)
        self.trainer.cur_step, self.trainer.best_valid_score = state["cur_step"], state["best_score"]
        self.network.load_state_dict(state["network"])
        self.trainer.optimizer.load_state_dict(state["optimizer"])
        _set_generators(state["generators"], self.prepared.train.generator)
        self.task.notify(f"training continues at epoch {len(self.losses)} of {self.trainer.epochs}")

    def run(self) -> None:
        """Train to the end: all epochs, no progress, or no time."""
        self._started = time.monotonic()
        if self.finished:
            return
        self._bar = tqdm(
            total=self.trainer.epochs,
            initial=len(self.losses),
            desc="training",
            unit="epoch",
            file=sys.stderr,
            disable=self.task.quiet,
        )
        try:
            self.trainer.fit(
                self.prepared.train, self.prepared.valid, verbose=False, saved=False, callback_fn=self._after_epoch
            )
        except _Over:
            pass
        except ValueError as error:
            if "nan" not in str(error):
                raise
            raise MrbenchError(
                f"the training loss is no number any more after {len(self.losses)} epochs; train with a smaller lr"
            ) from error
        finally:
            self._bar.close()

    def _after_epoch(self, epoch: int, score: float) -> None:
        """Called by RecBole after each evaluation, its own counters up to date."""
        self.losses.append(1 - float(score))
        if self.trainer.cur_step == 0:
            self.best = _copy(self.network.state_dict())
        out_of_time = self.seconds >= self.limit
        self.finished = out_of_time or self._no_progress or epoch + 1 == self.trainer.epochs
        self._save()
        self._bar.set_postfix(ndcg=f"{score:.4f}", best=f"{self.trainer.best_valid_score:.4f}")
        self._bar.update()
        if out_of_time:
            raise _Over

    def _save(self) -> None:
        """Write the checkpoint, renamed into place when whole."""
        state = {
            "losses": self.losses,
            "best": self.best,
            "finished": self.finished,
            "seconds": self.seconds,
            "cur_step": self.trainer.cur_step,
            "best_score": float(self.trainer.best_valid_score),
            "network": self.network.state_dict(),
            "optimizer": self.trainer.optimizer.state_dict(),
            "generators": _generators(self.prepared.train.generator),
        }
        self.folder.mkdir(exist_ok=True)
        partial = self.folder / f"{CHECKPOINT}.partial"
        torch.save(state, partial)
        os.replace(partial, self.folder / CHECKPOINT)

    def report(self) -> FitReport:
        """Sum up a training that is over."""
        epochs = len(self.losses)
        return FitReport(
            epochs=float(epochs),
            steps=epochs * len(self.prepared.train),
            parameters=sum(p.numel() for p in self.network.parameters() if p.requires_grad),
            seconds=self.seconds,
            valid_loss=tuple(self.losses),
            # NDCG of a few hits is noisy: until patience has run out, a single worse epoch is no end of progress
            under_trained=not self._no_progress and epochs < self.trainer.epochs,
            precision="float32",
        )


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def _generators(order: torch.Generator) -> dict[str, Any]:
    """The state of all that RecBole draws from: order of examples, dropout, negatives (NumPy), masks (random)."""
    _, keys, *rest = cast("tuple[Any, ...]", np.random.get_state())
    version, words, gauss = random.getstate()
    return {
        "order": order.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(keys.astype(np.int64)), *rest],
        "random": [version, list(words), gauss],
    }


def _set_generators(states: dict[str, Any], order: torch.Generator) -> None:
    order.set_state(states["order"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    keys, *rest = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))
    version, words, gauss = states["random"]
    random.setstate((version, tuple(words), gauss))
