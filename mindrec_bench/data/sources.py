"""The data sets of the paper by name, and users' own folders by path.

`--data arts`, `--data Arts:levels=2`, `--data ./mine/Shop`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..core.backbone import DataSource
from ..core.dataset import Dataset
from ..errors import DataError, UsageError, did_you_mean
from ..plugins import options, registry
from ..plugins.description import PluginInfo, describe, options_of
from . import locate, user_datasets
from .fetch import fetch
from .folder import read_folder


def describe_data(name: str, data_dir: Path | None) -> PluginInfo:
    """Describe a data set that is registered, or a data folder of the user's own.

    Raises:
        UsageError: there is neither.
    """
    from . import user_datasets

    known = registry.names("data")
    own = user_datasets.user_datasets(data_dir, known)
    if name in own:
        given = tuple(option for option in options_of(FolderSource) if option.name != "path")
        return PluginInfo(name, user_datasets.summary(own[name]), "", str(own[name]), {}, given, ())
    if name not in known:
        names = [*known, *own]
        raise UsageError(f"unknown data '{name}'{did_you_mean(name, names)}; known: {', '.join(names)}")
    return describe("data", name)


Notify = Callable[[str], None]


def _check_levels(levels: int | None) -> None:
    if levels is not None and levels < 1:
        raise ValueError(f"levels is {levels}; allowed: 1 or more (for none at all use --categories none)")


@dataclass(frozen=True)
class Known(DataSource):
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
class FolderSource(DataSource):
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
        if folder.is_file():
            raise DataError(
                f"{folder} is a file; make a data set of it with `mrbench data import {folder} --name NAME`"
            )
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}; check the path, or see `mrbench list data` for known names")
        name = os.path.basename(os.path.abspath(folder))
        usual = next((known.levels for known in (Arts, Games, Instruments) if known.folder == name), None)
        return read_folder(folder, users=users, levels=self.levels or usual)


def resolve(spec: str, data_dir: Path | None = None) -> tuple[str, DataSource]:
    """Turn what follows `--data` into (name, configured source).

    A registered name, in any case and with its options, comes first; then the name of a data folder of the user's own
    where data sets are looked for (`data_dir`, as in `locate.roots`); then the path of a folder. The latter two may be
    followed by `:levels=`. The name of a folder is its last part.

    Raises:
        UsageError: neither; or an unknown option or value.
    """
    given, colon, rest = spec.partition(":")
    known = {name.lower(): name for name in registry.names("data")}
    if given.lower() in known:
        return registry.make("data", known[given.lower()] + colon + rest)
    # A path may hold ':' and ',' itself, so an existing folder is taken whole.
    path, raw = (spec, {}) if _is_folder(spec) else options.parse(spec)
    own = user_datasets.find(path, data_dir)
    if own is not None:
        return path, options.build(FolderSource, path, {**raw, "path": str(own)})
    if not _is_folder(path) and not any(mark in path for mark in (os.sep, os.altsep) if mark):
        if Path(path).is_file():
            raise UsageError(
                f"'{path}' is a file; make a data set of it with `mrbench data import {path} --name NAME`, "
                "and use that name"
            )
        names = [*known.values(), *user_datasets.user_datasets(data_dir, known)]
        raise UsageError(
            f"unknown data '{given}'{did_you_mean(given, names)}; known: {', '.join(names)}; "
            "or give the path of a folder"
        )
    name = os.path.basename(os.path.abspath(Path(path).expanduser()))
    return name, options.build(FolderSource, name, {**raw, "path": path})


def _is_folder(path: str) -> bool:
    return path != "" and Path(path).expanduser().is_dir()


def folder_of(spec: str, data_dir: Path | None) -> Path:
    """The folder of a data set, by its name or path, whether or not it holds good data.

    Raises:
        UsageError: there is no such data set, or it has no folder.
        DataError: a known data set is not on this machine.
    """
    name, source = resolve(spec, data_dir)
    if isinstance(source, FolderSource):
        return Path(source.path).expanduser()
    if not isinstance(source, Known):
        raise UsageError(f"'{name}' has no folder of its own; give imported data, or the path of a folder")
    folder = locate.find(source.folder, data_dir)
    if folder is None:
        raise DataError(f"{source.folder} is not on this machine; `mrbench data fetch {name}` downloads it")
    return folder


def listed(data_dir: Path | None, notify: Notify) -> list[registry.RegistryEntry]:
    """All data sets that have a name, a line each: the registered ones, then the user's own folders."""
    own = user_datasets.user_datasets(data_dir, registry.names("data"))
    lines = [
        registry.RegistryEntry(name, user_datasets.summary(folder), "", str(folder)) for name, folder in own.items()
    ]
    return registry.listed("data", notify) + lines


def download(spec: str, *, data_dir: Path | None, notify: Notify) -> Path:
    """Bring a data set of the paper onto this machine and return its folder.

    Raises:
        UsageError: there is nothing to download under this name.
        DataError: the download failed.
    """
    name, source = resolve(spec, data_dir)
    if not isinstance(source, Known):
        sets = ", ".join(sorted(kind.folder.lower() for kind in Known.__subclasses__()))
        raise UsageError(f"there is nothing to download for '{name}'; these can be: {sets}")
    return fetch(source.folder, data_dir=data_dir, notify=notify)
