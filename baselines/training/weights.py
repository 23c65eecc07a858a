"""A fitted network on disk: `weights.safetensors` and `model.json`, the latter written last.

`model.json` is there exactly when training is complete. Both are renamed into place when whole; nothing is
unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import DataError, MrbenchError

WEIGHTS, CARD = "weights.safetensors", "model.json"

Store = Callable[[Path, dict[str, torch.Tensor]], None]
"""Leaves a network's weights in a folder."""


@contextmanager
def explain_write_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or an unwritable folder into one clear sentence.

    Raises:
        MrbenchError: something in the block could not be written.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise _unwritable(folder, error) from error
    except RuntimeError as error:  # torch.save has no error class of its own
        if not any(sign in str(error) for sign in ("PytorchStreamWriter", "inline_container", "iostream")):
            raise
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: Exception) -> MrbenchError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
    return MrbenchError(
        f"can't write the model to {folder} ({reason}); free some space or choose another folder, then run it again"
    )


def write_json(path: Path, facts: dict[str, Any]) -> None:
    """Write facts, renamed into place when whole."""
    write_text(path, json.dumps(facts, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a text, renamed into place when whole."""
    with _in_place(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write tensors, renamed into place when whole."""
    with _in_place(path) as partial:
        save_file(weights, partial)


@contextmanager
def _in_place(path: Path) -> Iterator[Path]:
    partial = path.with_suffix(".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def store(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write a network's weights where `load` reads them."""
    write_weights(folder / WEIGHTS, weights)


def save(folder: Path, task: Task, weights: dict[str, torch.Tensor], report: FitReport, store: Store = store) -> None:
    """Leave a fitted network in `folder`."""
    store(folder, weights)
    write_json(folder / CARD, {"slots": _slots(task), "size": task.size, "report": dataclasses.asdict(report)})


def finished(folder: Path) -> FitReport | None:
    """The report of the training that was completed in `folder`, if one was."""
    card = folder / CARD
    if not card.exists():
        return None
    facts = _read_card(folder)["report"]
    return FitReport(**{**facts, "valid_loss": tuple(facts["valid_loss"])})


def check(folder: Path, task: Task) -> None:
    """Refuse a folder without a fitted network for the task.

    Raises:
        DataError: training is not complete, or it was for other slots or another size.
    """
    card = _read_card(folder)
    if (card["slots"], card["size"]) != (_slots(task), task.size):
        raise DataError(
            f"the model in {folder} was fitted for slots of {_words(card)} and not of "
            f"{_words({'slots': _slots(task), 'size': task.size})}; fit it again with --fresh"
        )


def load(folder: Path, task: Task, network: torch.nn.Module) -> None:
    """Read `folder`'s weights into a network of the same shape.

    Raises:
        DataError: they are missing or broken, or belong to other slots or another size.
    """
    check(folder, task)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"the weights in {folder / WEIGHTS} are missing, damaged or of another shape "
            f"({str(error).splitlines()[0]}); fit the model again with --fresh"
        ) from error


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text())
        return {key: card[key] for key in ("slots", "size", "report")}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder / CARD} is missing or damaged; fit the model again with --fresh") from error


def _slots(task: Task) -> list[int]:
    return list(task.space.sizes)


def _words(card: dict[str, Any]) -> str:
    return f"{'+'.join(map(str, card['slots']))} codes, size '{card['size']}'"
