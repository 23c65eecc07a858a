"""Sizes of the transformers over codes that are trained from scratch; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransformerSize:
    """The size of a stack of decoder blocks."""

    layers: int
    hidden: int
    heads: int


TRANSFORMER_SIZES = {
    "tiny": TransformerSize(layers=2, hidden=64, heads=4),
    "small": TransformerSize(layers=4, hidden=128, heads=4),
}
"""The same for `llada`, `llama3` and `qwen2.5`, so that objectives are compared and not sizes."""
