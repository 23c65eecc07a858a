"""The fields of an experiment, their checks, and the command that sets them."""

from __future__ import annotations

import dataclasses

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig, make_config, to_flags

PAIR = {"model": "markov", "decoder": "bs"}


def test_values_are_checked_and_missing_ones_have_their_defaults() -> None:
    assert make_config(PAIR) == ExperimentConfig("markov", "bs")
    assert make_config({**PAIR, "users": "all", "max_minutes": 3}).users is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam": 2.7}, "--beam is 2.7; it must be a whole number"),
        ({"beam": True}, "--beam is true; it must be a whole number"),
        ({"users": "some"}, "--users is 'some'; it must be a whole number or 'auto' or 'all'"),
        ({"eval_users": 0}, "--eval-users is 0; it must be at least 1"),
        ({"split": "tset"}, "--split is 'tset' (did you mean 'test'?); it must be one of test, valid"),
        ({"exclude_history": 1}, "--exclude-history is 1; it must be true or false"),
        ({"model": 3}, "--model is 3; it must be text"),
        ({"bema": 3}, "unknown key 'bema' in the configuration (did you mean 'beam'?); allowed: model, decoder, "),
    ],
    ids=str,
)
def test_wrong_values_name_the_flag(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_config({**PAIR, **values})
    assert str(caught.value).startswith(message)


def test_messages_about_a_file_name_its_section() -> None:
    with pytest.raises(UsageError, match=r"^'beam' in grid 1 of x\.toml is 0; it must be at least 1$"):
        make_config({**PAIR, "beam": 0}, "grid 1 of x.toml")
    with pytest.raises(UsageError, match=r"^grid 1 of x\.toml has no key 'decoder'"):
        make_config({"model": "pop"}, "grid 1 of x.toml")
    with pytest.raises(UsageError, match="unknown key 'split' in grid 1"):
        make_config({**PAIR, "split": "test"}, "grid 1 of x.toml", hidden=("split",))


def test_a_command_sets_what_differs_from_the_defaults() -> None:
    assert ExperimentConfig("markov", "bs").command() == "mrbench run --model markov --decoder bs --data arts-sim"
    config = ExperimentConfig("a b", "bs", users=None, exclude_history=True, max_minutes=1.2345678)
    assert config.command() == (
        "mrbench run --model 'a b' --decoder bs --data arts-sim --users all --exclude-history --max-minutes 1.2345678"
    )
    assert dataclasses.replace(config, max_minutes=8.0).command().endswith("--max-minutes 8")
    assert "--model markov:decay=1.0 " in ExperimentConfig("markov:decay=1.0", "bs").command()
    assert to_flags(ExecutionOptions()) == []
