"""`onednn_linear` against the linear layer of PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mindrec_baselines.common.onednn_linear import onednn_linear, patch_linears


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (2, 0, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("biased", [False, True])
def test_products_equal_those_of_pytorch(shape: tuple[int, ...], biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weight = torch.randn(shape, generator=generator), torch.randn(6, 5, generator=generator)
    bias = torch.randn(6, generator=generator) if biased else None
    expected = functional.linear(inputs, weight, bias)
    for rows in (slice(None), slice(2, 5)):
        with torch.no_grad():
            output = onednn_linear(inputs, weight[rows], None if bias is None else bias[rows])
        torch.testing.assert_close(output, expected[..., rows], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (2, 0, 5)])
@pytest.mark.parametrize("biased", [False, True])
def test_gradients_equal_those_of_pytorch(shape: tuple[int, ...], biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [shape, (6, 5), *([(6,)] if biased else [])]
    tensors = [torch.randn(size, generator=generator, requires_grad=True) for size in shapes]
    for rows in (slice(None), slice(2, 5)):
        gradients, expected = (
            torch.autograd.grad(linear(tensors[0], *(tensor[rows] for tensor in tensors[1:])).square().sum(), tensors)
            for linear in (onednn_linear, functional.linear)
        )
        for gradient, reference in zip(gradients, expected, strict=True):
            torch.testing.assert_close(gradient, reference, atol=1e-4, rtol=1e-4)


def test_no_gradient_is_computed_where_none_is_needed() -> None:
    inputs, weight = torch.ones(1, 3), torch.ones(2, 3, requires_grad=True)
    onednn_linear(inputs, weight).sum().backward()
    assert inputs.grad is None
    assert weight.grad is not None
    assert (weight.grad == 1).all()


def test_a_patched_network_computes_the_same() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3, bias=False))
    inputs, names = torch.randn(2, 5), list(network.state_dict())
    before = network(inputs)
    patch_linears(network)
    after = network(inputs)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(after, before)
    assert after.grad_fn.name() == "_LinearBackward"


def test_autocast_takes_precedence() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert onednn_linear(torch.ones(1, 3), torch.ones(2, 3)).dtype == torch.bfloat16
