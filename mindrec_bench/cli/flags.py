"""Options that several commands have, and how commands print results."""

from __future__ import annotations

import builtins
import json
import keyword
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..metrics.names import KS

ALL, AUTO = "all", "auto"


class Users(click.ParamType):
    """A number of users, `all`, or `auto`, which leaves it to the data.

    Args:
        all_value: the value of `all` in Python.
    """

    name = "N|all"

    def __init__(self, all_value: str | None = None) -> None:
        self.all_value = all_value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str | None:
        """See `click.ParamType`."""
        if value is None or value == ALL:
            return self.all_value
        if value == AUTO:
            return AUTO
        try:
            return int(value)
        except ValueError:
            self.fail(f"'{value}' is neither a number nor '{ALL}' nor '{AUTO}'", param, ctx)


class NumberOrAuto(click.ParamType):
    """A number, or `auto`."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """See `click.ParamType`."""
        if value == AUTO:
            return AUTO
        try:
            return int(value)
        except ValueError:
            self.fail(f"'{value}' is neither a number nor '{AUTO}'", param, ctx)


class FilePath(click.Path):
    """The path of a file or folder; an empty text, which would be the current folder, is none."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.Path`."""
        if not isinstance(value, str | os.PathLike):
            self.fail("it must be a path, in quotes", param, ctx)
        if not os.fspath(value):
            self.fail("the path is empty; write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


class CommandModules(Mapping[str, click.Command]):
    """The commands of a package by their names. Each is imported when it is asked for, so that others start quickly.

    A command is the function of its name in the module of its name; where the name has a meaning in Python (`list`,
    `import`), both end with `_`.
    """

    def __init__(self, package: str, names: Iterable[str]) -> None:
        self.package, self.names = package, tuple(names)

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.names:
            raise KeyError(name)
        own_name = f"{name}_" if keyword.iskeyword(name) or hasattr(builtins, name) else name
        command: click.Command = getattr(import_module(f"{self.package}.{own_name}"), own_name)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Commands(click.Group):
    """A group whose help lists each command with its whole first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Group`, which shortens the sentences to one line."""
        rows = [(name, command.get_short_help_str(10_000)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


MIN_WIDTH = 40
"""The fewest characters in a line; narrower terminals break it."""


def line_width() -> int | None:
    """Characters in a line of stdout, where it is a terminal or `COLUMNS` says; None for files and pipes."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return None
    return max(MIN_WIDTH, shutil.get_terminal_size().columns)


def text_width() -> int:
    """Characters in a line of sentences on stdout: `TEXT_WIDTH`, or those of a narrower terminal."""
    from ..report.text_table import TEXT_WIDTH

    return min(TEXT_WIDTH, line_width() or TEXT_WIDTH)


def colour_wanted() -> bool:
    """Whether stdout is a terminal, and the user has not refused colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def print_result(value: Any, text: str, as_json: bool) -> None:
    """Print a result on stdout, as JSON or as text, whose sentences are wrapped to a terminal."""
    from ..report.text_table import wrap_sentences

    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False))
    else:
        width = line_width()
        click.echo(wrap_sentences(text, width) if width else text)


class Cutoffs(click.ParamType):
    """Cut-offs k of metrics: `1,5,20`, as rising numbers."""

    name = "K,K,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """See `click.ParamType`."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",")]
        if not all(word.isdecimal() and int(word) for word in words):
            self.fail(f"'{value}' is no list of cut-offs; write whole numbers above 0: 1,5,20", param, ctx)
        return tuple(sorted({int(word) for word in words}))


class SliceName(click.ParamType):
    """A key of `data.slices.SLICES`."""

    name = "SLICE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        from ..data.slices import SLICES  # help needs no NumPy
        from ..io.schema import require_choice

        require_choice(value, SLICES, "slice", "--by")
        return str(value)


class Ids(click.ParamType):
    """Own ids of users or items with commas between them; none is empty."""

    name = "ID,ID,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """See `click.ParamType`."""
        if isinstance(value, list):
            return value
        ids = [id_.strip() for id_ in value.split(",")]
        if not all(ids):
            self.fail(f"'{value}' has an empty id; write ids with one comma between two: b0041,b0007", param, ctx)
        return ids


by_option = click.option(
    "--by",
    multiple=True,
    type=SliceName(),
    help="Show groups of users: by history (its length), popularity, category, transition (the target after the last "
    "item) or cold (the target). Reads the data. May be given several times.",
)
k_option = click.option(
    "--k",
    "ks",
    type=Cutoffs(),
    default=KS,
    show_default=",".join(map(str, KS)),
    help="The cut-offs k of metrics at k, up to the beam size.",
)


def require_reachable(ks: tuple[int, ...], beam: int, lists: str) -> None:
    """Refuse cut-offs of which none is within lists of `beam` results; `lists` says whose they are.

    Raises:
        UsageError: each is longer.
    """
    if min(ks) > beam:
        shown = ",".join(map(str, ks))
        raise UsageError(f"--k {shown} is beyond the {beam} results of {lists}; name a k of at most {beam}")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
plain_csv_option = click.option(
    "--plain-csv", is_flag=True, help="CSV: no ' before a text that a spreadsheet would compute as a formula."
)
runs_option = click.option(
    "--runs-dir",
    type=FilePath(),
    default=Path("runs"),
    show_default=True,
    help="The folder where runs are stored.",
)
data_dir_option = click.option(
    "--data-dir",
    type=FilePath(),
    help="The only folder to look for data folders in.  [default: $MRBENCH_DATA, then ./data, then the per-user cache]",
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print the result only, no progress and no notices.")
test_option = click.option(
    "--test",
    type=click.Choice(["randomisation", "t", "wilcoxon"]),
    default="randomisation",
    show_default=True,
    help="Test for NDCG, and for HR averaged over several seeds; HR of one seed has the exact McNemar test.",
)
