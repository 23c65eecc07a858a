"""A command's flags in a TOML file: `mrbench run --config cell.toml`, where flags on the command line win."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import UsageError, did_you_mean
from ..io.schema import parse_toml, read_text


def _take(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of the command's other flags."""
    if path is not None:
        context.default_map = read_config(path, context.command, hidden=str(option.name))


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,  # before the other flags are looked at
    expose_value=False,
    callback=_take,
    metavar="FILE.toml",
    help="Read flags from a file, one `flag = value` a line; flags given here win.",
)


def read_config(path: Path, command: click.Command, hidden: str = "") -> dict[str, Any]:
    """The values in a configuration file, by parameter name.

    Args:
        path: TOML; a key is a flag's name without the dashes in front (`max-minutes` or `max_minutes`).
        command: whose flags they are.
        hidden: a parameter that a file can't set.

    Raises:
        UsageError: the file can't be read, is no TOML, names an unknown flag or one twice, or gives a value that the
            flag does not take.
    """
    raw = parse_toml(read_text(path, "the configuration"), f"the configuration {path}")
    flags = {_key(flag): option for option in command.params for flag in option.opts if flag.startswith("--")}
    flags = {key: option for key, option in flags.items() if option.name != hidden}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        option = flags.get(_key(key))
        if option is None:
            known = sorted(name.replace("_", "-") for name in flags)
            raise UsageError(f"unknown key '{key}' in {path}{did_you_mean(key, known)}; allowed: {', '.join(known)}")
        if option.name in values:
            raise UsageError(f"the key '{key}' stands twice in {path}, with - and with _; keep one of them")
        values[str(option.name)] = _checked(key, value, option, path)
    return values


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _checked(key: str, value: Any, option: click.Parameter, path: Path) -> Any:
    """The value as the flag takes it; said here, since click would name no file."""
    if getattr(option, "is_flag", False) != isinstance(value, bool) or isinstance(value, list | dict):
        wanted = "true or false" if getattr(option, "is_flag", False) else "one plain value"
        raise UsageError(f"'{key}' in {path} is {value!r}; it must be {wanted}")
    try:
        return option.type.convert(value, option, None)
    except click.BadParameter as error:
        raise UsageError(f"'{key}' in {path} is {value!r}: {error.message}") from error
