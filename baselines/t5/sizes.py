"""Sizes of the T5 networks that are trained from scratch (`tiger`, `idgenrec`); imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class T5Size:
    """The shape of a T5.

    Attributes:
        layers: of the encoder, and of the decoder.
        hidden: width of the hidden states.
        feed_forward: width inside the feed-forward layers.
        head_width: width of a head's queries, keys and values.
        heads: attention heads of a layer.
    """

    layers: int
    hidden: int
    feed_forward: int
    head_width: int
    heads: int


T5_SIZES = {
    "tiny": T5Size(layers=2, hidden=64, feed_forward=256, head_width=16, heads=4),
    "small": T5Size(layers=4, hidden=128, feed_forward=1024, head_width=64, heads=6),
}
"""`small` is the configuration of TIGER in the paper's comparison."""
