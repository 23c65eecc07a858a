"""Every field of a configuration is an option, with its help, default and choices."""

from __future__ import annotations

from functools import partial
from typing import get_type_hints

import pytest

from mindrec_bench.cli.main import cli
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig, flag_name
from mindrec_bench.io.schema import setting_of

all_hints = partial(get_type_hints, include_extras=True)
RUN = {option.name: option for option in cli.commands["run"].params}


def test_every_field_with_a_help_text_is_an_option_of_run() -> None:
    hints = {name: hint for cls in (ExperimentConfig, ExecutionOptions) for name, hint in all_hints(cls).items()}
    names = [name for name, hint in hints.items() if setting_of(hint).help]
    assert set(hints) - set(names) == {"shard_users"}
    assert set(names) <= set(RUN)
    for name in set(names) - {"wait"}:
        assert flag_name(name) in RUN[name].opts
    assert RUN["wait"].opts == ["--no-wait"]
    assert all(option.help for option in RUN.values())


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ((), "wait", True), (("--no-wait",), "wait", False), ((), "quiet", False), (("-q",), "quiet", True),
        ((), "seed", (42,)), (("--seed", "1", "--seed", "2"), "seed", (1, 2)), ((), "users", "auto"),
        (("--users", "all"), "users", None), (("--max-minutes", "3"), "max_minutes", 3.0), ((), "categories", None),
    ],
    ids=str,
)  # fmt: skip
def test_values_and_defaults(words: tuple[str, ...], name: str, value: object) -> None:
    context = cli.commands["run"].make_context("run", ["-m", "pop", "-d", "bs", *words])
    assert context.params[name] == value


def test_choices_are_those_of_the_type() -> None:
    assert list(RUN["categories"].type.choices) == ["none", "history", "generate", "given"]
    assert list(RUN["split"].type.choices) == ["test", "valid"]
