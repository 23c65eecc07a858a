"""`mrbench data tokenize`: give the items of a data folder semantic IDs.

Only the training part of each user's sequence is read. An interrupted call continues when it is repeated.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.dataset import Dataset
from ..data.folder import fingerprint, read_untokenized
from ..distributed.devices import environment, pick_device
from ..errors import UsageError
from ..io.atomic import explain_write_errors
from ..io.hashing import short_hash
from ..io.work_folders import hold_work_folder
from ..plugins import options
from .collisions import handle_collisions
from .index_files import copy_data_folder, folder_name, refuse_overwriting, write_index
from .item_vectors import VectorBuilder, concatenate, default_vectors, parse_sources
from .quality import measure_quality
from .quantizer import FloatArray, QuantizationTask
from .tokenizer_config import TokenizerConfig

CHECKPOINTS = "*.safetensors"
"""The files of an interrupted training; the work folder is kept for them."""


@dataclass(frozen=True)
class TokenizationRequest:
    """One call of `tokenize_items`.

    Attributes:
        folder: the data folder.
        config: the tokenizer.
        vectors: see `item_vectors.parse_sources`; None: `item_vectors.default_vectors`.
        dims: number of columns of vectors that come from an SVD.
        users: read the training parts of the first so many users; None: of all.
        seed: seed of all random draws.
        device: `auto`, `cpu` or `cuda`.
        out: write a new data folder here, and leave `folder` unchanged.
        force: replace existing semantic IDs.
        max_minutes: time limit of the training.
        quiet: no progress bar.
    """

    folder: Path
    config: TokenizerConfig
    vectors: str | None = None
    dims: int = 64
    users: int | None = None
    seed: int = 42
    device: str = "auto"
    out: Path | None = None
    force: bool = False
    max_minutes: float | None = None
    quiet: bool = True


def tokenize_items(request: TokenizationRequest) -> dict[str, Any]:
    """Write semantic IDs and report their quality.

    Returns:
        The contents of `<Name>.index.meta.json`, and `folder`, the folder that was written.

    Raises:
        UsageError: codes would be overwritten, or an option has a wrong value.
        DataError: the data folder is broken, or lacks what the vectors are made from.
        MrbenchError: training diverged, or the folder can't be written.
    """
    refuse_overwriting(request.folder, request.out, force=request.force)
    for flag, value in (("--dims", request.dims), ("--users", request.users)):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be 1 or more")
    started = time.monotonic()
    device = pick_device(request.device)
    data = read_untokenized(request.folder, users=request.users)
    target = Path(request.out or request.folder).absolute()
    with hold_work_folder(target, "tokenize", keep=CHECKPOINTS, option="--out") as work:
        refuse_overwriting(request.folder, request.out, force=request.force)  # another process may have held the lock
        sources = request.vectors or default_vectors(data)
        builder = VectorBuilder(data, request.dims, request.seed, device, work, request.quiet)
        vectors = concatenate([builder.build(source) for source in parse_sources(sources)])
        quantized = request.config.quantizer.quantize(_task(request, vectors, builder, device, work))
        codes = handle_collisions(quantized, request.config.on_collision)
        meta = {
            **_settings(request),
            "vectors": sources,
            "users": data.n_users,
            "training_fingerprint": training_fingerprint(data),
            "max_minutes": request.max_minutes,
            "seconds": time.monotonic() - started,
            "environment": environment(device),
            "report": measure_quality(data, vectors, quantized, codes, request.seed),
        }
        for checkpoint in work.glob(CHECKPOINTS):  # before the last write, after which the same command is refused
            checkpoint.unlink()
        if request.out is None:
            write_index(request.folder, data.item_ids, codes, meta)
        else:
            new_folder = work / folder_name(target)
            shutil.rmtree(new_folder, ignore_errors=True)
            copy_data_folder(request.folder, new_folder)
            write_index(new_folder, data.item_ids, codes, meta)
            with explain_write_errors(target, "--out"):
                new_folder.rename(target)
    return {**meta, "folder": str(request.out or request.folder)}


def training_fingerprint(data: Dataset) -> str:
    """SHA-256 (hex) of the training parts and the catalogue: all interactions that codes can depend on."""
    in_training = data.in_training
    offsets = np.concatenate([[0], np.cumsum(in_training)])[data.offsets]
    no_codes = np.zeros((data.n_items, 0), dtype=np.int64)
    return fingerprint(data.users, offsets, data.items[in_training], data.item_ids, no_codes, None)


def _settings(request: TokenizationRequest) -> dict[str, Any]:
    config = request.config
    return {
        "method": config.name,
        "options": options.as_dict(config.quantizer),
        "preset": config.preset,
        "levels": config.n_levels,
        "codes": config.n_codes,
        "on_collision": config.on_collision,
        "seed": request.seed,
        "dims": request.dims,
    }


def _task(
    request: TokenizationRequest, vectors: FloatArray, builder: VectorBuilder, device: str, work: Path
) -> QuantizationTask:
    collaborative = _collaborative_vectors(request, builder)
    content = vectors.tobytes() + (b"" if collaborative is None else collaborative.tobytes())
    digest = hashlib.sha256(content).hexdigest()
    return QuantizationTask(
        vectors,
        n_levels=request.config.n_levels,
        n_codes=request.config.n_codes,
        seed=request.seed,
        device=device,
        collaborative=collaborative,
        checkpoint=work / f"training-{short_hash([_settings(request), device, digest])}.safetensors",
        max_minutes=request.max_minutes,
        quiet=request.quiet,
    )


def _collaborative_vectors(request: TokenizationRequest, builder: VectorBuilder) -> FloatArray | None:
    """The vectors that the quantizer aligns codes with, if it uses any."""
    collaborative = request.config.quantizer.collaborative_source()
    if collaborative is None:
        return None
    text, width = collaborative
    sources = parse_sources(text)
    if len(sources) != 1 or sources[0].kind == "text":
        raise UsageError(f"collaborative is '{text}'; it must be cooc or file:PATH.npy")
    vectors = concatenate([replace(builder, dims=width).build(sources[0])])
    if vectors.shape[1] != width:
        raise UsageError(f"{text} has {vectors.shape[1]} columns and latent is {width}; they must be equal")
    return vectors
