"""K-means against brute force."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from mindrec_bench.tokenizers import kmeans
from mindrec_bench.tokenizers.kmeans import group_means, k_means, nearest


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def error(vectors: torch.Tensor, centres: torch.Tensor) -> float:
    return float(torch.cdist(vectors, centres).square().min(dim=1).values.sum())


def test_nearest_has_the_smallest_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, centres = torch.randn(57, 3, generator=generator()), torch.randn(5, 3, generator=generator(1))
    expected = torch.cdist(vectors, centres).argmin(dim=1)
    assert torch.equal(nearest(vectors, centres), expected)
    monkeypatch.setattr(kmeans, "MAX_DISTANCES", 40)  # 8 vectors at once
    assert torch.equal(nearest(vectors, centres), expected)


def test_of_two_equally_near_centres_the_first_is_taken() -> None:
    assert nearest(torch.zeros(1, 2), torch.tensor([[3.0, 0.0], [0.0, 1.0], [1.0, 0.0]])).tolist() == [1]


@pytest.mark.parametrize("seed", range(3))
def test_k_means_finds_the_best_partition_of_separated_vectors(seed: int) -> None:
    """Three pairs far apart: of the 3^6 ways to form three groups, k-means finds the one with the lowest error."""
    corners = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]).repeat(2, 1)
    vectors = corners + torch.randn(6, 2, generator=generator(seed))
    lowest = min(
        sum(
            float((vectors[members] - vectors[members].mean(dim=0)).square().sum())
            for group in range(3)
            if len(members := [row for row in range(6) if groups[row] == group])
        )
        for groups in product(range(3), repeat=6)
    )
    assert error(vectors, k_means(vectors, 3, generator(seed))) == pytest.approx(lowest, rel=1e-5)


def test_as_many_centres_as_vectors_leave_no_error() -> None:
    vectors = torch.randn(9, 4, generator=generator())
    assert error(vectors, k_means(vectors, 9, generator())) == pytest.approx(0, abs=1e-9)


def test_equal_vectors_give_equal_centres() -> None:
    assert torch.equal(k_means(torch.ones(8, 2), 3, generator()), torch.ones(3, 2))


def test_a_seed_gives_one_result_and_more_rounds_lower_the_error() -> None:
    vectors = torch.randn(400, 4, generator=generator())
    centres = k_means(vectors, 16, generator(5))
    assert torch.equal(centres, k_means(vectors, 16, generator(5)))
    assert error(vectors, centres) < error(vectors, k_means(vectors, 16, generator(5), max_rounds=1))


def test_a_sample_is_enough_for_many_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = torch.tensor([[0.0, 0.0], [10.0, 0.0]]).repeat(100, 1)
    vectors = corners + 0.1 * torch.randn(200, 2, generator=generator())
    monkeypatch.setattr(kmeans, "SAMPLE_PER_CENTRE", 8)
    assert error(vectors, k_means(vectors, 2, generator())) < 10  # about 200 x 2 x 0.1^2 = 4


def test_group_means() -> None:
    vectors = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    means, counts = group_means(vectors, torch.tensor([2, 2, 0]), 3)
    assert means.tolist() == [[0, 5], [0, 0], [2, 0]]
    assert counts.tolist() == [1, 0, 2]
