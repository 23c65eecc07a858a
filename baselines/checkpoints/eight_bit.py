"""The matrices of a network's blocks in 8 bits, with bitsandbytes (Dettmers et al., 2022): half the memory of bf16."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from mindrec_bench.errors import UsageError

THRESHOLD = 6.0
"""Larger inputs are multiplied in 16 bits (the paper's value)."""


def import_bitsandbytes() -> Any:
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
    # it logs at every product that inputs are cast to 16 bits
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    return bitsandbytes


def replace_linears(blocks: nn.Module) -> None:
    """Replace every linear layer by an 8-bit layer without memory (on the meta device).

    Raises:
        UsageError: bitsandbytes is not installed.
    """
    package = import_bitsandbytes()
    for name, layer in list(blocks.named_modules()):
        if type(layer) is not nn.Linear:
            continue
        parent, _, attribute = name.rpartition(".")
        sizes = layer.in_features, layer.out_features, layer.bias is not None
        new_layer = package.nn.Linear8bitLt(*sizes, has_fp16_weights=False, threshold=THRESHOLD, device="meta")
        setattr(blocks.get_submodule(parent), attribute, new_layer.requires_grad_(False))


def is_8bit(parameter: nn.Parameter) -> bool:
    """Whether a parameter belongs to an 8-bit layer."""
    return type(parameter).__name__ == "Int8Params"


def quantize(value: Tensor, device: str) -> Any:
    """An 8-bit parameter on the device. Shape: (out, in)"""
    on_cpu = value.to("cpu", torch.float16)  # bitsandbytes quantizes it on its way to the device
    parameter = import_bitsandbytes().nn.Int8Params(on_cpu, requires_grad=False, has_fp16_weights=False)
    return parameter.to(torch.device(device))
