"""Finds, downloads and identifies published checkpoints and lists their tensors, without torch.

A checkpoint is a folder with `config.json`, a tokenizer, and weights in safetensors: `model.safetensors`, or shards
with `model.safetensors.index.json`. It is named by its path or by a hub id, `ORG/NAME` or `ORG/NAME@REVISION`. Nothing
of it is executed: neither code of the repository nor pickles are even downloaded.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindrec_bench.errors import DataError
from mindrec_bench.io.cached_hashes import cached_sha256
from mindrec_bench.io.hub import Repository

logger = logging.getLogger(__name__)

CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE = "config.json", "model.safetensors", "model.safetensors.index.json"
ALLOW_PATTERNS = ["*.json", "*.jinja", "*.safetensors"]
"""The files that are downloaded of a repository."""

HUB_RENAMES = {"t5-small": "google-t5/t5-small"}
"""Old hub id -> new one, of renamed checkpoints; a cache may have either."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint whose files are all on this machine.

    Attributes:
        name: as the user gave it.
        folder: of its files.
        config: its `config.json`.
        files: the name of the file that holds each tensor.
        shapes: the shape of each tensor.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    files: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


def open_checkpoint(name: str) -> Checkpoint:
    """Find a checkpoint, or download it where the name is a hub id.

    Raises:
        DataError: it does not exist, can't be downloaded, or a file is missing or damaged.
    """
    folder = find_checkpoint(name) or _download(name, ALLOW_PATTERNS)
    config = _read_json(folder / CONFIG_FILE, name)
    files: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder, name):
        for tensor, shape in _read_header(folder / file, name).items():
            files[tensor], shapes[tensor] = file, shape
    return Checkpoint(name, folder, config, files, shapes)


def tokenizer_folder(name: str) -> Path:
    """A folder with a checkpoint's configuration and tokenizer; weights are not downloaded.

    Raises:
        DataError: it does not exist or can't be downloaded.
    """
    patterns = [pattern for pattern in ALLOW_PATTERNS if not pattern.endswith(".safetensors")]
    return find_checkpoint(name, weights=False) or _download(name, patterns)


def find_checkpoint(name: str, *, weights: bool = True) -> Path | None:
    """The folder of a checkpoint on this machine, found without the hub; None for a hub id that is not in the cache.

    Args:
        name: a folder or a hub id.
        weights: require all files of weights.

    Raises:
        DataError: a folder lacks a file, or the name is neither a folder nor a hub id.
    """
    if (path := Path(name).expanduser()).is_dir():
        if weights:
            weight_files(path, name)
        return path
    folder = _repository(name).cached()
    if folder is None or not (folder / CONFIG_FILE).is_file():
        return None
    try:
        if weights:
            weight_files(folder, name)
    except DataError:
        return None  # an interrupted download, which is continued
    return folder


def fingerprint(name: str) -> str:
    """Identify the content of a checkpoint: a hub id with its commit, or the fingerprint of a folder.

    The fingerprint covers all bytes of `config.json`, the tokenizer and the weights, whose hash is computed once
    (`io.cached_hashes`); the name of the folder is not in it.

    Raises:
        DataError: the folder lacks a file, or the hub can't be asked for the commit.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        repository = _repository(name)
        return f"{repository.id}@{repository.commit()}"
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.json"), *path.glob("*.jinja")]):
        digest.update(file.name.encode() + file.read_bytes())
    for weights in weight_files(path, name):
        digest.update(f"{weights} {_hash(path / weights, name)}\n".encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def weight_files(folder: Path, name: str) -> list[str]:
    """Names of the safetensors files: those in the index, else the single one.

    Raises:
        DataError: there are none, or one of the index is missing.
    """
    if (folder / INDEX_FILE).is_file():
        files = sorted(set(_read_json(folder / INDEX_FILE, name).get("weight_map", {}).values()))
    else:
        files = [WEIGHTS_FILE]
    missing = [file for file in files if not (folder / file).is_file() or Path(file).name != file]
    if missing or not files:
        raise DataError(
            f"the checkpoint '{name}' lacks {', '.join(missing[:3]) or 'weights'} in {folder}; weights are read from "
            f"safetensors files only: {WEIGHTS_FILE}, or the shards that {INDEX_FILE} lists"
        )
    return files


def _hash(path: Path, name: str) -> str:
    try:
        return cached_sha256(path)
    except OSError as error:
        raise DataError(f"{path} of the checkpoint '{name}' can't be read ({error.strerror}); check it") from error


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name} of the checkpoint '{name}' is missing or damaged ({error}); download it again"
        ) from error
    return content


def _read_header(path: Path, name: str) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {tensor: tuple(file.get_slice(tensor).get_shape()) for tensor in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path.name} of the checkpoint '{name}' is damaged ({error}); download it again") from error


def _repository(name: str) -> Repository:
    return Repository.parse(name, label="checkpoint", alternative="give the path of its folder with --checkpoint")


def _download(name: str, patterns: list[str]) -> Path:
    repository = _repository(name)
    logger.info(f"downloading {name} from the hub (files that are in the cache already are kept)")
    return repository.download(patterns)
