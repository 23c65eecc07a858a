"""Import interactions and items as a data folder, whole or not at all (`mrbench data import`)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...core.code_space import Int
from ...core.times import UNITS
from ...errors import UsageError
from ...io.atomic import explain_write_errors
from ...io.work_folders import hold_work_folder, move_into_place, remove_leftovers
from ...plugins import registry
from .. import locate
from ..external_ids import write_external_ids
from ..times import write_times
from .category_paths import Layout
from .import_report import build_report
from .interactions import (
    Duplicates,
    Filters,
    InteractionLog,
    ReadOptions,
    UserSequences,
    build_sequences,
    read_interactions,
)
from .item_metadata import ItemMetadata, ItemOptions, read_item_metadata
from .text_format import TextFormat
from .timestamps import parse_time

logger = logging.getLogger(__name__)

MAX_NAME = 100
"""Letters of a name: file systems allow 255 bytes, and the names of files are longer."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_CHUNK_USERS = 1 << 14
"""Users written at once."""


@dataclass(frozen=True)
class ImportOptions:
    """What to import, and how.

    Attributes:
        interactions: the file of interactions.
        name: the name of the new dataset and of its folder.
        items: the file of items, or None.
        columns: role -> column, where the name is not a known one.
        core: fewest interactions of users and items; 0 for no filter.
        user_core: fewest interactions of users; None: `core`.
        item_core: fewest interactions of items; None: `core`.
        min_rating: leave out interactions with a lower rating or none; None: do not look at ratings.
        since: leave out interactions before this time, a date or a number in the unit of the file.
        until: leave out interactions at this time and later.
        duplicates: see `interactions.Filters`.
        file_order: interactions at one time keep the order of the file; times may be missing.
        keep_na: words such as NA and None are ids.
        text: how the file of interactions is written.
        items_text: how the file of items is written.
        category_layout: what the categories of an item are; None: recognised.
        category_separator: of the names in category strings; None: recognised.
        replace: replace an imported folder of this name.
    """

    interactions: Path
    name: str
    items: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    core: int = 5
    user_core: int | None = None
    item_core: int | None = None
    min_rating: float | None = None
    since: str | None = None
    until: str | None = None
    duplicates: Duplicates = "drop"
    file_order: bool = False
    keep_na: bool = False
    text: TextFormat = field(default_factory=TextFormat)
    items_text: TextFormat = field(default_factory=lambda: TextFormat(flags="--items-"))
    category_layout: Layout | None = None
    category_separator: str | None = None
    replace: bool = False

    @property
    def cores(self) -> tuple[int, int]:
        """Fewest interactions of users and of items."""
        return (
            self.core if self.user_core is None else self.user_core,
            self.core if self.item_core is None else self.item_core,
        )

    def as_dict(self) -> dict[str, Any]:
        """For the report: what decides what is imported."""
        user_core, item_core = self.cores
        names = ("columns", "min_rating", "since", "until", "duplicates", "file_order", "keep_na")
        layout = {"category_layout": self.category_layout, "category_separator": self.category_separator}
        text = {"has_header": self.text.has_header, "separator": self.text.separator, "encoding": self.text.encoding}
        values = {name: getattr(self, name) for name in names}
        return {**values, "user_core": user_core, "item_core": item_core, **text, **layout}


def import_dataset(options: ImportOptions, *, data_dir: Path | None) -> tuple[Path, dict[str, Any]]:
    """Read, filter, number and write; nothing is written where anything is wrong.

    Args:
        options: what to import, and how.
        data_dir: the folder that gets `<name>/`; None for `./data`.

    Returns:
        The new folder, and the report, which is also stored there as `<name>.import.json`.

    Raises:
        UsageError: the name is invalid or taken, or an option has a wrong value.
        DataError: a file can't be read or is wrong.
        MrbenchError: the folder can't be written.
    """
    target = (data_dir or locate.LOCAL_FOLDER) / options.name
    _check_options(options)
    with explain_write_errors(target, "--data-dir"):
        remove_leftovers(target.parent, locate.IMPORT_WORK)
        _check_target(options, target)
    logger.info(f"reading {options.interactions}")
    log = read_interactions(options.interactions, options.columns, _read_options(options))
    sequences = build_sequences(log, _filters(options, log), options.interactions)
    metadata = None
    if options.items is not None:
        logger.info(f"reading {options.items}")
        item_options = ItemOptions(
            options.category_layout, options.category_separator, options.keep_na, options.items_text
        )
        metadata = read_item_metadata(options.items, sequences.item_ids, options.columns, item_options)
    report = build_report(
        options.name, options.interactions, options.items, options.as_dict(), log, sequences, metadata
    )
    del log
    with hold_work_folder(target, locate.IMPORT_WORK) as work, explain_write_errors(target, "--data-dir"):
        _check_target(options, target)  # another process may have made it meanwhile
        folder = work / options.name
        folder.mkdir()
        _write_folder(folder, sequences, metadata, report)
        move_into_place(folder, target, work)
    return target, report


