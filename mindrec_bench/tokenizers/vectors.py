"""`--vectors`: what items are known by before they get codes, one or several blocks side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.dataset import Dataset
from ..errors import DataError, UsageError
from .cooccurrence import cooccurrence_vectors
from .quantised import Float
from .text_vectors import encoder_vectors, item_texts, tfidf_vectors

KINDS = "text, text:MODEL, cooc, file:PATH.npy"

_PART = re.compile(r"(text|cooc|file)(?::(.+))?")


@dataclass(frozen=True)
class Block:
    """One part of `--vectors`: its kind, and the model's name or the file's path after the colon."""

    kind: str
    what: str | None


@dataclass(frozen=True)
class Maker:
    """How blocks are made.

    Attributes:
        data: the items, their texts, and the training interactions.
        dims: columns of blocks that an SVD makes.
        seed: of the SVDs.
        device: for a text encoder.
        cache: see `encoder_vectors`.
        quiet: no progress bar.
        notify: gets notices.
    """

    data: Dataset
    dims: int
    seed: int
    device: str
    cache: Path | None
    quiet: bool
    notify: Callable[[str], None]

    def make(self, block: Block) -> Float:
        """The raw vectors of a block; zero rows where nothing is known of an item. Shape: (N, D)

        Raises:
            DataError: the data lacks what the block needs, or a model or file can't be read.
        """
        if block.kind == "cooc":
            return cooccurrence_vectors(self.data, self.dims, self.seed)
        if block.kind == "file":
            return _read(Path(block.what or ""), self.data.n_items)
        texts = item_texts(self.data)
        if block.what is None:
            return tfidf_vectors(texts, self.dims, self.seed)
        self.notify(f"encoding {len(texts):,} item texts with {block.what} on {self.device}")
        return encoder_vectors(texts, block.what, self.device, self.cache, quiet=self.quiet)


def parse(text: str) -> tuple[Block, ...]:
    """Read `text+cooc` and the like.

    Raises:
        UsageError: a part is unknown, lacks what must follow its colon, or stands twice.
    """
    blocks = []
    for part in re.split(r"\+(?=(?:text|cooc|file)\b)", text):
        match = _PART.fullmatch(part)
        if match is None or (match[1] == "file") > (match[2] is not None) or (match[1] == "cooc" and match[2]):
            raise UsageError(f"--vectors has the part '{part}'; join some of {KINDS} with '+'")
        blocks.append(Block(match[1], match[2]))
    if len(set(blocks)) < len(blocks):
        raise UsageError(f"--vectors {text} names a part twice; name each once")
    return tuple(blocks)


def usual(data: Dataset) -> str:
    """What `--vectors` is when it is not given: the texts where items have some of their own, else co-occurrence."""
    return "text" if data.texts is not None and data.texts.named else "cooc"


def side_by_side(blocks: list[Float]) -> Float:
    """Blocks with equal weight: each centred and scaled to unit rows, unknown items (zero rows) left at zero.

    Shapes: each (N, D_b) -> (N, sum of D_b)
    """
    columns = []
    for block in blocks:
        known = block.any(axis=1)
        scaled = np.zeros(block.shape, dtype=np.float64)
        if known.any():
            centred = block[known] - block[known].mean(axis=0, dtype=np.float64)
            scaled[known] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        columns.append(scaled)
    return np.ascontiguousarray(np.concatenate(columns, axis=1) / np.sqrt(len(blocks)), dtype=np.float32)


def _read(path: Path, n_items: int) -> Float:
    try:
        vectors = np.load(path.expanduser(), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} can't be read as a .npy file of numbers ({error}); save it with numpy.save") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.number):
        raise DataError(f"{path} must hold one matrix of numbers, a row an item; save it with numpy.save")
    if len(vectors) != n_items:
        raise DataError(
            f"{path} has {len(vectors):,} rows, and the data {n_items:,} items; give a row for each item, in the order "
            "of their ids"
        )
    if not np.isfinite(vectors).all():
        raise DataError(f"{path} holds values that are no finite numbers; remove them")
    return vectors.astype(np.float32)
