"""RQ-VAE: the loss by hand, training, and codes that similar items share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_bench.tokenizers import rqvae
from mindrec_bench.tokenizers.quantizer import QuantizationTask, reconstruct
from mindrec_bench.tokenizers.rqvae import RqVae, RqVaeNetwork, RqVaeOutput, rqvae_loss

TINY = RqVae(hidden="32", latent=8, epochs=30, batch=64, lr=3e-3)


def clustered_vectors(items: int = 240, seed: int = 0) -> np.ndarray:
    """Items around 12 directions."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((12, 10))[rng.integers(0, 12, items)] + 0.3 * rng.standard_normal((items, 10))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")


def agreement(vectors: np.ndarray, codes: np.ndarray) -> float:
    """The share of the 5 nearest items that have the same first code."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :5]
    return float((codes[nearest, 0] == codes[:, :1]).mean())


def test_the_loss_by_hand() -> None:
    """|x - x'|^2 = 4; residuals (1, 0) and (0, 2) against (0, 0) and (0, 1): 1 + 1 = 2, once and a quarter."""
    residuals = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], requires_grad=True)
    codewords = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    output = RqVaeOutput(torch.zeros(1, 2), codewords, residuals, torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]))
    loss = rqvae_loss(output, torch.tensor([[0.0, 0.0]]), 0.25)
    assert loss.item() == pytest.approx(4 + 2 + 0.25 * 2)
    loss.backward()
    assert codewords.grad.tolist() == [[[-2, 0], [0, -2]]]  # towards the residuals, with weight 1
    assert residuals.grad.tolist() == [[[0.5, 0], [0, 0.5]]]  # towards the codewords, with weight 0.25


def test_the_gradient_goes_straight_through_the_quantiser() -> None:
    torch.manual_seed(0)
    network = RqVaeNetwork(3, [5], 2, n_levels=2, codebook_size=4)
    network.codebooks.data.normal_()
    vectors = torch.randn(6, 3)
    output = network(vectors)
    latents = network.encoder(vectors)
    sums = sum(network.codebooks[level][output.codes[:, level]] for level in range(2))
    torch.testing.assert_close(output.quantized, sums)
    torch.testing.assert_close(output.residuals[:, 0], latents)
    torch.testing.assert_close(output.residuals[:, 1], latents - output.codewords[:, 0])
    weight = torch.randn(6, 2)
    (output.quantized * weight).sum().backward()
    straight = [parameter.grad.clone() for parameter in network.encoder.parameters()]
    assert network.codebooks.grad is None or not network.codebooks.grad.any()
    network.zero_grad()
    (network.encoder(vectors) * weight).sum().backward()
    for gradient, parameter in zip(straight, network.encoder.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_training_lowers_the_loss_and_similar_items_share_codes() -> None:
    task = QuantizationTask(clustered_vectors(), n_levels=2, n_codes=12)
    quantized = TINY.quantize(task)
    assert quantized.training_stats["epochs"] == 30
    assert quantized.training_stats["last_loss"] < 0.5 * quantized.training_stats["first_loss"]
    random = np.random.default_rng(0).permuted(quantized.codes, axis=0)
    assert agreement(task.vectors, quantized.codes) > 0.6 > 0.3 > agreement(task.vectors, random)
    sums = reconstruct(quantized.codebooks, quantized.codes)
    assert np.square(task.vectors - quantized.decode(sums)).sum(axis=1).mean() < 0.5  # vectors are of length 1


def test_codes_are_the_nearest_codewords() -> None:
    quantized = TINY.quantize(QuantizationTask(clustered_vectors(), n_levels=3, n_codes=8))
    residuals = quantized.latents
    for level, codebook in enumerate(quantized.codebooks):
        assert (
            quantized.codes[:, level] == np.square(residuals[:, None] - codebook).sum(axis=-1).argmin(axis=1)
        ).mean() > 0.99
        residuals = residuals - codebook[quantized.codes[:, level]]


def test_the_seed_determines_the_codes() -> None:
    short = replace(TINY, epochs=3)
    codes = [
        short.quantize(QuantizationTask(clustered_vectors(), n_levels=2, n_codes=8, seed=seed)).codes
        for seed in (1, 1, 2)
    ]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


def test_a_killed_training_gives_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(TINY, epochs=14)
    task = QuantizationTask(clustered_vectors(), n_levels=2, n_codes=8)
    resumable = replace(task, checkpoint=tmp_path / "training.safetensors")
    whole = options.quantize(task)
    end, epochs = rqvae.RqVaeObjective.end_epoch, []

    def end_epoch(self: rqvae.RqVaeObjective, epoch: int, *rest: object) -> None:
        epochs.append(epoch)
        if len(epochs) == 13:
            raise KeyboardInterrupt
        end(self, epoch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rqvae.RqVaeObjective, "end_epoch", end_epoch)
    with pytest.raises(KeyboardInterrupt):
        options.quantize(resumable)
    assert (options.quantize(resumable).codes == whole.codes).all()
    assert epochs == [*range(13), *range(10, 14)]


def test_unused_codes_are_renewed() -> None:
    torch.manual_seed(0)
    task = QuantizationTask(clustered_vectors(), n_levels=2, n_codes=8)
    network = RqVaeNetwork(10, [16], 4, 2, 8)
    objective = rqvae.RqVaeObjective(network, TINY, task, None)
    objective.begin(torch.Generator().manual_seed(0))
    network.codebooks.data[1, 5] = 100.0  # too far from every item
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    objective.begin_epoch(0, torch.Generator())
    objective.loss(torch.arange(240), torch.Generator()).backward()
    optimizer.step()
    assert not objective.used[1, 5]
    used = network.codebooks.data[objective.used].clone()
    objective.end_epoch(0, optimizer, torch.Generator().manual_seed(1))
    assert network.codebooks.data[1, 5].abs().max() < 10
    assert torch.equal(network.codebooks.data[objective.used], used)
    objective.begin_epoch(1, torch.Generator())
    objective.loss(torch.arange(240), torch.Generator())
    assert objective.used[1, 5]
    network.codebooks.data[1, 5] = 100.0
    objective.begin_epoch(29, torch.Generator())
    objective.end_epoch(29, optimizer, torch.Generator())  # no code is renewed in the last epochs
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
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RqVae(**options)  # type: ignore[arg-type]
