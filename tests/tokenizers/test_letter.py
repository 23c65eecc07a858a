"""LETTER's two losses by hand, and their effect on codes."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from mindrec_bench.tokenizers.kmeans import nearest
from mindrec_bench.tokenizers.letter import Letter, alignment_loss, diversity_loss, equal_clusters
from mindrec_bench.tokenizers.quantizer import QuantizationTask, reconstruct

TINY = Letter(hidden="32", latent=6, epochs=25, batch=60, lr=3e-3, clusters=3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_alignment_by_hand() -> None:
    """Inner products [[1, 0], [0, 2]]: -log(e / (e + 1)) and -log(e^2 / (e^2 + 1)), averaged."""
    loss = alignment_loss(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.eye(2))
    assert loss.item() == pytest.approx((log(1 + exp(-1)) + log(1 + exp(-2))) / 2)


def test_diversity_by_hand() -> None:
    """Code 0 shares its group with code 1 only: softmax over the inner products 1, -1 and 0; code 3 is alone."""
    codebook = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    groups = torch.tensor([0, 0, 1, 2])
    loss = diversity_loss(torch.tensor([0, 3]), codebook, groups, generator())
    assert loss.item() == pytest.approx(-log(exp(1) / (exp(1) + exp(-1) + 1)))
    assert diversity_loss(torch.tensor([3, 2]), codebook, groups, generator()).item() == 0


def test_all_other_codes_of_the_group_are_drawn() -> None:
    codebook = torch.zeros(4, 2)
    codebook[2] = torch.tensor([3.0, 0.0])
    codebook[0] = torch.tensor([1.0, 0.0])
    losses = {
        round(diversity_loss(torch.tensor([0]), codebook, torch.zeros(4), generator(s)).item(), 4) for s in range(20)
    }
    assert losses == {round(-log(exp(score) / (exp(3) + 2)), 4) for score in (3, 0)}


@pytest.mark.parametrize(("codes", "clusters", "largest"), [(16, 4, 4), (10, 3, 4), (3, 10, 1)])
def test_clusters_have_equal_size(codes: int, clusters: int, largest: int) -> None:
    codebook = torch.randn(codes, 4, generator=generator())
    codebook[: codes // 2] *= 0.01  # without the limit half of them would be one cluster
    groups = equal_clusters(codebook, clusters, 0)
    assert torch.bincount(groups).max() == largest
    assert torch.equal(groups, equal_clusters(codebook, clusters, 0))


def test_clusters_contain_near_vectors() -> None:
    codebook = torch.eye(3).repeat_interleave(4, dim=0) * 10 + 0.1 * torch.randn(12, 3, generator=generator())
    groups = equal_clusters(codebook, 3, 0).reshape(3, 4)
    assert (groups == groups[:, :1]).all()
    assert len(groups[:, 0].unique()) == 3


def entropy(codes: torch.Tensor) -> float:
    shares = torch.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(-(shares * shares.log2()).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_diversity_loss_raises_the_entropy_of_codes(seed: int) -> None:
    """Items in all directions, codes in one corner: most items share a few codes, until the loss spreads the codes."""
    items = normalize(torch.randn(400, 8, generator=generator(seed)), dim=1)
    corner = normalize(torch.randn(1, 8, generator=generator(seed + 10)), dim=1)
    codebook = (corner + 0.2 * torch.randn(16, 8, generator=generator(seed + 20))).requires_grad_()
    optimizer = torch.optim.SGD([codebook], lr=0.5)
    entropies = []
    for step in range(31):
        codes = nearest(items, codebook.detach())
        entropies.append(entropy(codes))
        if step % 10 == 0:
            groups = equal_clusters(codebook.detach(), 4, step)
        optimizer.zero_grad()
        diversity_loss(codes, codebook, groups, generator(step)).backward()
        optimizer.step()
    assert entropies[-1] > entropies[0] + 0.5  # of at most 4 bits


def make_task(vectors: np.ndarray, collaborative: np.ndarray, seed: int = 42) -> QuantizationTask:
    return QuantizationTask(vectors, n_levels=2, n_codes=12, collaborative=collaborative, seed=seed)


def make_vectors() -> tuple[np.ndarray, np.ndarray]:
    """Item vectors that carry little of the collaborative vectors, and these, around 6 directions."""
    rng = np.random.default_rng(0)
    collaborative = np.eye(6, dtype="f4")[np.arange(180) % 6] + 0.05 * rng.standard_normal((180, 6)).astype("f4")
    return np.concatenate([rng.standard_normal((180, 6)).astype("f4") / 3, 0.3 * collaborative], axis=1), collaborative


def test_alignment_brings_the_collaborative_vectors_into_the_codes() -> None:
    vectors, collaborative = make_vectors()
    aligned = []
    for alpha in (0.0, 1.0):
        quantized = replace(TINY, alpha=alpha, epochs=50).quantize(make_task(vectors, collaborative))
        scores = reconstruct(quantized.codebooks, quantized.codes) @ collaborative.T
        aligned.append(float((scores.argmax(axis=1) % 6 == np.arange(180) % 6).mean()))
    assert aligned[0] < 0.4 < 0.7 < aligned[1]  # by chance 1/6


def test_items_without_a_collaborative_vector_are_left_out() -> None:
    vectors, collaborative = make_vectors()
    options = replace(TINY, epochs=2, alpha=1.0, diversity=0.0)
    unaligned = options.quantize(make_task(vectors, np.zeros_like(collaborative)))
    without = replace(options, alpha=0.0).quantize(make_task(vectors, collaborative))
    assert unaligned.training_stats == without.training_stats


def test_the_seed_determines_the_codes() -> None:
    vectors, collaborative = make_vectors()
    tasks = [make_task(vectors, collaborative, seed) for seed in (1, 1, 2)]
    codes = [replace(TINY, epochs=3, diversity=0.1).quantize(task).codes for task in tasks]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


@pytest.mark.parametrize("options", [{"alpha": -1.0}, {"diversity": -1.0}, {"clusters": 0}, {"latent": 0}])
def test_invalid_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is "):
        Letter(**options)  # type: ignore[arg-type]
