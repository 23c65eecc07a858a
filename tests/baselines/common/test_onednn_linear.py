"""Matrix products against those of PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mindrec_baselines.common.onednn_linear import linear, patch_linears


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


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (2, 0, 5)])
@pytest.mark.parametrize("biased", [False, True])
def test_gradients_are_those_of_pytorch(shape: tuple[int, ...], biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [shape, (6, 5), *([(6,)] if biased else [])]
    given = [torch.randn(each, generator=generator, requires_grad=True) for each in shapes]
    for part in (slice(None), slice(2, 5)):
        found, wanted = (
            torch.autograd.grad(product(given[0], *(each[part] for each in given[1:])).square().sum(), given)
            for product in (linear, functional.linear)
        )
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_no_gradient_where_none_is_wanted() -> None:
    inputs, weight = torch.ones(1, 3), torch.ones(2, 3, requires_grad=True)
    linear(inputs, weight).sum().backward()
    assert inputs.grad is None
    assert weight.grad is not None
    assert (weight.grad == 1).all()


def test_a_network_is_sped_up_and_stays_the_same_network() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3, bias=False))
    inputs, names = torch.randn(2, 5), list(network.state_dict())
    before = network(inputs)
    patch_linears(network)
    after = network(inputs)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(after, before)
    assert after.grad_fn.name() == "_LinearBackward"


def test_autocast_has_its_way() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(torch.ones(1, 3), torch.ones(2, 3)).dtype == torch.bfloat16
