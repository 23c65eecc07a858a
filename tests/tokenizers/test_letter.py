"""LETTER's two terms by hand, and what they do to codes."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from mindrec_bench.tokenizers.kmeans import nearest
from mindrec_bench.tokenizers.letter import Letter, alignment_loss, diversity_loss, equal_clusters
from mindrec_bench.tokenizers.quantised import Job, rebuilt

TINY = Letter(hidden="32", latent=6, epochs=25, batch=60, lr=3e-3, clusters=3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_alignment_by_hand() -> None:
    """Inner products [[1, 0], [0, 2]]: -log(e / (e + 1)) and -log(e^2 / (e^2 + 1)), averaged."""
    found = alignment_loss(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.eye(2))
    assert found.item() == pytest.approx((log(1 + exp(-1)) + log(1 + exp(-2))) / 2)


def test_diversity_by_hand() -> None:
    """Code 0's only companion is 1: the softmax over 1, 2 and 3 of the inner products 1, -1 and 0; code 3 is alone."""
    book = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    groups = torch.tensor([0, 0, 1, 2])
    found = diversity_loss(torch.tensor([0, 3]), book, groups, generator())
    assert found.item() == pytest.approx(-log(exp(1) / (exp(1) + exp(-1) + 1)))
    assert diversity_loss(torch.tensor([3, 2]), book, groups, generator()).item() == 0


def test_all_companions_are_drawn() -> None:
    book = torch.zeros(4, 2)
    book[2] = torch.tensor([3.0, 0.0])
    book[0] = torch.tensor([1.0, 0.0])
    losses = {round(diversity_loss(torch.tensor([0]), book, torch.zeros(4), generator(s)).item(), 4) for s in range(20)}
    assert losses == {round(-log(exp(score) / (exp(3) + 2)), 4) for score in (3, 0)}


@pytest.mark.parametrize(("codes", "clusters", "largest"), [(16, 4, 4), (10, 3, 4), (3, 10, 1)])
def test_clusters_are_of_equal_size(codes: int, clusters: int, largest: int) -> None:
    book = torch.randn(codes, 4, generator=generator())
    book[: codes // 2] *= 0.01  # half of them would be one cluster
    groups = equal_clusters(book, clusters, 0)
    assert torch.bincount(groups).max() == largest
    assert torch.equal(groups, equal_clusters(book, clusters, 0))


def test_clusters_hold_what_is_near() -> None:
    book = torch.eye(3).repeat_interleave(4, dim=0) * 10 + 0.1 * torch.randn(12, 3, generator=generator())
    groups = equal_clusters(book, 3, 0).reshape(3, 4)
    assert (groups == groups[:, :1]).all()
    assert len(groups[:, 0].unique()) == 3


def entropy(codes: torch.Tensor) -> float:
    shares = torch.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(-(shares * shares.log2()).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_diversity_loss_raises_the_entropy_of_codes(seed: int) -> None:
    """Items all around, codes in one corner: most items share the corner's rim, until the loss spreads the codes."""
    items = normalize(torch.randn(400, 8, generator=generator(seed)), dim=1)
    corner = normalize(torch.randn(1, 8, generator=generator(seed + 10)), dim=1)
    book = (corner + 0.2 * torch.randn(16, 8, generator=generator(seed + 20))).requires_grad_()
    optimizer = torch.optim.SGD([book], lr=0.5)
    found = []
    for step in range(31):
        codes = nearest(items, book.detach())
        found.append(entropy(codes))
        if step % 10 == 0:
            groups = equal_clusters(book.detach(), 4, step)
        optimizer.zero_grad()
        diversity_loss(codes, book, groups, generator(step)).backward()
        optimizer.step()
    assert found[-1] > found[0] + 0.5  # of at most 4 bits


def data() -> tuple[np.ndarray, np.ndarray]:
    """Collaborative vectors around 6 directions, and vectors that carry little of them."""
    rng = np.random.default_rng(0)
    liked = np.eye(6, dtype="f4")[np.arange(180) % 6] + 0.05 * rng.standard_normal((180, 6)).astype("f4")
    return np.concatenate([rng.standard_normal((180, 6)).astype("f4") / 3, 0.3 * liked], axis=1), liked


def test_alignment_brings_who_likes_what_into_the_codes() -> None:
    vectors, liked = data()
    aligned = []
    for alpha in (0.0, 1.0):
        found = replace(TINY, alpha=alpha, epochs=50).quantise(Job(vectors, levels=2, codes=12, collaborative=liked))
        scores = rebuilt(found.codebooks, found.codes) @ liked.T
        aligned.append(float((scores.argmax(axis=1) % 6 == np.arange(180) % 6).mean()))
    assert aligned[0] < 0.4 < 0.7 < aligned[1]  # by chance 1/6


def test_items_without_a_collaborative_vector_are_left_out() -> None:
    vectors, liked = data()
    options = replace(TINY, epochs=2, alpha=1.0, diversity=0.0)
    nobody = options.quantise(Job(vectors, levels=2, codes=12, collaborative=np.zeros_like(liked)))
    without = replace(options, alpha=0.0).quantise(Job(vectors, levels=2, codes=12, collaborative=liked))
    assert nobody.facts == without.facts


def test_the_seed_decides() -> None:
    vectors, liked = data()
    jobs = [Job(vectors, levels=2, codes=12, collaborative=liked, seed=seed) for seed in (1, 1, 2)]
    codes = [replace(TINY, epochs=3, diversity=0.1).quantise(job).codes for job in jobs]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


@pytest.mark.parametrize("options", [{"alpha": -1.0}, {"diversity": -1.0}, {"clusters": 0}, {"latent": 0}])
def test_what_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is "):
        Letter(**options)  # type: ignore[arg-type]
