"""Options of commands from the annotated fields of a configuration: type, default, check and help are the fields'."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import click

from ..experiment.config import flag_name
from ..io.schema import Setting, own_fields_first, setting_of
from .flags import FilePath, NumberOrAuto, Users

Command = Callable[..., Any]


def config_options(
    config: type,
    *,
    only: Collection[str] | None = None,
    hidden: Collection[str] = (),
    multiple: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Callable[[Command], Command]:
    """A decorator that gives a command an option for each field of a configuration.

    Values are checked by the configuration, not by click, except for choices.

    Args:
        config: a dataclass whose fields carry a `Setting`; others are left out.
        only: these fields; None for all.
        hidden: not these fields.
        multiple: options that may be given several times; the command gets tuples.
        defaults: defaults that differ from the fields'.
    """
    hints = get_type_hints(config, include_extras=True)
    shown = [
        field
        for field in own_fields_first(config)
        if setting_of(hints[field.name]).help and field.name not in hidden and (only is None or field.name in only)
    ]

    def decorate(command: Command) -> Command:
        for field in reversed(shown):
            default = (defaults or {}).get(field.name, field.default)
            command = _option(field, hints[field.name], default, multiple=field.name in multiple)(command)
        return command

    return decorate


def _option(field: Field[Any], hint: Any, default: Any, *, multiple: bool) -> Callable[[Command], Command]:
    setting = setting_of(hint)
    flags = [flag_name(field.name), *([setting.flag] if setting.flag else []), field.name]
    if default is True:
        return click.option(f"--no-{field.name}", field.name, flag_value=False, default=True, help=setting.help)
    if default is False:
        return click.option(*flags, is_flag=True, default=False, help=setting.help)
    values: dict[str, Any] = {"type": _click_type(hint, setting), "multiple": multiple}
    if default is MISSING:
        values["required"] = True
    elif default is not None:
        values |= {"default": [default] if multiple else default, "show_default": True}
    if setting.bare:
        values |= {"is_flag": False, "flag_value": setting.bare}
    text = f"{setting.help}  [default: {setting.default}]" if setting.default and default is None else setting.help
    return click.option(*flags, help=f"{text} May be given several times." if multiple else text, **values)


def _click_type(hint: Any, setting: Setting) -> Any:
    if setting.none:
        return Users()
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] or [hint]
    if len(kinds) > 1 and kinds[-1] == Literal["auto"]:
        return NumberOrAuto()
    if get_origin(hint) is Literal or get_origin(kinds[0]) is Literal:
        return click.Choice(list(get_args(kinds[0]) or get_args(hint)))
    return FilePath() if kinds[0] is Path else kinds[0]


def split_options(values: Mapping[str, Any], config: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the options of a command: those that are no fields of a configuration, and those that are."""
    names = {field.name for field in fields(config)}
    others = {name: value for name, value in values.items() if name not in names}
    return others, {name: value for name, value in values.items() if name in names}
