"""The data sets of the paper by name, and users' own folders by path.

`--data arts`, `--data Arts:levels=2`, `--data ./mine/Shop`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .. import options, registry
from ..contracts import DataSource
from ..errors import DataError, UsageError, did_you_mean
from . import locate
from .dataset import Dataset
from .fetch import fetch
from .folder import read_folder

Notify = Callable[[str], None]


def _check_levels(levels: int | None) -> None:
    if levels is not None and levels < 1:
        raise ValueError(f"levels is {levels}; allowed: 1 or more (for none at all use --categories none)")


@dataclass(frozen=True)
class Known:
    """A data set of the paper, found by the name of its folder, and downloaded where it is not on this machine.

    Attributes:
        folder: the folder's name.
        levels: L, how many category levels.
    """

    folder: ClassVar[str]
    levels: int

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def load(self, data_dir: Path | None, *, users: int | None, notify: Notify) -> Dataset:
        """Read the folder; the contract is `DataSource.load`."""
        path = locate.find(self.folder, data_dir) or fetch(self.folder, data_dir=data_dir, notify=notify)
        return read_folder(path, users=users, levels=self.levels)


@dataclass(frozen=True)
class Arts(Known):
    """Amazon 2018, Arts, Crafts and Sewing: 45,141 users, 20,956 items."""

    folder: ClassVar[str] = "Arts"
    levels: int = 3


@dataclass(frozen=True)
class Games(Known):
    """Amazon 2018, Video Games: 50,546 users, 16,859 items."""

    folder: ClassVar[str] = "Games"
    levels: int = 2


@dataclass(frozen=True)
class Instruments(Known):
    """Amazon 2018, Musical Instruments: 24,772 users, 9,922 items."""

    folder: ClassVar[str] = "Instruments"
    levels: int = 3


@dataclass(frozen=True)
class FolderSource:
    """A user's own dataset folder.

    Attributes:
        path: the folder; its files carry its name.
        levels: L, how many category levels; None: the paper's number where the folder has the name of one of its data
            sets, else all levels of ready category codes, or 3 from category strings.
    """

    path: str
    levels: int | None = None

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def load(self, data_dir: Path | None, *, users: int | None, notify: Notify) -> Dataset:
        """Read the folder; `data_dir` does not matter. The contract is `DataSource.load`."""
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}; check the path, or see `mrbench list data` for known names")
        name = os.path.basename(os.path.abspath(folder))
        usual = next((known.levels for known in (Arts, Games, Instruments) if known.folder == name), None)
        return read_folder(folder, users=users, levels=self.levels or usual)


def resolve(spec: str) -> tuple[str, DataSource]:
    """Turn what follows `--data` into (name, configured source).

    A registered name, in any case and with its options, comes first; then the path of a folder, which may be followed
    by `:levels=`. The name of a folder is its last part.

    Raises:
        UsageError: neither; or an unknown option or value.
    """
    given, colon, rest = spec.partition(":")
    known = {name.lower(): name for name in registry.names("data")}
    if given.lower() in known:
        return registry.make("data", known[given.lower()] + colon + rest)
    # A path may hold ':' and ',' itself, so an existing folder is taken whole.
    path, raw = (spec, {}) if _is_folder(spec) else options.parse(spec)
    if not _is_folder(path) and not any(mark in path for mark in (os.sep, os.altsep) if mark):
        raise UsageError(
            f"unknown data '{given}'{did_you_mean(given.lower(), known)}; known: {', '.join(known.values())}; "
            "or give the path of a folder"
        )
    name = os.path.basename(os.path.abspath(Path(path).expanduser()))
    return name, options.build(FolderSource, name, {**raw, "path": path})


def _is_folder(path: str) -> bool:
    return path != "" and Path(path).expanduser().is_dir()


def download(spec: str, *, data_dir: Path | None, notify: Notify) -> Path:
    """Bring a data set of the paper onto this machine and return its folder.

    Raises:
        UsageError: there is nothing to download under this name.
        DataError: the download failed.
    """
    name, source = resolve(spec)
    if not isinstance(source, Known):
        sets = ", ".join(sorted(kind.folder.lower() for kind in Known.__subclasses__()))
        raise UsageError(f"there is nothing to download for '{name}'; these can be: {sets}")
    return fetch(source.folder, data_dir=data_dir, notify=notify)
