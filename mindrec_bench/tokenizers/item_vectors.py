"""`--vectors`: the item vectors that a tokenizer starts from, made from one or several sources."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..core.dataset import Dataset
from ..errors import DataError, UsageError
from .cooccurrence import cooccurrence_vectors
from .quantizer import FloatArray
from .text_vectors import encoder_vectors, item_texts, tfidf_vectors

logger = logging.getLogger(__name__)

SYNTAX = "text, text:MODEL, cooc, file:PATH.npy"

_SOURCE = re.compile(r"(text|cooc|file)(?::(.+))?")


@dataclass(frozen=True)
class VectorSource:
    """One part of `--vectors`.

    Attributes:
        kind: `text`, `cooc` or `file`.
        argument: what follows the colon: the name of a model, or the path of a file.
    """

    kind: str
    argument: str | None


@dataclass(frozen=True)
class VectorBuilder:
    """Makes vectors from sources.

    Attributes:
        data: the items, their texts, and the training interactions.
        dims: number of columns of vectors that come from an SVD.
        seed: seed of the SVDs.
        device: device of a text encoder.
        cache: see `encoder_vectors`.
        quiet: no progress bar.
    """

    data: Dataset
    dims: int
    seed: int
    device: str
    cache: Path | None
    quiet: bool

    def build(self, source: VectorSource) -> FloatArray:
        """The raw vectors of a source; zero rows for items that it says nothing about. Shape: (N, D)

        Raises:
            DataError: the data lacks what the source needs, or a model or file can't be read.
        """
        if source.kind == "cooc":
            return cooccurrence_vectors(self.data, self.dims, self.seed)
        if source.kind == "file":
            return _read_matrix(Path(source.argument or ""), self.data.n_items)
        texts = item_texts(self.data)
        if source.argument is None:
            return tfidf_vectors(texts, self.dims, self.seed)
        logger.info(f"encoding {len(texts):,} item texts with {source.argument} on {self.device}")
        return encoder_vectors(texts, source.argument, self.device, self.cache, quiet=self.quiet)


def parse_sources(text: str) -> tuple[VectorSource, ...]:
    """Parse the value of `--vectors`, for example `text+cooc`.

    Raises:
        UsageError: a part is unknown, lacks what must follow its colon, or is given twice.
    """
    sources = []
    for part in re.split(r"\+(?=(?:text|cooc|file)\b)", text):
        match = _SOURCE.fullmatch(part)
        if match is None or (match[1] == "file") > (match[2] is not None) or (match[1] == "cooc" and match[2]):
            raise UsageError(f"--vectors has the part '{part}'; join some of {SYNTAX} with '+'")
        sources.append(VectorSource(match[1], match[2]))
    if len(set(sources)) < len(sources):
        raise UsageError(f"--vectors {text} names a part twice; name each once")
    return tuple(sources)


def default_vectors(data: Dataset) -> str:
    """The default of `--vectors`: the texts if items have titles or descriptions, else co-occurrence."""
    return "text" if data.texts is not None and data.texts.n_described else "cooc"


def concatenate(matrices: list[FloatArray]) -> FloatArray:
    """Join vectors with equal weight: each matrix is centred and its rows scaled to unit length; zero rows stay zero.

    Shapes: each (N, D_i) -> (N, sum of D_i)
    """
    columns = []
    for matrix in matrices:
        nonzero = matrix.any(axis=1)
        scaled = np.zeros(matrix.shape, dtype=np.float64)
        if nonzero.any():
            centred = matrix[nonzero] - matrix[nonzero].mean(axis=0, dtype=np.float64)
            scaled[nonzero] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        columns.append(scaled)
    return np.ascontiguousarray(np.concatenate(columns, axis=1) / np.sqrt(len(matrices)), dtype=np.float32)


def _is_real(dtype: np.dtype) -> bool:
    return np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)


def _read_matrix(path: Path, n_items: int) -> FloatArray:
    try:
        matrix = np.load(path.expanduser(), allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, BadZipFile) as error:
        raise DataError(f"{path} can't be read as a .npy file of numbers ({error}); save it with numpy.save") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or not _is_real(matrix.dtype):
        raise DataError(f"{path} must hold one matrix of numbers with one row per item; save it with numpy.save")
    if len(matrix) != n_items:
        raise DataError(
            f"{path} has {len(matrix):,} rows, but the data has {n_items:,} items; give one row per item, in the order "
            "of their ids"
        )
    if not np.isfinite(matrix).all():
        raise DataError(f"{path} contains values that are not finite numbers; remove them")
    return matrix.astype(np.float32)
