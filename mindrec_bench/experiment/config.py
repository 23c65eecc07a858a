"""What an experiment is (`ExperimentConfig`) and how it is executed (`ExecutionOptions`).

The fields are declared once, here and in `store.run_spec.RunSettings`, with type, default, check and help. The command
line, configuration files, sweeps, tables and the command that repeats a run all read them.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Le

from ..core.choices import Categories
from ..io.schema import Setting, own_fields_first, setting_of, validate_keys
from ..store.run_spec import RunSettings

DEFAULT_DATA = "arts-sim"
AUTO: Literal["auto"] = "auto"
"""The size that lets the model choose one, and the number of users that lets the data choose it."""

Users = Annotated[int, Ge(1)] | Literal["auto"] | None
"""How many users make up the data, the first by id; None for all."""

USERS_PER_SHARD = 512
"""Users in one shard, unless a batch has more."""

DEFAULT_BATCH = 128
"""Users decoded together where nothing better is known: on a CPU, where larger batches gain nothing."""

LARGEST_BATCH = 8192
"""The largest `ExecutionOptions.batch_size`; a shard has as many users at least, and is held in memory."""

Device = Literal["auto", "cpu", "cuda", "mps"]

TrackerName = Literal["tensorboard", "wandb", "mlflow"]
"""The packages that can follow a training."""


@dataclass(frozen=True)
class ExperimentConfig(RunSettings):
    """One experiment as the user describes it: a model, a decoder, the data, and their settings."""

    model: Annotated[str, Setting("NAME or NAME:key=value,... (see `mrbench list models NAME`).", flag="-m")]
    decoder: Annotated[str, Setting("NAME or NAME:key=value,... (see `mrbench list decoders NAME`).", flag="-d")]
    data: Annotated[str, Setting("The dataset: a name of `mrbench list data`, or the path of a folder.")] = DEFAULT_DATA
    size: Annotated[str, Setting("Size of the model (see `mrbench list models NAME`), or auto.")] = AUTO
    checkpoint: Annotated[
        str | None, Setting("Folder or hub id of published weights to fine-tune, instead of a --size.")
    ] = None
    categories: Annotated[
        Categories | None,
        Setting(
            "Category codes: not used (none), in histories only (history), generated first (generate), or given "
            "(the true ones).",
            default="generate if there are any",
        ),
    ] = None
    users: Annotated[
        Users,
        Setting("The data are the first N users by id; auto: 5000, but all of beauty, sports and toys.", none="all"),
    ] = AUTO
    train_devices: Annotated[
        int | None,
        Ge(1),
        Setting("Processes that train the model; another number gives another model.", default="as --devices"),
    ] = None

    def command(self) -> str:
        """The shortest command that runs this experiment."""
        return shlex.join(["mrbench", "run", *to_flags(self, always=("data",))])


@dataclass(frozen=True)
class ExecutionOptions:
    """How an experiment is executed.

    None of these changes the result, with two exceptions: float ties may break differently between batch sizes and
    devices, and `devices` chooses the model where the config does not say how many processes train it.

    Attributes:
        wait: wait while another process computes the same run.
        quiet: show no progress bar; the command line shows no messages either.
        shard_users: users in one shard, which is what a killed run may lose; batches do not cross shards. None: 512, or
            as many as in a batch where that is more.
    """

    runs_dir: Annotated[Path, Setting("The folder where runs are stored.")] = Path("runs")
    data_dir: Annotated[
        Path | None,
        Setting(
            "The only folder to look for data folders in.",
            default="$MRBENCH_DATA, then ./data, then the per-user cache",
        ),
    ] = None
    device: Annotated[Device, Setting("Where to compute; auto: cuda if there is a GPU, else cpu, never mps.")] = "auto"
    batch_size: Annotated[
        Annotated[int, Ge(1), Le(LARGEST_BATCH)] | Literal["auto"],
        Setting("Users decoded together; auto: on CUDA the largest number that gains and fits, else 128."),
    ] = AUTO
    devices: Annotated[
        int | None,
        Ge(1),
        Setting(
            "Processes that train and decode, one GPU each on CUDA.", default="as many as torchrun started, else 1"
        ),
    ] = None
    fresh: Annotated[
        Literal["decode", "all"] | None,
        Setting("Compute again what is stored: this decoder's results, or (all) the fitted model too.", bare="decode"),
    ] = None
    wait: Annotated[bool, Setting("Exit instead of waiting if another process is computing this run.")] = True
    quiet: Annotated[bool, Setting("Print the result only, no progress and no notices.", flag="-q")] = True
    track: Annotated[
        TrackerName | None,
        Setting("Follow the training in TensorBoard (files in RUNS_DIR/tensorboard), Weights & Biases or MLflow."),
    ] = None
    shard_users: Annotated[int, Ge(1)] | None = None


def make_config(values: Mapping[str, Any], where: str = "", *, hidden: Collection[str] = ()) -> ExperimentConfig:
    """An experiment from the values of its fields, checked.

    Args:
        values: by the names of the fields.
        where: what messages call their origin, a section of a file; '' names the flags of the command line.
        hidden: fields that may not be set.

    Raises:
        UsageError: an unknown field, a wrong value, or no model or decoder.
    """
    label = None if where else flag_name
    where = where or "the configuration"
    return ExperimentConfig(**validate_keys(values, ExperimentConfig, where, hidden=hidden, label=label))


def check_config(config: ExperimentConfig) -> None:
    """Check a configuration that Python code has made as `make_config` does.

    Raises:
        UsageError: a value is wrong.
    """
    make_config({field.name: getattr(config, field.name) for field in fields(config)})


def flag_name(field: str) -> str:
    """The flag of a field on the command line."""
    return f"--{field.replace('_', '-')}"


def to_flags(config: Any, *, always: tuple[str, ...] = (), hidden: tuple[str, ...] = ()) -> list[str]:
    """The words of a command line that set the fields of a configuration that differ from their defaults.

    Args:
        config: a dataclass with annotated fields; a field without a default is always set.
        always: fields to set even at their defaults.
        hidden: fields to leave out.
    """
    hints = get_type_hints(type(config), include_extras=True)
    words = []
    for name, value in changed_settings(config, always=always).items():
        if name in hidden:
            continue
        if value is True:
            words.append(flag_name(name))
        else:
            none = setting_of(hints[name]).none
            value = int(value) if isinstance(value, float) and value.is_integer() else value
            words += [flag_name(name), none if value is None else str(value)]
    return words


def changed_settings(config: Any, *, always: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a configuration that differ from their defaults, and those that are always said."""
    values = {field: getattr(config, field.name) for field in own_fields_first(type(config))}
    return {field.name: value for field, value in values.items() if value != field.default or field.name in always}
