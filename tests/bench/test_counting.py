"""Operations and positions of work whose counts follow from its shapes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from mindrec_bench.bench.counting import count


def products() -> None:
    """7 rows through 3 x 5, then 2 of them through 5 x 4."""
    first, second = torch.nn.Linear(3, 5), torch.nn.Linear(5, 4, bias=False)
    second(first(torch.ones(7, 3))[:2])


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_products_and_the_rows_of_their_weights(mode):
    with mode():
        counted = count(products)
    assert counted.flops == 2 * 7 * 3 * 5 + 2 * 2 * 5 * 4
    assert counted.positions == pytest.approx((7 * 15 + 2 * 20) / (15 + 20))


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN")
def test_products_of_onednn_count_alike():
    weight, rows = torch.ones(5, 3), torch.ones(2, 7, 3)
    with torch.inference_mode():
        counted = count(lambda: torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], ""))
    assert counted.flops == 2 * 14 * 3 * 5
    assert counted.positions == 14


def test_attention_counts_as_operations_and_not_as_positions():
    queries, keys = torch.ones(2, 1, 3, 8), torch.ones(2, 1, 5, 8)
    with torch.inference_mode():
        counted = count(lambda: scaled_dot_product_attention(queries, keys, keys))
    assert counted.flops == 2 * (2 * 3 * 5 * 8) * 2  # scores and sums of values, of two users
    assert counted.positions == 0


def test_work_without_products_counts_nothing():
    counted = count(lambda: torch.ones(3) + 1)
    assert (counted.flops, counted.positions) == (0, 0)
