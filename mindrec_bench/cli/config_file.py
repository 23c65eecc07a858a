"""Options of a command from a TOML file: `mrbench run --config cell.toml`; the command line takes precedence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import UsageError, did_you_mean
from ..io.json_files import read_text
from ..io.schema import parse_toml, toml_value
from .flags import FilePath


def _set_defaults(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    """Make the values of the file the defaults of the command's other options."""
    if path is not None:
        context.default_map = read_config(path, context.command, hidden=str(option.name))


config_option = click.option(
    "--config",
    type=FilePath(),
    is_eager=True,  # processed before the other options, whose defaults it sets
    expose_value=False,
    callback=_set_defaults,
    metavar="FILE.toml",
    help="Read options from a file, one `option = value` per line; those on the command line take precedence.",
)


def read_config(path: Path, command: click.Command, hidden: str = "") -> dict[str, Any]:
    """The values in a configuration file, by parameter name.

    Args:
        path: TOML; a key is the name of an option without its leading dashes (`max-minutes` or `max_minutes`).
        command: the command that has the options.
        hidden: a parameter that a file can't set.

    Raises:
        UsageError: the file can't be read or is not valid TOML, or it has an unknown option, one option twice, or a
            value that the option does not accept.
    """
    raw = parse_toml(read_text(path, "the configuration", UsageError), f"the configuration {path}")
    options = {_normalise(flag): option for option in command.params for flag in option.opts if flag.startswith("--")}
    options = {key: option for key, option in options.items() if option.name != hidden}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        option = options.get(_normalise(key))
        if option is None:
            known = sorted(name.replace("_", "-") for name in options)
            raise UsageError(f"unknown key '{key}' in {path}{did_you_mean(key, known)}; allowed: {', '.join(known)}")
        if option.name in values:
            raise UsageError(f"the key '{key}' is given twice in {path}, with - and with _; keep one of them")
        values[str(option.name)] = _convert(key, value, option, path)
    return values


def _normalise(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _convert(key: str, value: Any, option: Any, path: Path) -> Any:
    """The value as the option takes it; converted here because click's own message would not name the file."""
    is_flag = getattr(option, "is_flag", False)
    entries = value if isinstance(value, list) and option.multiple else [value]
    is_plain = all(isinstance(entry, str | int | float) for entry in entries)  # and no date, time, list or table
    if not is_plain or any(is_flag != isinstance(entry, bool) for entry in entries):
        expected = "true or false" if is_flag else "one plain value"
        raise UsageError(f"'{key}' in {path} is {toml_value(value)}; it must be {expected}")
    if is_flag and not option.flag_value:  # --no-...
        return not value
    try:
        if option.multiple:
            return tuple(_convert_one(option, entry) for entry in entries)
        return _convert_one(option, value)
    except click.BadParameter as error:
        raise UsageError(f"'{key}' in {path} is {toml_value(value)}: {error.message}") from error


def _convert_one(option: Any, value: Any) -> Any:
    converted = option.type.convert(value, option, None)
    if isinstance(value, float) and isinstance(converted, int):  # which click cuts
        raise click.BadParameter("it must be a whole number")
    return converted
