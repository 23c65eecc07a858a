"""The training loop of the quantizers that are networks: seeded order, time limit, checkpoints to continue from.

What an epoch does is a function of the seed, the epoch and the weights, so a training that is killed continues from its
last checkpoint to the same weights.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import MrbenchError
from ..io.atomic import atomic_write
from ..io.progress import ProgressBar
from .quantizer import QuantizationTask

logger = logging.getLogger(__name__)

CHECKPOINT_EPOCHS = 10
"""Epochs between two checkpoints; state that is renewed from time to time must be renewed at these epochs."""


class Objective(Protocol):
    """A network and its loss, with hooks around epochs."""

    @property
    def network(self) -> nn.Module:
        """The network whose weights are trained and saved."""
        ...

    def begin(self, generator: torch.Generator) -> None:
        """Called before the first epoch, unless the training continues from a checkpoint."""
        ...

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Called before each epoch."""
        ...

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a batch of items, a scalar. Shape: (B,)"""
        ...

    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Called after each epoch."""
        ...


def train(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    task: QuantizationTask,
    *,
    epochs: int,
    batch_size: int,
) -> list[float]:
    """Train, continuing from the task's checkpoint if there is one.

    Args:
        objective: the network and its loss.
        optimizer: optimizer of the network's weights.
        task: gives the seed, the device, the time limit and the path of the checkpoint.
        epochs: number of passes over the items; fewer when the time limit is reached.
        batch_size: number of items per step.

    Returns:
        The mean loss of each finished epoch.

    Raises:
        MrbenchError: training diverged, or the checkpoint can't be written.
    """
    objective.network.to(task.device).train()
    losses, seconds = _load_checkpoint(objective.network, optimizer, task)
    if not losses:
        objective.begin(_generator(task.seed, -1))
    limit = math.inf if task.max_minutes is None else 60 * task.max_minutes
    started = time.monotonic() - seconds
    with ProgressBar(total=epochs, initial=len(losses), desc="training", unit="epochs", disable=task.quiet) as bar:
        for epoch in range(len(losses), epochs):
            generator = _generator(task.seed, epoch)
            losses.append(_train_epoch(objective, optimizer, epoch, generator, batch_size, task))
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
            elapsed = time.monotonic() - started
            if task.checkpoint and len(losses) % CHECKPOINT_EPOCHS == 0:
                _save_checkpoint(task.checkpoint, objective.network, optimizer, losses, elapsed)
            if elapsed >= limit and len(losses) < epochs:
                logger.info(f"time limit reached after {len(losses)} of {epochs} epochs")
                break
    objective.network.eval()
    return losses


def _train_epoch(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    generator: torch.Generator,
    batch_size: int,
    task: QuantizationTask,
) -> float:
    objective.begin_epoch(epoch, generator)
    total = torch.zeros((), device=task.device)
    for rows in torch.randperm(len(task.vectors), generator=generator).to(task.device).split(batch_size):
        loss = objective.loss(rows, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    mean = float(total) / len(task.vectors)
    if not math.isfinite(mean):
        raise MrbenchError(f"training diverged: the loss is {mean} in epoch {epoch + 1}; give the method a smaller lr")
    objective.end_epoch(epoch, optimizer, generator)
    return mean


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)


def _save_checkpoint(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], seconds: float
) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    progress = json.dumps({"losses": losses, "seconds": seconds})
    content = save(tensors, metadata={"progress": progress, "sha256": _digest(tensors, progress)})
    atomic_write(path, lambda file: file.write(content), option="--out")


def _digest(tensors: dict[str, Tensor], progress: str) -> str:
    """SHA-256 of what a checkpoint holds, in hex."""
    digest = hashlib.sha256(progress.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _load_checkpoint(
    network: nn.Module, optimizer: torch.optim.Optimizer, task: QuantizationTask
) -> tuple[list[float], float]:
    """Load weights and optimizer state of the task's checkpoint; return the losses so far and the seconds they took."""
    path = task.checkpoint
    if path is None or not path.is_file():
        return [], 0.0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if metadata["sha256"] != _digest(tensors, metadata["progress"]):
            raise ValueError
        progress: dict[str, Any] = json.loads(metadata["progress"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        logger.warning(f"{path} is damaged; training starts from the beginning")
        return [], 0.0
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, field = rest.partition(".")
            states.setdefault(int(index), {})[field] = tensor
    network.load_state_dict({n.partition(".")[2]: t for n, t in tensors.items() if n.startswith("network.")})
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    logger.info(f"training continues after {len(progress['losses'])} epochs")
    return list(progress["losses"]), float(progress["seconds"])
