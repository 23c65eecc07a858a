"""What an experiment is (`ExperimentConfig`) and how it is executed (`ExecutionOptions`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core.code_space import Categories
from ..core.dataset import Split
from ..core.protocols import Constrain
from ..distributed.processes import noop

DEFAULT_DATA = "arts-sim"
DEFAULT_USERS = 5000
AUTO = "auto"
"""The size that lets the model choose one."""

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's legacy generator accepts; transformers seeds that one too."""


@dataclass(frozen=True)
class ExperimentConfig:
    """One experiment as the user describes it: a model, a decoder, the data, and their settings.

    Attributes:
        model, decoder, data: `NAME:key=value,...`; data may be a path to a folder.
        size: a size of the model, or `auto`.
        checkpoint: the model's option of that name (a folder or a hub id), where it has one.
        categories: None means `generate` where the data has categories, else `none`.
        constrain: what may stand in a slot while decoding (docs/semantics.md, Decoding).
        beam: results per user.
        users: how many users make up the data; None for all.
        eval_users: only the first so many users are decoded; None for all.
        seed: for training, noise and everything else that is random.
        exclude_history: never recommend items of the history (models that score items).
        max_minutes: time limit of the training; None for no limit.
        split: `test`, or `valid` to choose between models without looking at the test items.
        train_devices: how many processes train the model, where several can; None: as many as decode.
    """

    model: str
    decoder: str
    data: str = DEFAULT_DATA
    size: str = AUTO
    checkpoint: str | None = None
    categories: Categories | None = None
    constrain: Constrain = "slots"
    beam: int = 10
    users: int | None = DEFAULT_USERS
    eval_users: int | None = None
    seed: int = 42
    exclude_history: bool = False
    max_minutes: float | None = None
    split: Split = "test"
    train_devices: int | None = None


@dataclass(frozen=True)
class ExecutionOptions:
    """How an experiment is executed.

    None of these changes the result, with two exceptions: float ties may break differently between batch sizes and
    devices, and `devices` chooses the model where the config does not say how many processes train it.

    Attributes:
        runs_dir: the run store.
        data_dir: where data folders are, or None for the usual places.
        device: `auto`, `cpu` or `cuda`.
        batch_size: users decoded together.
        devices: how many processes decode, and train unless the config gives another number; None: as many as torchrun
            started, else one.
        fresh: delete the run and its fitted model first.
        wait: wait while another process computes the same run.
        quiet: no progress bars.
        notify: gets progress messages, one line each.
    """

    runs_dir: Path = Path("runs")
    data_dir: Path | None = None
    device: str = "auto"
    batch_size: int = 128
    devices: int | None = None
    fresh: bool = False
    wait: bool = True
    quiet: bool = True
    notify: Callable[[str], None] = noop
