"""Datasets by name and data folders by path: what `--data` accepts.

`--data arts`, `--data Arts:levels=2`, `--data ./mine/Shop`.
"""

from __future__ import annotations

import logging
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..core.backbone import DataSource
from ..errors import DataError, UsageError, did_you_mean
from ..plugins import options, registry
from ..plugins.description import PluginInfo, describe, options_of
from ..plugins.options import option
from . import locate

if TYPE_CHECKING:  # `mrbench list` loads these classes and reads no data
    from ..core.dataset import Dataset

logger = logging.getLogger(__name__)


class Counts(NamedTuple):
    """How many users, catalogue items and interactions a dataset has."""

    users: int
    items: int
    interactions: int


@dataclass(frozen=True)
class KnownSource(DataSource):
    """A public dataset: its folder is looked for by name.

    Attributes:
        folder: name of the folder.
        counts: of the public file, before any user is left out; published values are about these.
    """

    folder: ClassVar[str]
    counts: ClassVar[Counts]

    def load(self, data_dir: Path | None, *, users: int | None) -> Dataset:
        """Read the folder and compare its counts with the known ones; the contract is `DataSource.load`."""
        from .folder import read_folder

        path = self.find(data_dir)
        dataset = read_folder(path, users=users, levels=self.category_levels())
        counts = Counts(*dataset.file_counts)
        if counts == self.counts:
            return dataset
        pairs = zip(Counts._fields, counts, self.counts, strict=True)
        differing = ", ".join(f"{count:,} {noun} and not {known:,}" for noun, count, known in pairs if count != known)
        note = f"this {self.folder} is not the public one, so published values do not compare: it has {differing}"
        logger.warning(f"{path}: {note}")
        return replace(dataset, notes=(*dataset.notes, note))

    def category_levels(self) -> int | None:
        """Number of category levels, L; None where the data has no categories."""
        return None

    def find(self, data_dir: Path | None) -> Path:
        """Its folder.

        Raises:
            DataError: it is not on this machine, and can't be downloaded.
        """
        path = locate.find_folder(self.folder, data_dir)
        if path is not None:
            return path
        searched = ", ".join(str(root / self.folder) for root in locate.search_path(data_dir))
        raise DataError(
            f"the dataset {self.folder} is not on this machine (looked for {searched}), and mrbench does not download "
            f"it: put its sequences, as LETTER or S3-Rec release them, into {self.folder}/user_sequence.txt (a line a "
            f"user: user item item ...) or {self.folder}/{self.folder}.inter.json, and name the folder above with "
            "--data-dir or MRBENCH_DATA"
        )


@dataclass(frozen=True)
class HubSource(KnownSource):
    """A dataset of the paper, which is downloaded where it is not on this machine."""

    levels: int = option(help="Number of category levels, L.")

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def category_levels(self) -> int | None:
        """See `KnownSource.category_levels`."""
        return self.levels

    def find(self, data_dir: Path | None) -> Path:
        """See `KnownSource.find`."""
        from .fetch import fetch

        return locate.find_folder(self.folder, data_dir) or fetch(self.folder, data_dir=data_dir)


@dataclass(frozen=True)
class Arts(HubSource):
    """Amazon 2018, Arts, Crafts and Sewing: 45,141 users, 20,956 items."""

    folder: ClassVar[str] = "Arts"
    counts: ClassVar[Counts] = Counts(45_141, 20_956, 390_832)
    levels: int = 3


@dataclass(frozen=True)
class Games(HubSource):
    """Amazon 2018, Video Games: 50,546 users, 16,859 items."""

    folder: ClassVar[str] = "Games"
    counts: ClassVar[Counts] = Counts(50_546, 16_859, 452_989)
    levels: int = 2


@dataclass(frozen=True)
class Instruments(HubSource):
    """Amazon 2018, Musical Instruments: 24,772 users, 9,922 items."""

    folder: ClassVar[str] = "Instruments"
    counts: ClassVar[Counts] = Counts(24_772, 9_922, 206_153)
    levels: int = 3


@dataclass(frozen=True)
class Amazon2014(KnownSource):
    """A dataset of the field's most quoted benchmark, of which all users are taken by default."""

    def default_users(self) -> int | None:
        """All."""
        return None


