"""The matrices of a network's blocks in 8 bits, by bitsandbytes (Dettmers et al., 2022): half the memory of bf16."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from mindrec_bench.errors import UsageError

THRESHOLD = 6.0
"""Inputs larger than this are multiplied in 16 bits (the paper's value)."""


def library() -> Any:
    """The package.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import bitsandbytes
    except ImportError as error:
        raise UsageError(
            "load_in_8bit needs the package bitsandbytes, which is not installed; "
            "run `pip install bitsandbytes`, or leave the option out"
        ) from error
    # it says at every product that inputs are cast to 16 bits
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    return bitsandbytes


def replace_matrices(blocks: nn.Module) -> None:
    """Put layers of 8 bits, still without memory, in the place of the linear ones.

    Raises:
        UsageError: bitsandbytes is not installed.
    """
    package = library()
    for name, layer in list(blocks.named_modules()):
        if type(layer) is not nn.Linear:
            continue
        above, _, leaf = name.rpartition(".")
        sizes = layer.in_features, layer.out_features, layer.bias is not None
        new = package.nn.Linear8bitLt(*sizes, has_fp16_weights=False, threshold=THRESHOLD, device="meta")
        setattr(blocks.get_submodule(above), leaf, new.requires_grad_(False))


def is_8bit(parameter: nn.Parameter) -> bool:
    """Whether a parameter belongs into 8 bits."""
    return type(parameter).__name__ == "Int8Params"


def quantised(value: Tensor, device: str) -> Any:
    """A matrix in 8 bits on the device. Shape: (out, in)"""
    on_cpu = value.to("cpu", torch.float16)  # it is quantised on its way to the device
    return library().nn.Int8Params(on_cpu, requires_grad=False, has_fp16_weights=False).to(torch.device(device))
