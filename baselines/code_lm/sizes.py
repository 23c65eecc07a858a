"""Sizes of the transformers over codes that are trained from scratch; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransformerSize:
    """How large a stack of blocks is."""

    layers: int
    hidden: int
    heads: int


BLOCKS = {
    "tiny": TransformerSize(layers=2, hidden=64, heads=4),
    "small": TransformerSize(layers=4, hidden=128, heads=4),
}
"""The stacks of `llada`, `llama3` and `qwen2.5`: equal, so that objectives are compared and not sizes."""
