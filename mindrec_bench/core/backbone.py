"""The base classes of plugins: `Backbone` for a model family, `DataSource` for a dataset.

Optional hooks have their defaults here, so the package calls them without asking whether they exist. This module
imports no torch, so that listings stay quick; neither should the module of a registered class (import torch inside its
methods).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from .protocols import Capability, Model

if TYPE_CHECKING:  # listings start more quickly without NumPy
    from .code_space import CodeSpace, Int
    from .dataset import Dataset, Histories

MODEL_FILE = "model.json"
"""A file of facts about a fitted model, such as how long it was trained: the hash of its weights leaves it out."""


class Tracker(Protocol):
    """Where a training can be followed while it runs (`--track`)."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Show values after a step.

        Args:
            values: by name; our own trainings use `train_loss`, `valid_loss` and `epoch`.
            step: optimiser steps so far; never lower than before.

        Raises:
            MrbenchError: they can't be shown.
        """


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that fitting or loading a backbone may depend on.

    Attributes:
        data: users, sequences and catalogue; `train_examples`, `validation` and `test` give the split.
        space: the slots; without category slots where categories are not used.
        size: `tiny`, `small`, ...; "" for backbones without sizes.
        seed: for everything random in training.
        device: `cpu`, `cuda` or `mps`; where several processes share a run, `cuda` is the GPU of this process.
        max_minutes: time limit of the training, or None.
        quiet: show no progress bar.
        tracker: gets the losses while `fit` trains; None where nobody follows, and in all but one of several processes.
    """

    data: Dataset
    space: CodeSpace
    size: str = ""
    seed: int = 42
    device: str = "cpu"
    max_minutes: float | None = None
    quiet: bool = False
    tracker: Tracker | None = None


@dataclass(frozen=True)
class FitReport:
    """What training did; stored beside the weights and shown with every result.

    Attributes:
        epochs: epochs completed, with the fraction of the last.
        steps: optimiser steps.
        parameters: trainable parameters.
        seconds: training time, interruptions excluded.
        valid_loss: the validation loss at each evaluation.
        train_loss: at each evaluation, the mean training loss since the one before; () where it is not known.
        under_trained: the time limit was reached while the validation loss still improved.
        precision: the precision of training, `float32` or `bf16` (autocast); '' where it is not known.
    """

    epochs: float
    steps: int
    parameters: int
    seconds: float
    valid_loss: tuple[float, ...] = ()
    under_trained: bool = False
    precision: str = ""
    train_loss: tuple[float, ...] = ()


class Backbone(ABC):
    """A registered model family: a frozen dataclass whose fields are its options.

    An option declared with `inference_only` (`plugins.options.option`) changes the inference of a fitted model and not
    how it is fitted; runs that differ only in such options share a fitted model.

    Attributes:
        capability: what its contexts answer.
        sizes: the sizes it can be fitted in, smallest first; empty where nothing is trained.
        data_parallel: several processes can share its training. `fit` is then called in all of them at the same time,
            with the same folder and torch.distributed initialised; the report of process 0 is stored.
        needs_simulation: it reads `Task.data.simulation`; other data is refused.
        reads_text: it reads `Task.data.texts`, which must exist and are part of the run's identity.
        model_codes: what one of its codes is, in words, where it identifies items by codes of its own (see `Model`);
            '' where it uses the data's semantic IDs.
    """

    capability: ClassVar[Capability]
    sizes: ClassVar[tuple[str, ...]] = ()
    data_parallel: ClassVar[bool] = False
    needs_simulation: ClassVar[bool] = False
    reads_text: ClassVar[bool] = False
    model_codes: ClassVar[str] = ""

    @abstractmethod
    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train, and write everything that `load` needs to `folder`; a call after an interruption continues there.

        Called on the result of `with_size_defaults`, and never where `sizes` is empty.
        """

    @abstractmethod
    def load(self, task: Task, folder: Path) -> Model:
        """Return the fitted model, on `task.device`. Called on the result of `with_size_defaults`."""

    def with_size_defaults(self, size: str) -> Self:
        """These options, with each None replaced by the default of a size; part of a run's identity."""
        return self

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """The size that `--size auto` chooses, and why: the smallest on a simulation, else the largest.

        Never called where `sizes` is empty.

        Args:
            simulation: whether the data is simulated.
            device: `cpu`, `cuda` or `mps`.
        """
        if simulation:
            return self.sizes[0], "the smallest, for a simulation"
        return self.sizes[-1], "the largest of this model"

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """Fingerprints of the files that options name, by their role; part of a run's identity.

        Raises:
            UsageError, DataError: the options do not fit the size, or a file can't be read.
        """
        return {}

    def training_bytes(self, size: str) -> int | None:
        """About how much memory of a GPU training takes, for `--dry-run` and `doctor`; None where it is no question.

        Called on the result of `with_size_defaults`.
        """
        return None

    @classmethod
    def missing_requirements(cls) -> str:
        """Why this model can't run on this machine, for `mrbench doctor`; '' where it can run."""
        return ""

    def show_prompts(
        self, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
    ) -> list[dict[str, Any]] | None:
        """The prompts of a text model at test, for `mrbench run --show-prompt`; None for other models.

        Args:
            task: data, slots and size.
            histories: of B users.
            start: code indices, `MASK` at the slots to fill. Shape: (B, T)
            slots: the slots of the code space that make up the canvas.

        Returns:
            For each user a dict: `user`, `text`, `ids`, and `slots`, each with `slot`, `position` and `state`.
        """
        return None


class DataSource(ABC):
    """A registered dataset: a frozen dataclass whose fields are its options.

    Attributes:
        folder: the name of its data folder; '' for data that needs no files.
    """

    folder: ClassVar[str] = ""

    def default_users(self) -> int | None:
        """How many users `--users auto` takes; None: all."""
        return 5000

    @abstractmethod
    def load(self, data_dir: Path | None, *, users: int | None) -> Dataset:
        """Load the data.

        Args:
            data_dir: where data folders are, or None for the usual locations.
            users: load only the first so many users by user id; None: all.

        Raises:
            DataError: the data is missing or broken.
        """
