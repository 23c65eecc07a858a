"""What is asked (`ExperimentConfig`) and how it is executed (`ExecutionOptions`)."""

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


MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's older generators take; transformers seeds them too."""


@dataclass(frozen=True)
class ExperimentConfig:
    """One cell, as asked: which model, which decoder, on which data, how.

    Attributes:
        model, decoder, data: `NAME:key=value,...`; data may be a path to a folder.
        size: a size of the model, or `auto`.
        checkpoint: the model's option of that name (a folder or a hub id), where it has one.
        categories: None takes `generate` where the data has categories and `none` where it has none.
        users: how many users make up the data; None for all.
        eval_users: decode the first so many only; None for all.
        max_minutes: time limit of the training; None for no limit.
        split: `test`, or `valid` to choose between models without a look at the test items.
        train_devices: how many processes train the model, where it can be trained by several; None: as many as decode.
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
    """How a question is answered; nothing here changes the answer (but for float ties between batch sizes and devices,
    and that `devices` chooses another model where the question does not say how many processes train).

    Attributes:
        runs_dir: the run store.
        data_dir: where data folders are, or None for the usual places.
        device: `auto`, `cpu` or `cuda`.
        batch_size: users decoded together.
        devices: how many processes decode, and train unless the question says another number; None: as many as torchrun
            started, else one.
        fresh: forget the run and its fitted model first.
        wait: wait for another process on the same run.
        quiet: no progress bars.
        notify: gets lines of progress.
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