def _check_options(options: ImportOptions) -> None:
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"--name is '{options.name[:60]}'; it may have letters, digits, '.', '_' and '-' only")
    if len(options.name) > MAX_NAME:
        raise UsageError(f"--name has {len(options.name)} letters; give a name of at most {MAX_NAME}")
    if options.name.lower() in {name.lower() for name in registry.names("data")}:
        raise UsageError(f"--name is '{options.name}', a dataset that mrbench knows already; choose another name")
    for flag, core in (("k", options.core), ("user", options.user_core), ("item", options.item_core)):
        if core is not None and core < 0:
            raise UsageError(f"--{flag}-core is {core}; it must be 0 (no filter) or more")
    for flag, text in (("since", options.since), ("until", options.until)):
        if text is not None and parse_time(text.strip()) is None:
            raise UsageError(f"--{flag} is '{text}'; give a date such as 2014-07-23, or a number in the file's unit")
    if options.category_separator == "":
        raise UsageError("--category-sep is empty; give what separates the names, such as '|'")
    options.text.check()
    options.items_text.check()


def _check_target(options: ImportOptions, target: Path) -> None:
    if not target.exists():
        return
    if not options.replace:
        raise UsageError(f"there is already a folder {target}; choose another --name, or give --replace")
    sources = [path.resolve() for path in (options.interactions, options.items) if path is not None]
    holds_source = any(path.is_relative_to(target.resolve()) for path in sources)
    if holds_source or not (target / f"{options.name}{locate.IMPORT_REPORT}").is_file():
        reason = "holds the file to import" if holds_source else "was not made by an import"
        raise UsageError(f"{target} {reason}, so it is not replaced; choose another --name, or move it away")


def _read_options(options: ImportOptions) -> ReadOptions:
    return ReadOptions(
        min_rating=options.min_rating,
        file_order=options.file_order,
        keep_na=options.keep_na,
        drop_equal=options.duplicates == "drop" and not options.file_order,
        text=options.text,
    )


def _filters(options: ImportOptions, log: InteractionLog) -> Filters:
    user_core, item_core = options.cores
    since, until = (
        None if text is None else _bound(flag, text, log)
        for flag, text in (("since", options.since), ("until", options.until))
    )
    return Filters(user_core, item_core, options.duplicates, since, until, options.file_order)


def _bound(flag: str, text: str, log: InteractionLog) -> int:
    """The first time in the log's unit that is not before a date or number.

    Raises:
        UsageError: the log has no times, or numbers that are not dates.
    """
    if not log.has_times:
        raise UsageError(f"--{flag} needs times, and the file has none; leave it out")
    cell = parse_time(text.strip())
    assert cell is not None  # checked before the file was read
    if cell.is_date and log.unit is None:
        raise UsageError(f"--{flag} is a date, and the times of the file are not; give a number as the file has them")
    digits = UNITS[log.unit] if cell.is_date and log.unit else 0
    return -(-cell.value * 10**digits // 10**cell.digits)


def _write_folder(
    folder: Path, sequences: UserSequences, metadata: ItemMetadata | None, report: dict[str, Any]
) -> None:
    name = folder.name
    with (folder / f"{name}.inter.json").open("wb") as file:
        _write_sequences(file, sequences)
    if sequences.times is not None:
        write_times(folder, name, _times_of_users(sequences, sequences.times), sequences.unit)
    write_external_ids(folder, name, "users", sequences.user_ids)
    write_external_ids(folder, name, "items", sequences.item_ids)
    if metadata is not None:
        entries = _item_entries(sequences.item_ids, metadata)
        _write_text(folder / f"{name}.item.json", json.dumps(entries, ensure_ascii=False, indent=0))
    _write_text(folder / f"{name}{locate.IMPORT_REPORT}", json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    """Write JSON; names of files may hold bytes that are no UTF-8, which JSON escapes."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _times_of_users(sequences: UserSequences, times: Int) -> Iterator[tuple[Int, Int]]:
    """The user and the time of each interaction, for a chunk of users at a time."""
    n_users = len(sequences.user_ids)
    for start in range(0, n_users, _CHUNK_USERS):
        offsets = sequences.offsets[start : start + _CHUNK_USERS + 1]
        users = np.repeat(np.arange(start, start + len(offsets) - 1), np.diff(offsets))
        yield users, times[offsets[0] : offsets[-1]]


def _write_sequences(file: BinaryIO, sequences: UserSequences) -> None:
    """Write one user per line, a chunk of users at a time: as text, all numbers would take much more memory."""
    file.write(b"{")
    n_users = len(sequences.user_ids)
    for start in range(0, n_users, _CHUNK_USERS):
        offsets = sequences.offsets[start : start + _CHUNK_USERS + 1]
        items = sequences.items[offsets[0] : offsets[-1]].tolist()
        bounds = (offsets - offsets[0]).tolist()
        lines = [f'"{start + user}": {items[bounds[user] : bounds[user + 1]]}' for user in range(len(bounds) - 1)]
        file.write(((",\n" if start else "\n") + ",\n".join(lines)).encode())
    file.write(b"\n}\n")


def _item_entries(item_ids: list[str], metadata: ItemMetadata) -> dict[str, dict[str, str]]:
    """Item number -> its fields, as `<name>.item.json` holds them."""
    entries = {}
    for number, item in enumerate(item_ids):
        categories = metadata.categories.texts.get(item)
        fields = metadata.fields.get(item, {})
        entries[str(number)] = fields if categories is None else {**fields, "categories": categories}
    return entries
