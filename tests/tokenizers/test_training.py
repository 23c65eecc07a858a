"""The loop: order, time, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mindrec_bench.errors import MrbenchError
from mindrec_bench.tokenizers import training
from mindrec_bench.tokenizers.quantised import Job
from mindrec_bench.tokenizers.training import train

JOB = Job(np.random.default_rng(0).standard_normal((50, 4)).astype("f4"), seed=3)


class Fit:
    """Learns a linear map to what it is given; its batches and draws are kept."""

    def __init__(self, stop_after: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(4, 4)
        self.seen: list[list[int]] = []
        self.begun, self.stop_after = 0, stop_after

    def begin(self, generator: torch.Generator) -> None:
        self.begun += 1

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        if epoch == self.stop_after:
            raise KeyboardInterrupt

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        self.seen.append(rows.tolist())
        vectors = torch.from_numpy(JOB.vectors)[rows]
        return (self.network(vectors) - vectors - torch.rand(4, generator=generator)).square().mean()

    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        self.network.bias.data += 1e-3 * torch.rand(4, generator=generator)


def run(fit: Fit, job: Job = JOB, epochs: int = 25, kind: Any = torch.optim.AdamW) -> list[float]:
    return train(fit, kind(fit.network.parameters(), lr=0.05), job, epochs=epochs, batch=16)


def test_every_epoch_takes_every_item_once_in_an_order_of_its_own() -> None:
    fit = Fit()
    losses = run(fit, epochs=2)
    assert losses[1] < losses[0]
    first, second = (list(chain(*fit.seen[at : at + 4])) for at in (0, 4))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert fit.begun == 1


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adagrad])
def test_a_killed_training_continues_to_the_same_weights(tmp_path: Path, kind: type[torch.optim.Optimizer]) -> None:
    whole, killed, continued = Fit(), Fit(stop_after=17), Fit()
    job = replace(JOB, checkpoint=tmp_path / "training.safetensors")
    losses = run(whole, kind=kind)
    with pytest.raises(KeyboardInterrupt):
        run(killed, job, kind=kind)
    said: list[str] = []
    assert run(continued, replace(job, notify=said.append), kind=kind) == losses
    assert said == ["training continues after 10 epochs"]
    assert continued.begun == 0
    assert len(continued.seen) == 15 * 4
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, continued.network.state_dict()[name])


def test_a_damaged_checkpoint_is_said_and_left(tmp_path: Path) -> None:
    said: list[str] = []
    job = replace(JOB, checkpoint=tmp_path / "training.safetensors", notify=said.append)
    job.checkpoint.write_bytes(b"broken")
    assert run(Fit(), job, epochs=3) == run(Fit(), epochs=3)
    assert said == [f"{job.checkpoint} is damaged; training starts anew"]


def test_time_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(training.time, "monotonic", lambda: float(next(clock)))
    said: list[str] = []
    assert len(run(Fit(), replace(JOB, max_minutes=1, notify=said.append))) == 3  # 20 seconds an epoch
    assert said == ["time is up after 3 of 25 epochs"]


def test_divergence_is_one_sentence() -> None:
    fit = Fit()
    fit.network.weight.data[0, 0] = torch.nan
    with pytest.raises(MrbenchError, match="the loss is nan in epoch 1; give the method a smaller lr"):
        run(fit)
