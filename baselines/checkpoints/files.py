"""Published checkpoints on this machine: found or downloaded, identified, and their tensors listed, without torch.

A checkpoint is a folder with `config.json`, a tokenizer, and weights in safetensors: `model.safetensors`, or shards
with `model.safetensors.index.json`. It is named by its path or by a hub id, `ORG/NAME` or `ORG/NAME@REVISION`. Nothing
of it is ever run: neither code of the repository nor pickles are even downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindrec_bench.errors import DataError

Notify = Callable[[str], None]

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
WANTED = ["*.json", "*.jinja", "*.safetensors"]
"""What is downloaded of a repository."""

MOVED = {"t5-small": "google-t5/t5-small"}
"""Where the hub moved a checkpoint to; a cache may have it under either name."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_TIMEOUT = 5.0
"""Seconds to wait for an answer of the hub: who is offline should know at once."""

_SAMPLES, _SAMPLE_BYTES = 16, 65_536
"""How many pieces of a weights file go into its fingerprint, and how long each is."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint whose files are all here.

    Attributes:
        name: as the user named it.
        folder: where its files are.
        config: its `config.json`.
        files: the file that holds each tensor.
        shapes: the shape of each tensor.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    files: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


def open_checkpoint(name: str, notify: Notify) -> Checkpoint:
    """Find a checkpoint, downloading it where it is a hub id and not on this machine.

    Raises:
        DataError: it is nowhere, can't be downloaded, or a file is missing or broken.
    """
    folder = find(name) or _download(name, notify)
    config = _read_json(folder / CONFIG, name)
    files: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder, name):
        for tensor, shape in _read_header(folder / file, name).items():
            files[tensor], shapes[tensor] = file, shape
    return Checkpoint(name, folder, config, files, shapes)


def tokenizer_folder(name: str, notify: Notify) -> Path:
    """A folder with the configuration and the tokenizer, the weights not needed.

    Raises:
        DataError: they are nowhere or can't be downloaded.
    """
    return find(name, weights=False) or _download(
        name, notify, [pattern for pattern in WANTED if "safe" not in pattern]
    )


def find(name: str, *, weights: bool = True) -> Path | None:
    """The folder of a checkpoint if it is here whole, without asking the hub; None for a hub id that is not.

    Raises:
        DataError: a folder lacks a file, or the name is neither a folder nor a hub id.
    """
    if (path := Path(name).expanduser()).is_dir():
        if weights:
            weight_files(path, name)
        return path
    folder = _cached(name)
    if folder is None or not (folder / CONFIG).is_file():
        return None
    try:
        if weights:
            weight_files(folder, name)
    except DataError:
        return None  # a download that was broken off: it is continued
    return folder


def fingerprint(name: str) -> str:
    """What tells a checkpoint from all others: a hub id with its commit, or a fingerprint of a folder.

    The fingerprint is of `config.json`, the tokenizer, and of every weights file its size, header and samples of its
    bytes; the folder's name is not in it.

    Raises:
        DataError: the folder lacks a file, or the hub can't be asked for the commit.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        repository, _ = _split(name)
        return f"{repository}@{_commit(name)}"
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.json"), *path.glob("*.jinja")]):
        digest.update(file.name.encode() + file.read_bytes())
    for weights in weight_files(path, name):
        digest.update(weights.encode() + _sample(path / weights))
    return f"sha256:{digest.hexdigest()[:16]}"


def weight_files(folder: Path, name: str) -> list[str]:
    """Names of the safetensors files, as the index lists them.

    Raises:
        DataError: there are none, or one of the index is missing.
    """
    if (folder / INDEX).is_file():
        files = sorted(set(_read_json(folder / INDEX, name).get("weight_map", {}).values()))
    else:
        files = [SINGLE]
    missing = [file for file in files if not (folder / file).is_file() or Path(file).name != file]
    if missing or not files:
        raise DataError(
            f"the checkpoint '{name}' lacks {', '.join(missing[:3]) or 'weights'} in {folder}; weights are read from "
            f"safetensors files only, {SINGLE} or the shards that {INDEX} names"
        )
    return files


def _sample(path: Path) -> bytes:
    """Size, header and evenly spaced pieces of a file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = [str(size).encode()]
        for piece in range(_SAMPLES):
            file.seek(piece * max(size - _SAMPLE_BYTES, 0) // (_SAMPLES - 1))
            parts.append(file.read(_SAMPLE_BYTES))
    return b"".join(parts)


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name} of the checkpoint '{name}' is missing or broken ({error}); get it again"
        ) from error
    return content


def _read_header(path: Path, name: str) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {tensor: tuple(file.get_slice(tensor).get_shape()) for tensor in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path.name} of the checkpoint '{name}' is broken ({error}); get it again") from error


def _split(name: str) -> tuple[str, str | None]:
    """Repository and revision of a hub id."""
    if not _HUB_ID.fullmatch(name):
        raise DataError(
            f"the checkpoint '{name}' is neither a folder nor a hub id such as ORG/NAME or ORG/NAME@REVISION"
        )
    repository, _, revision = name.partition("@")
    return repository, revision or None


def _cached(name: str) -> Path | None:
    """The folder of a repository in the hub's cache, which may lack files."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, revision = _split(name)
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _commit(name: str) -> str:
    """The commit that a hub id means: the one in the cache, else the hub's."""
    repository, revision = _split(name)
    if folder := _cached(name):
        return folder.name
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT).sha or "main"
    except Exception as error:
        raise _unreachable(name, error) from error


def _download(name: str, notify: Notify, patterns: list[str] | None = None) -> Path:
    from huggingface_hub import snapshot_download

    repository, revision = _split(name)
    notify(f"downloading {name} from the hub (what is there already is kept)")
    try:
        commit = _commit(name) if revision is None else revision
        return Path(
            snapshot_download(
                repository, revision=commit, allow_patterns=patterns or WANTED, etag_timeout=_TIMEOUT, max_workers=4
            )
        )
    except DataError:
        raise
    except Exception as error:
        raise _unreachable(name, error) from error


def _unreachable(name: str, error: Exception) -> DataError:
    """Not narrower than `Exception`: the client lets errors of the HTTP library below it through."""
    from huggingface_hub.errors import GatedRepoError

    repository, _ = _split(name)
    kind = type(error).__name__
    if isinstance(error, GatedRepoError):
        advice = f"accept its licence at https://huggingface.co/{repository} and set HF_TOKEN"
    elif os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        kind, advice = "HF_HUB_OFFLINE is set", "unset it, or give the path of a folder that holds it with --checkpoint"
    else:
        advice = "go online, or give the path of a folder that holds it with --checkpoint"
    return DataError(f"the checkpoint '{name}' is not on this machine and can't be downloaded ({kind}); {advice}")
