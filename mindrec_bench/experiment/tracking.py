"""Follow a training in TensorBoard, Weights & Biases or MLflow, by the trackers of accelerate (`--track`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import MrbenchError, UsageError
from ..store.run_spec import RunSpec
from .config import TrackerName

PROJECT = "mindrec-bench"
"""The project of Weights & Biases, or the experiment of MLflow."""


def require_tracker(name: TrackerName) -> None:
    """Check that the package of a tracker is installed.

    Raises:
        UsageError: it is not; the message says what to install.
    """
    if find_spec(name) is None:
        raise UsageError(
            f"--track {name} needs the package '{name}', which is not installed; install it with "
            f"python -m pip install {name}"
        )


@contextmanager
def open_tracker(name: TrackerName, spec: RunSpec, root: Path) -> Iterator[TrainingTracker]:
    """The tracker of a training, finished after the block.

    Args:
        name: of the package.
        spec: a run that needs the model.
        root: the run store, where TensorBoard's files go: `<root>/tensorboard/<data>/<model>/<fit id>`.
    """
    tracker = TrainingTracker(name, spec, root)
    try:
        yield tracker
    finally:
        tracker.finish()


@dataclass(eq=False)
class TrainingTracker:
    """A `core.backbone.Tracker`.

    Starting one makes accelerate look for its processes and devices, so it starts with the first values: when the
    training has set these up.
    """

    name: TrackerName
    spec: RunSpec
    root: Path
    _tracker: Any = field(default=None, init=False)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`.

        Raises:
            MrbenchError: the tracker can't be started, or refuses the values.
        """
        with _explained(self.name):
            if self._tracker is None:
                self._tracker = self._start()
            self._tracker.log(dict(values), step=step)

    def finish(self) -> None:
        """Let the tracker write what it still holds.

        Raises:
            MrbenchError: it can't.
        """
        if self._tracker is not None:
            with _explained(self.name):
                self._tracker.finish()

    def _start(self) -> Any:
        from accelerate import PartialState, tracking

        PartialState()  # accelerate's log refuses messages before it is made
        fit = self.spec.fit.id
        label = f"{self.spec.model.name} on {self.spec.data.name}, {fit}"
        tracker: Any
        if self.name == "tensorboard":
            tracker = tracking.TensorBoardTracker(f"{self.spec.model_path}/{fit}", self.root / "tensorboard")
        elif self.name == "wandb":
            tracker = tracking.WandBTracker(PROJECT, id=fit, name=label, resume="allow")
        else:
            tracker = tracking.MLflowTracker(PROJECT, run_name=label)
        if hasattr(tracker, "start"):  # releases of accelerate before 1.8 start it when it is made
            tracker.start()
        tracker.store_init_configuration(_flat(self.spec.fit.as_dict()))
        return tracker


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever a tracker raises into one sentence."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MrbenchError(
            f"{name} can't follow the training ({reason}); set it up, or leave out --track: the same command then "
            "continues from the last checkpoint"
        ) from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings as trackers take them: names with dots, and values that are texts, numbers or booleans."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat
