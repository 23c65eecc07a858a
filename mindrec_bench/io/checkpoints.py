"""Checkpoints of a training that can be continued: numbered folders, each whole or dropped.

`checkpoint-<step>/progress.json` is written last. It holds the state of the training and the hash of every other file,
so a checkpoint that a kill, a power cut or a bad disk has damaged is not continued from: the one before it is.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .atomic import TEMPORARY, remove_folder, sync_folder
from .manifest import read_manifest, write_manifest

logger = logging.getLogger(__name__)

STATE_FILE = "progress.json"
KEPT = 2
"""How many checkpoints are kept: the last, and the one before it in case the last is damaged."""

_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoint_path(folder: Path, step: int) -> Path:
    """The folder of the checkpoint of a step."""
    return folder / f"checkpoint-{step}"


def complete_checkpoint(checkpoint: Path, state: dict[str, Any]) -> None:
    """Flush the files of a checkpoint to disk and write its `progress.json`, then remove all but the last checkpoints.

    Args:
        checkpoint: its folder (`checkpoint_path`), with all other files in it.
        state: in JSON's types.

    Raises:
        MrbenchError: the disk is full or the folder can't be written.
        OSError: a file can't be flushed.
    """
    (checkpoint / STATE_FILE).unlink(missing_ok=True)
    files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.suffix != TEMPORARY]
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    for folder in {file.parent for file in files} | {checkpoint}:
        sync_folder(folder)
    write_manifest(checkpoint / STATE_FILE, {"state": state}, files)
    sync_folder(checkpoint.parent)
    _remove_others(checkpoint)


def _remove_others(checkpoint: Path) -> None:
    """Keep the last whole checkpoints up to this one."""
    others = _newest_first(checkpoint.parent)
    whole = [other for other in others if _step(other) <= _step(checkpoint) and (other / STATE_FILE).is_file()]
    for other in others:
        if other not in whole[:KEPT]:
            remove_folder(other, first=STATE_FILE)


def last_checkpoint(
    folder: Path, is_readable: Callable[[dict[str, Any]], bool], *, needs: str = "", drop: bool = True
) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint in a folder, with its state; None where there is none.

    Args:
        folder: of the checkpoints; may be missing.
        is_readable: whether this version can continue from a state; else the checkpoint is passed over with a notice.
        needs: a file that the checkpoints have which this version writes; '' for none.
        drop: remove damaged checkpoints, with a notice each; False in all but one of several processes.

    Raises:
        MrbenchError: a checkpoint can't be read or removed: because of its permissions, say. That is not damage.
    """
    for checkpoint in _newest_first(folder):
        content = read_manifest(checkpoint / STATE_FILE, check=None, warn=False)
        has_file = content is not None and (not needs or needs in content["files"])
        if content is not None and has_file and is_readable(content.get("state", {})):
            return checkpoint, content["state"]
        if not drop:
            continue
        if content is not None:
            logger.warning(f"{checkpoint} was written by another version; training does not continue from it")
        else:
            if (checkpoint / STATE_FILE).exists():
                logger.warning(f"{checkpoint} is damaged; training continues from the one before it, or starts again")
            remove_folder(checkpoint, first=STATE_FILE)  # else a kill left it half-written
    return None


def _newest_first(folder: Path) -> list[Path]:
    paths = list(folder.iterdir()) if folder.is_dir() else []
    return sorted((path for path in paths if _NAME.fullmatch(path.name) and path.is_dir()), key=_step, reverse=True)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])
