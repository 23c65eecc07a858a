"""The training loop: order, time limit, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mindrec_bench.errors import MrbenchError
from mindrec_bench.tokenizers import training_loop
from mindrec_bench.tokenizers.quantizer import QuantizationTask
from mindrec_bench.tokenizers.training_loop import train

TASK = QuantizationTask(np.random.default_rng(0).standard_normal((50, 4)).astype("f4"), seed=3)


class LinearObjective:
    """Learns a linear map of the vectors to themselves, and records its batches."""

    def __init__(self, stop_after: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(4, 4)
        self.batches: list[list[int]] = []
        self.begin_calls, self.stop_after = 0, stop_after

    def begin(self, generator: torch.Generator) -> None:
        self.begin_calls += 1

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        if epoch == self.stop_after:
            raise KeyboardInterrupt

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        self.batches.append(rows.tolist())
        vectors = torch.from_numpy(TASK.vectors)[rows]
        return (self.network(vectors) - vectors - torch.rand(4, generator=generator)).square().mean()

    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        self.network.bias.data += 1e-3 * torch.rand(4, generator=generator)


def run(
    objective: LinearObjective,
    task: QuantizationTask = TASK,
    epochs: int = 25,
    optimizer_class: Any = torch.optim.AdamW,
) -> list[float]:
    return train(
        objective, optimizer_class(objective.network.parameters(), lr=0.05), task, epochs=epochs, batch_size=16
    )


def test_every_epoch_takes_every_item_once_in_a_new_order() -> None:
    objective = LinearObjective()
    losses = run(objective, epochs=2)
    assert losses[1] < losses[0]
    first, second = (list(chain(*objective.batches[start : start + 4])) for start in (0, 4))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert objective.begin_calls == 1


@pytest.mark.parametrize("optimizer_class", [torch.optim.AdamW, torch.optim.Adagrad])
def test_a_killed_training_continues_to_the_same_weights(
    tmp_path: Path, optimizer_class: type[torch.optim.Optimizer], notices: list[str]
) -> None:
    whole, killed, continued = LinearObjective(), LinearObjective(stop_after=17), LinearObjective()
    task = replace(TASK, checkpoint=tmp_path / "training.safetensors")
    losses = run(whole, optimizer_class=optimizer_class)
    with pytest.raises(KeyboardInterrupt):
        run(killed, task, optimizer_class=optimizer_class)
    assert run(continued, replace(task), optimizer_class=optimizer_class) == losses
    assert notices == ["training continues after 10 epochs"]
    assert continued.begin_calls == 0
    assert len(continued.batches) == 15 * 4
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, continued.network.state_dict()[name])


def test_a_checkpoint_with_another_bit_is_reported_and_ignored(tmp_path: Path, notices: list[str]) -> None:
    task = replace(TASK, checkpoint=tmp_path / "training.safetensors")
    assert task.checkpoint is not None
    run(LinearObjective(), task, epochs=training_loop.CHECKPOINT_EPOCHS)
    data = bytearray(task.checkpoint.read_bytes())
    data[-1] ^= 1
    task.checkpoint.write_bytes(data)
    run(LinearObjective(), task, epochs=training_loop.CHECKPOINT_EPOCHS)
    assert notices == [f"{task.checkpoint} is damaged; training starts from the beginning"]


def test_a_damaged_checkpoint_is_reported_and_ignored(tmp_path: Path, notices: list[str]) -> None:
    task = replace(TASK, checkpoint=tmp_path / "training.safetensors")
    task.checkpoint.write_bytes(b"broken")
    assert run(LinearObjective(), task, epochs=3) == run(LinearObjective(), epochs=3)
    assert notices == [f"{task.checkpoint} is damaged; training starts from the beginning"]


def test_the_time_limit_ends_training(monkeypatch: pytest.MonkeyPatch, notices: list[str]) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(training_loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    assert len(run(LinearObjective(), replace(TASK, max_minutes=1))) == 3  # 20 seconds per epoch
    assert notices == ["time limit reached after 3 of 25 epochs"]


def test_divergence_is_an_error() -> None:
    objective = LinearObjective()
    objective.network.weight.data[0, 0] = torch.nan
    with pytest.raises(MrbenchError, match="the loss is nan in epoch 1; give the method a smaller lr"):
        run(objective)
