"""The training loop of networks that one process trains from scratch.

It does what `transformers.Trainer` does, in the same order and on a CPU to the same bits, without what that costs: a
GPU needs 2.5 ms for a step of `llada` at `small`, and the Trainer takes 26. Here a step on a GPU is a captured graph,
and the host reads nothing back but a loss now and then.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import TrainerControl, TrainerState, TrainingArguments

from .batches import Batch, EpochSampler, ExampleDataset
from .captured import Captured, own_stream
from .idle import doubling_ratio, gpu_clock, idle_notice
from .progress import TrainingProgress
from .weights import write_tensors

logger = logging.getLogger(__name__)

WEIGHTS_FILE, OPTIMIZER_FILE, RANDOM_FILE = "model.safetensors", "optimizer.pt", "random.pt"
"""The files of a checkpoint; `TrainingProgress` adds its own."""

WAIT_STEPS = 10
"""The host waits for a GPU after so many steps: it would queue hundreds of them, and clocks would be wrong."""

IDLE_STEP = 100
"""After this many steps of a training, a GPU that is idle is noticed: shorter ones gain nothing by it."""


@dataclass(eq=False)
class TrainingLoop:
    """One training.

    Attributes:
        network: on the device.
        optimizer: of its parameters; on a GPU its learning rate is a tensor, which a captured graph reads.
        progress: decides when training ends; called as the Trainer calls it.
        train_set, valid_set: examples.
        sampler: their order.
        batch: examples per step; four times as many in validation.
        lr: the learning rate of a step, counted from 0.
        arguments: of the Trainer.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    progress: TrainingProgress
    train_set: ExampleDataset
    valid_set: ExampleDataset
    sampler: EpochSampler
    batch: int
    lr: Callable[[int], float]
    arguments: TrainingArguments

    def __post_init__(self) -> None:
        self.device = self.arguments.device
        self.state, self.control = TrainerState(), TrainerControl()
        self.train_step = Captured(self._train_step, self.device, forget=self.optimizer.zero_grad)
        self.valid_step = Captured(self._valid_step, self.device, enabled=self.train_step.enabled)

    @property
    def steps_per_epoch(self) -> int:
        """The last one may have fewer examples."""
        return math.ceil(len(self.train_set) / self.batch)

    def run(self, checkpoint: Path | None) -> None:
        """Train to the end.

        Args:
            checkpoint: the folder to continue from, which `progress` has read, or None.

        Raises:
            MrbenchError: training diverged.
        """
        with own_stream(self.device), warnings.catch_warnings():
            # The first step of each shape is not captured.
            warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")
            torch.manual_seed(self.arguments.seed)
            self.state.global_step, self.state.epoch = self.progress.step, self.progress.epoch
            epoch, step = divmod(self.progress.step, self.steps_per_epoch)
            if checkpoint is None:
                self._set_lr(self.lr(0))
            else:
                self._load(checkpoint)
            self.progress.on_train_begin(*self._event)
            while epoch < self.arguments.num_train_epochs and not self.control.should_training_stop:
                self._train_epoch(epoch, step, checkpoint)
                self._validate()
                if not self.control.should_training_stop:
                    self._save()
                epoch, step, checkpoint = epoch + 1, 0, None
            self.progress.on_train_end(*self._event)

    @property
    def _event(self) -> tuple[TrainingArguments, TrainerState, TrainerControl]:
        return self.arguments, self.state, self.control

    def _train_epoch(self, epoch: int, first_step: int, checkpoint: Path | None) -> None:
        """The steps of an epoch from `first_step` on; a checkpoint has the random state before the first of them."""
        self.sampler.set_epoch(epoch)
        keys = list(self.sampler)
        if not first_step:
            _load_random_state(checkpoint)
        _draw_as_a_loader_does()
        if first_step:
            _load_random_state(checkpoint)
        self.network.train()
        for step in range(first_step, self.steps_per_epoch):
            batch_keys = keys[step * self.batch : (step + 1) * self.batch]
            self.progress.add_train_loss(self.train_step(self.train_set.__getitems__(batch_keys)))
            self._set_lr(self.lr(self.state.global_step + 1))
            self.state.global_step += 1
            self.state.epoch = epoch + (step + 1) / self.steps_per_epoch
            if self.device.type == "cuda" and self.state.global_step % WAIT_STEPS == 0:
                torch.cuda.current_stream().synchronize()
            self.progress.on_step_end(*self._event)
            if self.control.should_training_stop:
                break
            if self.control.should_save:
                self._save()
            if self.train_step.enabled and self.state.global_step == IDLE_STEP:
                self.say_if_idle(keys)

    def _train_step(self, batch: Batch) -> Tensor:
        loss = self._loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.arguments.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def say_if_idle(self, keys: list[int], clock: Callable[[], float] = gpu_clock) -> None:
        """Tell the user where a larger batch would be almost free; training goes on as if nothing had happened.

        Losses and gradients of a whole batch are computed, as graphs on a GPU; AdamW, which takes as long for any
        batch, is left out.

        Args:
            keys: of the examples of an epoch, in its order; nothing is said where they are fewer than two batches.
            clock: see `doubling_ratio`.
        """
        if len(keys) < 2 * self.batch:
            return
        on_gpu = self.device.type == "cuda"
        if on_gpu and torch.cuda.mem_get_info(self.device)[0] < 3 * torch.cuda.max_memory_allocated(self.device):
            return  # twice the examples may not fit
        probe = Captured(self._gradients, self.device)
        with torch.random.fork_rng([torch.cuda.current_device()] if on_gpu else []):
            batch, twice = (self.train_set.__getitems__(keys[: self.batch] * times) for times in (1, 2))
            ratio = doubling_ratio(probe, batch, twice, clock)
        notice = idle_notice(ratio, self.batch)
        if notice and not (on_gpu and None in probe.graphs.values()):
            logger.info(notice)

    def _gradients(self, batch: Batch) -> Tensor:
        """The loss; its gradients are computed and dropped."""
        loss = self._loss(batch)
        torch.autograd.grad(loss, [p for p in self.network.parameters() if p.requires_grad], allow_unused=True)
        return loss.detach()

    @torch.no_grad()
    def _valid_step(self, batch: Batch) -> Tensor:
        return self._loss(batch)

    def _loss(self, batch: Batch) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16) if self.arguments.bf16 else nullcontext():
            loss: Tensor = self.network(**batch)["loss"]
        return loss.float()

    def _validate(self) -> None:
        """The mean validation loss, as the Trainer computes it: each batch's in float32, once for each example."""
        _draw_as_a_loader_does()
        self.network.eval()
        keys = np.arange(len(self.valid_set))
        batches = [keys[first : first + 4 * self.batch].tolist() for first in keys[:: 4 * self.batch]]
        losses = torch.stack([self.valid_step(self.valid_set.__getitems__(keys)).clone() for keys in batches])
        loss = np.repeat(losses.cpu().numpy(), [len(keys) for keys in batches]).mean().item()
        self.progress.on_evaluate(*self._event, metrics={"eval_loss": loss}, model=self.network)

    def _set_lr(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    def _save(self) -> None:
        """Write a checkpoint; `progress` completes it."""
        self.control.should_save = False
        folder = self.progress.folder / f"checkpoint-{self.state.global_step}"
        folder.mkdir(parents=True, exist_ok=True)
        tensors = self.network.state_dict().items()
        write_tensors(folder / WEIGHTS_FILE, {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors})
        torch.save(self.optimizer.state_dict(), folder / OPTIMIZER_FILE)
        torch.save(_random_state(), folder / RANDOM_FILE)
        self.progress.on_save(*self._event)

    def _load(self, folder: Path) -> None:
        """Continue with the weights and the optimiser of a checkpoint, which may be of another kind of device."""
        from safetensors.torch import load_file

        self.network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        saved: dict[str, Any] = torch.load(folder / OPTIMIZER_FILE, map_location=self.device, weights_only=True)
        for group, saved_group in zip(self.optimizer.param_groups, saved["param_groups"], strict=True):
            lr = float(saved_group["lr"])
            is_tensor = isinstance(group["lr"], Tensor)
            saved_group["lr"] = torch.tensor(lr, device=self.device) if is_tensor else lr
            saved_group["capturable"] = group["capturable"]
        self.optimizer.load_state_dict(saved)


def _draw_as_a_loader_does() -> None:
    """Take the number from the generator that torch's `DataLoader` takes, so that dropout is that of the Trainer."""
    torch.empty((), dtype=torch.int64).random_()


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _load_random_state(folder: Path | None) -> None:
    """Restore the generators as they were when a checkpoint was written."""
    if folder is None:
        return
    state = torch.load(folder / RANDOM_FILE, weights_only=True)
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
