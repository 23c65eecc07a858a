"""Import interactions and items as a data folder, whole or not at all (`mrbench data import`)."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import UsageError
from ...io.atomic import explain_write_errors
from ...plugins import registry
from .. import locate
from ..external_ids import write_external_ids
from .import_report import build_report
from .interactions import Duplicates, UserSequences, build_sequences, read_interactions
from .item_metadata import ItemMetadata, read_item_metadata

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REPORTED_OPTIONS = ("columns", "core", "min_rating", "duplicates", "file_order", "has_header")

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
        min_rating: leave out interactions with a lower rating, or None.
        duplicates: see `interactions.build_sequences`.
        file_order: the rows are in time order; timestamps are not looked at.
        has_header: the first row of the interactions names their columns; else these are called 1, 2, and so on.
        replace: replace an imported folder of this name.
    """

    interactions: Path
    name: str
    items: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    core: int = 5
    min_rating: float | None = None
    duplicates: Duplicates = "drop"
    file_order: bool = False
    has_header: bool = True
    replace: bool = False


def import_dataset(options: ImportOptions, *, data_dir: Path | None) -> tuple[Path, dict[str, Any]]:
    """Read, filter, number and write; nothing is written where anything is wrong.

    Args:
        options: what to import, and how.
        data_dir: the folder that gets `<name>/`; None for the first folder of the search path.

    Returns:
        The new folder, and the report, which is also stored there as `<name>.import.json`.

    Raises:
        UsageError: the name is invalid or taken.
        DataError: a file can't be read or is wrong.
        MrbenchError: the folder can't be written.
    """
    target = locate.search_path(data_dir)[0] / options.name
    _check(options, target)
    logger.info(f"reading {options.interactions}")
    log = read_interactions(
        options.interactions,
        options.columns,
        options.min_rating,
        file_order=options.file_order,
        has_header=options.has_header,
    )
    sequences = build_sequences(log, core=options.core, duplicates=options.duplicates, path=options.interactions)
    metadata = None
    if options.items is not None:
        logger.info(f"reading {options.items}")
        metadata = read_item_metadata(options.items, sequences.item_ids, options.columns)
    reported_options = {key: value for key, value in asdict(options).items() if key in _REPORTED_OPTIONS}
    report = build_report(options.name, options.interactions, options.items, reported_options, log, sequences, metadata)
    with explain_write_errors(target, "--data-dir"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=target.parent) as scratch:
            folder = Path(scratch) / options.name
            folder.mkdir()
            _write_folder(folder, sequences, metadata, report)
            _move_into_place(folder, target, backup=Path(scratch) / "replaced")
    return target, report


def _check(options: ImportOptions, target: Path) -> None:
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"--name is '{options.name}'; it may have letters, digits, '.', '_' and '-' only")
    if options.name.lower() in {name.lower() for name in registry.names("data")}:
        raise UsageError(f"--name is '{options.name}', a dataset that mrbench knows already; choose another name")
    if options.core < 0:
        raise UsageError(f"--k-core is {options.core}; it must be 0 (no filter) or more")
    if not target.exists():
        return
    if not options.replace:
        raise UsageError(f"there is already a folder {target}; choose another --name, or give --replace")
    sources = [path.resolve() for path in (options.interactions, options.items) if path is not None]
    holds_source = any(path.is_relative_to(target.resolve()) for path in sources)
    if holds_source or not (target / f"{options.name}{locate.IMPORT_REPORT}").is_file():
        reason = "holds the file to import" if holds_source else "was not made by an import"
        raise UsageError(f"{target} {reason}, so it is not replaced; choose another --name, or move it away")


def _write_folder(
    folder: Path, sequences: UserSequences, metadata: ItemMetadata | None, report: dict[str, Any]
) -> None:
    name = folder.name
    with (folder / f"{name}.inter.json").open("wb") as file:
        _write_sequences(file, sequences)
    write_external_ids(folder, name, "users", sequences.user_ids)
    write_external_ids(folder, name, "items", sequences.item_ids)
    if metadata is not None:
        entries = _item_entries(sequences.item_ids, metadata)
        (folder / f"{name}.item.json").write_text(json.dumps(entries, ensure_ascii=False, indent=0), encoding="utf-8")
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    (folder / f"{name}{locate.IMPORT_REPORT}").write_text(text, encoding="utf-8")


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


def _move_into_place(folder: Path, target: Path, *, backup: Path) -> None:
    """Rename a folder to its target; a folder already there becomes the backup, and comes back if renaming fails."""
    if target.exists():
        os.rename(target, backup)
    try:
        os.rename(folder, target)
    except BaseException:
        if backup.exists():
            os.rename(backup, target)
        raise