@dataclass(frozen=True)
class Beauty(Amazon2014):
    """Amazon 2014, Beauty, 5-core: 22,363 users, 12,101 items."""

    folder: ClassVar[str] = "Beauty"
    counts: ClassVar[Counts] = Counts(22_363, 12_101, 198_502)


@dataclass(frozen=True)
class Sports(Amazon2014):
    """Amazon 2014, Sports and Outdoors, 5-core: 35,598 users, 18,357 items."""

    folder: ClassVar[str] = "Sports"
    counts: ClassVar[Counts] = Counts(35_598, 18_357, 296_337)


@dataclass(frozen=True)
class Toys(Amazon2014):
    """Amazon 2014, Toys and Games, 5-core: 19,412 users, 11,924 items."""

    folder: ClassVar[str] = "Toys"
    counts: ClassVar[Counts] = Counts(19_412, 11_924, 167_597)


KNOWN: tuple[type[KnownSource], ...] = (Arts, Games, Instruments, Beauty, Sports, Toys)


@dataclass(frozen=True)
class FolderSource(DataSource):
    """A data folder of the user's own."""

    path: str = option(help="the folder; its files carry its name.")
    levels: int | None = option(
        None,
        help="Number of category levels, L; None: the paper's number where the folder has the name of one of its "
        "datasets, else all levels of `<Name>.category.json`, or 3 from category strings.",
    )

    def __post_init__(self) -> None:
        _check_levels(self.levels)

    def load(self, data_dir: Path | None, *, users: int | None) -> Dataset:
        """Read the folder, whatever `data_dir` is; the contract is `DataSource.load`."""
        from .folder import read_folder

        folder = Path(self.path).expanduser()
        if folder.is_file():
            raise DataError(f"{folder} is a file; make a dataset of it with `mrbench data import {folder} --name NAME`")
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}; check the path, or see `mrbench list data` for known names")
        known = self._known_source()
        levels = known.levels if known is not None and issubclass(known, HubSource) else None
        return read_folder(folder, users=users, levels=self.levels or levels)

    def default_users(self) -> int | None:
        """As of the known dataset that the folder has the name of, if any."""
        known = self._known_source()
        return None if known is not None and issubclass(known, Amazon2014) else super().default_users()

    def _known_source(self) -> type[KnownSource] | None:
        name = os.path.basename(os.path.abspath(Path(self.path).expanduser()))
        return next((source for source in KNOWN if source.folder == name), None)


def _check_levels(levels: int | None) -> None:
    if levels is not None and levels < 1:
        raise ValueError(f"levels is {levels}; allowed: 1 or more (for none at all use --categories none)")


def resolve_data(spec: str, data_dir: Path | None = None) -> tuple[str, DataSource]:
    """Turn the value of `--data` into a name and a configured source.

    Tried in this order: a registered name, in any case and with its options; the name of a user's own dataset on the
    search path (`data_dir` as in `locate.search_path`); the path of a folder, whose name is its last part. The latter
    two accept `:levels=`.

    Raises:
        UsageError: it is none of these, or has an unknown option or a wrong value.
    """
    name, colon, raw_options = spec.partition(":")
    registered = {known.lower(): known for known in registry.names("data")}
    if name.lower() in registered:
        return registry.make("data", registered[name.lower()] + colon + raw_options)
    # A path may contain ':' and ',' itself, so an existing folder is taken whole.
    path, values = (spec, {}) if _is_folder(spec) else options.parse(spec)
    is_name = not any(separator in path for separator in (os.sep, os.altsep) if separator)
    folder = locate.find_user_dataset(path, data_dir)
    if folder is not None:
        return path, options.build(FolderSource, path, {**values, "path": str(folder)})
    if is_name and not _is_folder(path):
        if Path(path).is_file():
            raise UsageError(
                f"'{path}' is a file; make a dataset of it with `mrbench data import {path} --name NAME`, "
                "and use that name"
            )
        known = [*registered.values(), *locate.user_datasets(data_dir, registered)]
        raise UsageError(
            f"unknown data '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}; or give the path of a "
            "folder, or with --data-dir where it is"
        )
    folder_name = os.path.basename(os.path.abspath(Path(path).expanduser()))
    return folder_name, options.build(FolderSource, folder_name, {**values, "path": path})


