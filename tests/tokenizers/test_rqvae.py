"""RQ-VAE: the loss by hand, what training does, and that the codes mean something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_bench.tokenizers import rqvae
from mindrec_bench.tokenizers.quantised import Job, rebuilt
from mindrec_bench.tokenizers.rqvae import Network, Pass, RqVae, quantiser_loss

TINY = RqVae(hidden="32", latent=8, epochs=30, batch=64, lr=3e-3)


def clustered(items: int = 240, seed: int = 0) -> np.ndarray:
    """Items around 12 directions."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((12, 10))[rng.integers(0, 12, items)] + 0.3 * rng.standard_normal((items, 10))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")


def agreement(vectors: np.ndarray, codes: np.ndarray) -> float:
    """How many of the 5 nearest items share the first code, as a share."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.argsort(-similar, axis=1)[:, :5]
    return float((codes[nearest, 0] == codes[:, :1]).mean())


def test_the_loss_by_hand() -> None:
    """|x - x'|^2 = 4; residuals (1, 0) and (0, 2) against (0, 0) and (0, 1): 1 + 1 = 2, once and a quarter."""
    residuals = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], requires_grad=True)
    chosen = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    passed = Pass(torch.zeros(1, 2), chosen, residuals, torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]))
    loss = quantiser_loss(passed, torch.tensor([[0.0, 0.0]]), 0.25)
    assert loss.item() == pytest.approx(4 + 2 + 0.25 * 2)
    loss.backward()
    assert chosen.grad.tolist() == [[[-2, 0], [0, -2]]]  # towards the residuals, with weight 1
    assert residuals.grad.tolist() == [[[0.5, 0], [0, 0.5]]]  # towards the codes, with weight 0.25


def test_the_gradient_goes_straight_through_the_quantiser() -> None:
    torch.manual_seed(0)
    network = Network(3, [5], 2, levels=2, codes=4)
    network.codebooks.data.normal_()
    vectors = torch.randn(6, 3)
    passed = network(vectors)
    latents = network.encoder(vectors)
    sums = sum(network.codebooks[level][passed.codes[:, level]] for level in range(2))
    torch.testing.assert_close(passed.quantised, sums)
    torch.testing.assert_close(passed.residuals[:, 0], latents)
    torch.testing.assert_close(passed.residuals[:, 1], latents - passed.chosen[:, 0])
    weight = torch.randn(6, 2)
    (passed.quantised * weight).sum().backward()
    straight = [parameter.grad.clone() for parameter in network.encoder.parameters()]
    assert network.codebooks.grad is None or not network.codebooks.grad.any()
    network.zero_grad()
    (network.encoder(vectors) * weight).sum().backward()
    for found, parameter in zip(straight, network.encoder.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad)


def test_training_lowers_the_loss_and_beats_random_codes() -> None:
    job = Job(clustered(), levels=2, codes=12)
    found = TINY.quantise(job)
    assert found.facts["epochs"] == 30
    assert found.facts["last_loss"] < 0.5 * found.facts["first_loss"]
    random = np.random.default_rng(0).permuted(found.codes, axis=0)
    assert agreement(job.vectors, found.codes) > 0.6 > 0.3 > agreement(job.vectors, random)
    sums = rebuilt(found.codebooks, found.codes)
    assert np.square(job.vectors - found.decode(sums)).sum(axis=1).mean() < 0.5  # vectors are of length 1


def test_codes_are_those_of_the_network() -> None:
    found = TINY.quantise(Job(clustered(), levels=3, codes=8))
    left = found.latents
    for level, book in enumerate(found.codebooks):
        assert (found.codes[:, level] == np.square(left[:, None] - book).sum(axis=-1).argmin(axis=1)).mean() > 0.99
        left = left - book[found.codes[:, level]]


def test_the_seed_decides() -> None:
    short = replace(TINY, epochs=3)
    codes = [short.quantise(Job(clustered(), levels=2, codes=8, seed=seed)).codes for seed in (1, 1, 2)]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


def test_a_killed_training_gives_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(TINY, epochs=14)
    job = Job(clustered(), levels=2, codes=8)
    kept = replace(job, checkpoint=tmp_path / "training.safetensors")
    whole = options.quantise(job)
    end, ends = rqvae._Objective.end_epoch, []

    def end_epoch(self: rqvae._Objective, epoch: int, *rest: object) -> None:
        ends.append(epoch)
        if len(ends) == 13:
            raise KeyboardInterrupt
        end(self, epoch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rqvae._Objective, "end_epoch", end_epoch)
    with pytest.raises(KeyboardInterrupt):
        options.quantise(kept)
    assert (options.quantise(kept).codes == whole.codes).all()
    assert ends == [*range(13), *range(10, 14)]


def test_unused_codes_come_back() -> None:
    torch.manual_seed(0)
    job = Job(clustered(), levels=2, codes=8)
    network = Network(10, [16], 4, 2, 8)
    objective = rqvae._Objective(network, TINY, job, None)
    objective.begin(torch.Generator().manual_seed(0))
    network.codebooks.data[1, 5] = 100.0  # too far away for any item
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    objective.begin_epoch(0, torch.Generator())
    objective.loss(torch.arange(240), torch.Generator()).backward()
    optimizer.step()
    assert not objective.used[1, 5]
    others = network.codebooks.data[objective.used].clone()
    objective.end_epoch(0, optimizer, torch.Generator().manual_seed(1))
    assert network.codebooks.data[1, 5].abs().max() < 10
    assert torch.equal(network.codebooks.data[objective.used], others)
    objective.begin_epoch(1, torch.Generator())
    objective.loss(torch.arange(240), torch.Generator())
    assert objective.used[1, 5]
    network.codebooks.data[1, 5] = 100.0
    objective.begin_epoch(29, torch.Generator())
    objective.end_epoch(29, optimizer, torch.Generator())  # the last epochs let codebooks settle
    assert (network.codebooks.data[1, 5] == 100).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; it must be above 0"),
        ({"lr": -1.0}, "lr is -1.0; it must be above 0"),
        ({"beta": -0.1}, "beta is -0.1; it must be 0 or more"),
        ({"hidden": "64,32"}, "hidden is '64,32'; write widths like 512-256-128"),
    ],
)
def test_what_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RqVae(**options)  # type: ignore[arg-type]
