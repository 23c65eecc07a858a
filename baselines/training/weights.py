"""A fitted network on disk: `weights.safetensors`, `losses.csv`, and `model.json`, which is written last.

`model.json` exists exactly when training is complete. The files are renamed into place when whole, and nothing is
pickled.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mindrec_bench.core.backbone import MODEL_FILE, FitReport, Task
from mindrec_bench.core.loss_curve import LossCurve
from mindrec_bench.errors import DataError, MrbenchError
from mindrec_bench.io import atomic
from mindrec_bench.io.schema import read_strictly

WEIGHTS_FILE = "weights.safetensors"
CHECKPOINTS = "checkpoints"
"""The subfolder of an unfinished training."""

SaveWeights = Callable[[Path, dict[str, torch.Tensor]], None]
"""(folder, weights): writes a network's weights to a folder."""

_TORCH_SAVE_ERRORS = ("PytorchStreamWriter", "inline_container", "iostream")
"""`torch.save` raises a `RuntimeError` with one of these words in its message."""


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """As `mindrec_bench.io.atomic.explain_write_errors`, for failed writes of safetensors and `torch.save` too.

    Raises:
        MrbenchError: the disk is full, or `path` can't be written.
    """
    with atomic.explain_write_errors(path):
        try:
            yield
        except SafetensorError as error:
            if code := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
            raise _write_error(path, error) from error
        except RuntimeError as error:
            if not any(word in str(error) for word in _TORCH_SAVE_ERRORS):
                raise
            raise _write_error(path, error) from error


def _write_error(path: Path, error: Exception) -> MrbenchError:
    """For errors that do not say whether the disk is full."""
    return MrbenchError(
        f"can't write {path} ({str(error).splitlines()[0]}); free some space or choose another folder with "
        "--runs-dir, then repeat the command"
    )


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a safetensors file, renamed into place when whole."""
    with atomic.atomic_path(path) as temporary:
        save_file(tensors, temporary)


def save_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a network's weights where `load_weights` reads them."""
    write_tensors(folder / WEIGHTS_FILE, tensors)


def save_model(
    folder: Path,
    task: Task,
    tensors: dict[str, torch.Tensor],
    report: FitReport,
    losses: LossCurve,
    save_weights: SaveWeights = save_weights,
) -> None:
    """Write a fitted network to `folder`: the weights, the losses, then `model.json`."""
    save_weights(folder, tensors)
    losses.write(folder)
    content = {"slots": _slot_sizes(task), "size": task.size, "report": dataclasses.asdict(report)}
    atomic.write_json(folder / MODEL_FILE, content)


def completed_report(folder: Path, scratch: str = CHECKPOINTS) -> FitReport | None:
    """The report of the training that was completed in `folder`, or None if none was.

    Args:
        folder: of the model.
        scratch: the subfolder of the training, which is removed if a kill has left it.
    """
    if not (folder / MODEL_FILE).exists():
        return None
    shutil.rmtree(folder / scratch, ignore_errors=True)
    return read_strictly(FitReport, _read_model_file(folder)["report"])


def check_model(folder: Path, task: Task) -> None:
    """Check that `folder` holds a fitted network for the task.

    Raises:
        DataError: training is not complete, or it was for other slots or another size.
    """
    content = _read_model_file(folder)
    if (content["slots"], content["size"]) != (_slot_sizes(task), task.size):
        fitted, needed = (
            _describe(*pair) for pair in ((content["slots"], content["size"]), (_slot_sizes(task), task.size))
        )
        raise DataError(
            f"the model in {folder} was fitted for slots of {fitted} and not of {needed}; fit it again with --fresh all"
        )


def load_weights(folder: Path, task: Task, network: torch.nn.Module) -> None:
    """Read the weights in `folder` into a network of the same shape.

    Raises:
        DataError: they are missing or damaged, or belong to other slots or another size.
    """
    check_model(folder, task)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"the weights in {folder / WEIGHTS_FILE} are missing, damaged or of another shape "
            f"({str(error).splitlines()[0]}); fit the model again with --fresh all"
        ) from error


def _read_model_file(folder: Path) -> dict[str, Any]:
    path = folder / MODEL_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return {key: content[key] for key in ("slots", "size", "report")}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is missing or damaged; fit the model again with --fresh all") from error


def _slot_sizes(task: Task) -> list[int]:
    return list(task.space.sizes)


def _describe(slot_sizes: list[int], size: str) -> str:
    return f"{'+'.join(map(str, slot_sizes))} codes, size '{size}'"
