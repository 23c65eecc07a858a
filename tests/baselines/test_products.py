"""Matrix products against those of PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mindrec_baselines.products import linear


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (2, 0, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("biased", [False, True])
def test_products_are_those_of_pytorch(shape: tuple[int, ...], biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weight = torch.randn(shape, generator=generator), torch.randn(6, 5, generator=generator)
    bias = torch.randn(6, generator=generator) if biased else None
    wanted = functional.linear(inputs, weight, bias)
    for part in (slice(None), slice(2, 5)):
        with torch.no_grad():
            found = linear(inputs, weight[part], None if bias is None else bias[part])
        torch.testing.assert_close(found, wanted[..., part], atol=1e-5, rtol=1e-5)


def test_gradients_flow() -> None:
    weight = torch.ones(2, 3, requires_grad=True)
    linear(torch.ones(1, 3), weight).sum().backward()
    assert weight.grad is not None
    assert (weight.grad == 1).all()
