"""`mrbench data tokenize`: a data folder's items to semantic IDs, from the training parts only, resumable."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.dataset import Dataset
from ..data.folder import fingerprint, read_uncoded
from ..distributed.devices import environment, pick_device
from ..errors import UsageError
from ..io.atomic import explain_write_errors
from ..io.hashing import short_hash
from ..io.locks import hold
from ..plugins import options
from . import vectors as item_vectors
from .collisions import settle
from .methods import Choice
from .output import check_free, copy_folder, folder_name, write_codes
from .quality import report
from .quantised import Float, Job


@dataclass(frozen=True)
class Request:
    """One tokenization as asked for.

    Attributes:
        folder: the data folder.
        choice: the method.
        vectors: see `vectors.parse`; None: `vectors.usual`.
        dims: columns of vectors that an SVD makes.
        users: take the training parts of the first so many users; None: of all.
        seed: of everything drawn.
        device: `auto`, `cpu` or `cuda`.
        out: make this new data folder, and leave `folder` as it is.
        force: replace semantic IDs that are there.
        max_minutes: time limit of a training.
        quiet: no progress, no notices.
        notify: gets notices.
    """

    folder: Path
    choice: Choice
    vectors: str | None = None
    dims: int = 64
    users: int | None = None
    seed: int = 42
    device: str = "auto"
    out: Path | None = None
    force: bool = False
    max_minutes: float | None = None
    quiet: bool = True
    notify: Callable[[str], None] = lambda line: None


def tokenize(request: Request) -> dict[str, Any]:
    """Write semantic IDs and say how good they are.

    Returns:
        What `<Name>.index.meta.json` holds, and `folder`, where it lies.

    Raises:
        UsageError: codes would be overwritten, or an option has a wrong value.
        DataError: the data folder is broken, or lacks what the vectors are made from.
        MrbenchError: training diverged, or the folder can't be written.
    """
    check_free(request.folder, request.out, force=request.force)
    for flag, value in (("--dims", request.dims), ("--users", request.users)):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be 1 or more")
    started = time.monotonic()
    device = pick_device(request.device)
    data = read_uncoded(request.folder, users=request.users)
    target = Path(request.out or request.folder).absolute()
    with _workplace(target, request) as work:
        check_free(request.folder, request.out, force=request.force)  # another process may have held the lock
        asked = request.vectors or item_vectors.usual(data)
        maker = item_vectors.Maker(data, request.dims, request.seed, device, work, request.quiet, request.notify)
        vectors = item_vectors.side_by_side([maker.make(block) for block in item_vectors.parse(asked)])
        job = _job(request, data, vectors, maker, device, work)
        quantised = request.choice.method.quantise(job)
        codes = settle(quantised, request.choice.on_collision)
        meta = {
            **_identity(request),
            "vectors": asked,
            "users": data.n_users,
            "training_fingerprint": training_fingerprint(data),
            "max_minutes": request.max_minutes,
            "seconds": time.monotonic() - started,
            "environment": environment(device),
            "report": report(data, vectors, quantised, codes, request.seed),
        }
        if request.out is None:
            write_codes(request.folder, data.item_ids, codes, meta)
        else:
            fresh = work / folder_name(target)
            shutil.rmtree(fresh, ignore_errors=True)
            copy_folder(request.folder, fresh)
            write_codes(fresh, data.item_ids, codes, meta)
            with explain_write_errors(target, "--out"):
                fresh.rename(target)
        shutil.rmtree(work)
    return {**meta, "folder": str(request.out or request.folder)}


def training_fingerprint(data: Dataset) -> str:
    """SHA-256 (hex) over the training parts and the catalogue: all of the interactions that codes can depend on."""
    trained = data.in_training
    offsets = np.concatenate([[0], np.cumsum(trained)])[data.offsets]
    none = np.zeros((data.n_items, 0), dtype=np.int64)
    return fingerprint(data.users, offsets, data.items[trained], data.item_ids, none, None)


def _identity(request: Request) -> dict[str, Any]:
    choice = request.choice
    return {
        "method": choice.name,
        "options": options.as_dict(choice.method),
        "preset": choice.preset,
        "levels": choice.levels,
        "codes": choice.codes,
        "on_collision": choice.on_collision,
        "seed": request.seed,
        "dims": request.dims,
    }


def _job(request: Request, data: Dataset, vectors: Float, maker: item_vectors.Maker, device: str, work: Path) -> Job:
    collaborative = _collaborative(request, data, maker)
    digest = hashlib.sha256(vectors.tobytes() + (b"" if collaborative is None else collaborative.tobytes())).hexdigest()
    return Job(
        vectors,
        levels=request.choice.levels,
        codes=request.choice.codes,
        seed=request.seed,
        device=device,
        collaborative=collaborative,
        checkpoint=work / f"training-{short_hash([_identity(request), device, digest])}.safetensors",
        max_minutes=request.max_minutes,
        quiet=request.quiet,
        notify=request.notify,
    )


def _collaborative(request: Request, data: Dataset, maker: item_vectors.Maker) -> Float | None:
    """The vectors that the method aligns with, if it does."""
    method = request.choice.method
    asked, width = getattr(method, "collaborative", None), getattr(method, "latent", 0)
    if asked is None:
        return None
    blocks = item_vectors.parse(asked)
    if len(blocks) != 1 or blocks[0].kind == "text":
        raise UsageError(f"collaborative is '{asked}'; it must be cooc or file:PATH.npy")
    found = item_vectors.side_by_side([replace(maker, dims=width).make(blocks[0])])
    if found.shape[1] != width:
        raise UsageError(f"{asked} has {found.shape[1]} columns and latent is {width}; they must be equal")
    return found


@contextmanager
def _workplace(target: Path, request: Request) -> Iterator[Path]:
    """A hidden folder beside the data folder for what an interrupted call leaves, locked; gone when it is empty."""
    work = target.with_name(f".{target.name}.tokenize")
    with explain_write_errors(work, "--out"):
        work.mkdir(parents=True, exist_ok=True)
    try:
        with hold(work / "lock", wait=True, notify=request.notify):
            yield work
    finally:
        if work.exists() and not any(work.glob("*.safetensors")):
            shutil.rmtree(work, ignore_errors=True)
