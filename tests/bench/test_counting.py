"""Operations and positions of computations whose counts follow from their shapes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from mindrec_bench.bench.counting import count_operations


def two_linear_layers() -> None:
    """7 rows through 3 x 5, then 2 of them through 5 x 4."""
    first, second = torch.nn.Linear(3, 5), torch.nn.Linear(5, 4, bias=False)
    second(first(torch.ones(7, 3))[:2])


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_linear_layers(mode):
    with mode():
        count = count_operations(two_linear_layers)
    assert count.flops == 2 * 7 * 3 * 5 + 2 * 2 * 5 * 4
    assert count.positions == pytest.approx((7 * 15 + 2 * 20) / (15 + 20))


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="torch without oneDNN")
def test_linear_layers_of_onednn():
    weight, rows = torch.ones(5, 3), torch.ones(2, 7, 3)
    with torch.inference_mode():
        count = count_operations(lambda: torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], ""))
    assert count.flops == 2 * 14 * 3 * 5
    assert count.positions == 14


def test_attention_has_operations_and_no_positions():
    queries, keys = torch.ones(2, 1, 3, 8), torch.ones(2, 1, 5, 8)
    with torch.inference_mode():
        count = count_operations(lambda: scaled_dot_product_attention(queries, keys, keys))
    assert count.flops == 2 * (2 * 3 * 5 * 8) * 2  # scores and sums of values, of two users
    assert count.positions == 0


def test_nothing_is_counted_without_products():
    count = count_operations(lambda: torch.ones(3) + 1)
    assert (count.flops, count.positions) == (0, 0)
