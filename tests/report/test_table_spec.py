"""The command and the configuration that fill a cell of a table, and values that the command line overrides."""

from __future__ import annotations

import shlex

import pytest

from mindrec_bench.cli.main import cli
from mindrec_bench.cli.run import AXES
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.report.table_spec import RowSpec, TableSpec, override

SETTINGS = {"model": "pop", "decoder": "bs", "categories": "none"}
ROW = RowSpec("b", SETTINGS)
SPEC = TableSpec("mine", "mine", ("arts",), ("hr@1",), (ROW,))
CHANGED = TableSpec(
    "mine", "mine", ("arts",), ("hr@1",),
    (RowSpec("b", {**SETTINGS, "constrain": "catalogue", "exclude_history": True}),),
    settings={"users": None, "eval_users": 50, "beam": 5, "max_minutes": 2.5}, seeds=(0, 1),
)  # fmt: skip


def config_of(command: str) -> ExperimentConfig:
    """The experiment that `mrbench run` would make of a command."""
    words = shlex.split(command)
    assert words[:2] == ["mrbench", "run"]
    parameters = cli.commands["run"].make_context("run", words[2:]).params
    names = ExperimentConfig.__dataclass_fields__
    values = {name: value for name, value in parameters.items() if name in names}
    for axis in AXES:
        (values[axis],) = values[axis]
    return ExperimentConfig(**values)


def test_the_command_leaves_defaults_out() -> None:
    command = SPEC.command(ROW, "arts", 42)
    assert command == "mrbench run --model pop --decoder bs --data arts --categories none"


def test_the_command_includes_all_that_differs_from_the_defaults() -> None:
    assert CHANGED.command(CHANGED.rows[0], "arts", 1, "small") == (
        "mrbench run --model pop --decoder bs --data arts --size small --categories none --users all "
        "--constrain catalogue --beam 5 --eval-users 50 --seed 1 --exclude-history --max-minutes 2.5"
    )


@pytest.mark.parametrize("spec", [SPEC, CHANGED])
@pytest.mark.parametrize("size", ["", "small"])
def test_the_config_is_that_of_the_command(spec: TableSpec, size: str) -> None:
    (row,) = spec.rows
    assert spec.config(row, "arts", 7, size) == config_of(spec.command(row, "arts", 7, size))


def test_given_values_override_those_of_the_file() -> None:
    assert override(CHANGED) == CHANGED
    changed = override(CHANGED, seeds=(3,), size="tiny", users=100, max_minutes=1.0)
    assert (changed.seeds, changed.users_of("arts")) == ((3,), 100)
    assert (changed.setting("size"), changed.setting("max_minutes"), changed.setting("beam")) == ("tiny", 1.0, 5)
    assert override(SPEC, users="all").users_of("arts") is None


def test_too_few_users_are_refused() -> None:
    with pytest.raises(UsageError, match="--users is 0; it must be at least 1 or 'auto' or 'all'"):
        override(SPEC, users=0)
