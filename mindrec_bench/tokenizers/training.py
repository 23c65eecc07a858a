"""The training loop of the tokenizers that are networks: seeded order, time limit, checkpoints that continue.

What an epoch does is a function of the seed, the epoch and the weights, so a training that is killed continues from its
last checkpoint to the same weights.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import MrbenchError
from ..io.atomic import atomic_write
from .quantised import Job

SAVE_EPOCHS = 10
"""A checkpoint is written after so many epochs; whatever a training renews now and then, it renews at these epochs."""


class Objective(Protocol):
    """What is trained: a network, and what happens around its steps."""

    @property
    def network(self) -> nn.Module:
        """Its weights are trained and saved."""
        ...

    def begin(self, generator: torch.Generator) -> None:
        """Before the first epoch of a training that is not continued."""
        ...

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Before each epoch."""
        ...

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a batch of items, a scalar. Shape: (B,)"""
        ...

    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """After each epoch."""
        ...


def train(objective: Objective, optimizer: torch.optim.Optimizer, job: Job, *, epochs: int, batch: int) -> list[float]:
    """Train, continuing from the job's checkpoint where there is one.

    Args:
        objective: what.
        optimizer: of its network.
        job: gives seed, device, time limit, and where the checkpoint is.
        epochs: passes over the items, unless time is up before.
        batch: items a step.

    Returns:
        The mean loss of each epoch done.

    Raises:
        MrbenchError: training diverged, or the checkpoint can't be written.
    """
    objective.network.to(job.device).train()
    losses, seconds = _resume(objective.network, optimizer, job)
    if not losses:
        objective.begin(_generator(job.seed, -1))
    limit = math.inf if job.max_minutes is None else 60 * job.max_minutes
    started = time.monotonic() - seconds
    bar = tqdm(total=epochs, initial=len(losses), desc="training", unit="epoch", disable=job.quiet)
    with bar:
        for epoch in range(len(losses), epochs):
            generator = _generator(job.seed, epoch)
            losses.append(_epoch(objective, optimizer, epoch, generator, batch, job))
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
            spent = time.monotonic() - started
            if job.checkpoint and len(losses) % SAVE_EPOCHS == 0:
                _save(job.checkpoint, objective.network, optimizer, losses, spent)
            if spent >= limit and len(losses) < epochs:
                job.notify(f"time is up after {len(losses)} of {epochs} epochs")
                break
    objective.network.eval()
    return losses


def _epoch(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    generator: torch.Generator,
    batch: int,
    job: Job,
) -> float:
    objective.begin_epoch(epoch, generator)
    total = torch.zeros((), device=job.device)
    for rows in torch.randperm(len(job.vectors), generator=generator).to(job.device).split(batch):
        loss = objective.loss(rows, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    mean = float(total) / len(job.vectors)
    if not math.isfinite(mean):
        raise MrbenchError(f"training diverged: the loss is {mean} in epoch {epoch + 1}; give the method a smaller lr")
    objective.end_epoch(epoch, optimizer, generator)
    return mean


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], seconds: float
) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for at, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{at}.{name}": tensor for name, tensor in state.items()}
    content = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"progress": json.dumps({"losses": losses, "seconds": seconds})},
    )
    atomic_write(path, lambda file: file.write(content), option="--out")


def _resume(network: nn.Module, optimizer: torch.optim.Optimizer, job: Job) -> tuple[list[float], float]:
    """Take up the checkpoint's weights and state: the losses so far, and the seconds they took."""
    path = job.checkpoint
    if path is None or not path.is_file():
        return [], 0.0
    try:
        with safe_open(path, framework="pt") as file:
            progress: dict[str, Any] = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        job.notify(f"{path} is damaged; training starts anew")
        return [], 0.0
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            at, _, field = rest.partition(".")
            states.setdefault(int(at), {})[field] = tensor
    network.load_state_dict({n.partition(".")[2]: t for n, t in tensors.items() if n.startswith("network.")})
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    job.notify(f"training continues after {len(progress['losses'])} epochs")
    return list(progress["losses"]), float(progress["seconds"])