def _is_folder(path: str) -> bool:
    return path != "" and Path(path).expanduser().is_dir()


def data_folder(spec: str, data_dir: Path | None) -> Path:
    """The folder of a dataset, by its name or path, whether or not it holds valid data.

    Raises:
        UsageError: there is no such dataset, or it has no folder.
        DataError: a dataset of the paper is not on this machine.
    """
    return _folder_of(*resolve_data(spec, data_dir), data_dir)


def _folder_of(name: str, source: DataSource, data_dir: Path | None) -> Path:
    if isinstance(source, FolderSource):
        return Path(source.path).expanduser()
    if not isinstance(source, KnownSource):
        raise UsageError(f"'{name}' has no folder of its own; give imported data, or the path of a folder")
    folder = locate.find_folder(source.folder, data_dir)
    if folder is None and isinstance(source, HubSource):
        place = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
        raise DataError(f"{source.folder} is not on this machine; `mrbench data fetch {name}{place}` downloads it")
    return folder or source.find(data_dir)


def tokenization_folders(spec: str, data_dir: Path | None) -> tuple[Path, Path | None]:
    """The folder to give semantic IDs, and the copy that gets them: `./data/NAME` for a known dataset without IDs.

    Args:
        spec: as in `resolve_data`.
        data_dir: the folder that the user has named, whose datasets get their IDs in place; or None.

    Returns:
        The folder, and the new one, or None where the IDs belong into the folder itself.

    Raises:
        UsageError, DataError: see `data_folder`.
    """
    name, source = resolve_data(spec, data_dir)
    folder = _folder_of(name, source, data_dir)
    if data_dir is not None or not isinstance(source, KnownSource) or locate.has_index(folder):
        return folder, None
    copy = Path("data") / source.folder
    if locate.has_sequences(copy):
        return copy, None
    return folder, copy


def default_users(spec: str) -> int | None:
    """How many users `--users auto` takes of a dataset; None: all. Names that are not known count as a user's own."""
    try:
        return resolve_data(spec)[1].default_users()
    except UsageError:
        return DataSource.default_users(FolderSource(spec))


def download_data(spec: str, *, data_dir: Path | None, revision: str | None = None) -> Path:
    """Download a dataset of the paper, where it is not on this machine, and return its folder.

    Raises:
        UsageError: there is nothing to download under this name.
        DataError: the download failed.
    """
    from .fetch import fetch

    name, source = resolve_data(spec, data_dir)
    if not isinstance(source, HubSource):
        available = ", ".join(sorted(cls.folder.lower() for cls in HubSource.__subclasses__()))
        raise UsageError(f"there is nothing to download for '{name}'; these can be downloaded: {available}")
    present = locate.find_folder(source.folder, data_dir)
    folder = fetch(source.folder, data_dir=data_dir, revision=revision)
    if present is None:
        source.load(folder.parent, users=None)  # which compares the counts with the known ones
    return folder


def list_data(data_dir: Path | None) -> list[registry.RegistryEntry]:
    """One entry for each dataset that has a name: the registered ones, then the user's own folders."""
    folders = locate.user_datasets(data_dir, registry.names("data"))
    entries = [
        registry.RegistryEntry(name, locate.describe_folder(folder), "", str(folder))
        for name, folder in folders.items()
    ]
    return registry.list_entries("data", warn=True) + entries


def describe_data(name: str, data_dir: Path | None) -> PluginInfo:
    """Describe a registered dataset or a data folder of the user's own.

    Raises:
        UsageError: there is neither.
    """
    registered = registry.names("data")
    folders = locate.user_datasets(data_dir, registered)
    if name in folders:
        folder_options = tuple(entry for entry in options_of(FolderSource) if entry.name != "path")
        return PluginInfo(name, locate.describe_folder(folders[name]), "", str(folders[name]), {}, folder_options, ())
    if name not in registered:
        known = [*registered, *folders]
        raise UsageError(f"unknown data '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")
    return describe("data", name)
