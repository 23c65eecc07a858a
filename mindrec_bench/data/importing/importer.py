"""Import interactions and items as a data folder, whole or not at all (`mrbench data import`)."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import UsageError
from ...io.atomic import explain_write_errors
from ...io.hashing import sha256
from ...plugins import registry
from .. import locate
from ..external_ids import ITEMS, USERS, map_path
from ..user_datasets import REPORT
from .interactions import Duplicates, Interactions, RawInteractions, arrange, read_interactions
from .items import ItemFile, read_items

Notify = Callable[[str], None]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHOWN = ("columns", "core", "min_rating", "duplicates", "file_order", "has_header")
"""Options that the report repeats."""

_CHUNK = 1 << 14
"""Users written at once."""


@dataclass(frozen=True)
class Import:
    """What to import, and how.

    Attributes:
        interactions: the file of interactions.
        name: the name of the new data set and of its folder.
        items: the file of items, or None.
        columns: role -> column, where the name is not a usual one.
        core: users and items have at least so many interactions; 0 for any.
        min_rating: leave out what is rated lower, or None.
        duplicates: see `interactions.arrange`.
        file_order: the rows are in time order; timestamps are not looked at.
        has_header: the first row of the interactions names their columns; else these are called 1, 2, and so on.
        replace: a folder of this name may be there, and is replaced.
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


def run_import(asked: Import, *, data_dir: Path | None, notify: Notify) -> tuple[Path, dict[str, Any]]:
    """Read, filter, number and write; nothing is written where anything is wrong.

    Args:
        asked: what and how.
        data_dir: the folder that gets `<name>/`; None for the first in which data sets are looked for.
        notify: gets a line at each stage.

    Returns:
        The new folder and what was counted, which also stands there as `<name>.import.json`.

    Raises:
        UsageError: the name can't be, or is taken.
        DataError: a file can't be read or is wrong.
        MrbenchError: the folder can't be written.
    """
    target = locate.roots(data_dir)[0] / asked.name
    _check(asked, target)
    notify(f"reading {asked.interactions}")
    order, header = asked.file_order, asked.has_header
    raw = read_interactions(asked.interactions, asked.columns, asked.min_rating, file_order=order, has_header=header)
    found = arrange(raw, core=asked.core, duplicates=asked.duplicates, path=asked.interactions)
    items = None
    if asked.items is not None:
        notify(f"reading {asked.items}")
        items = read_items(asked.items, found.item_ids, asked.columns)
    report = _report(asked, raw, found, items)
    with explain_write_errors(target, "--data-dir"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=target.parent) as scratch:
            folder = Path(scratch) / asked.name
            folder.mkdir()
            _write(folder, asked.name, found, items, report)
            _put(folder, target, Path(scratch) / "replaced")
    return target, report


def _put(folder: Path, target: Path, aside: Path) -> None:
    """Rename a folder into place; what was there goes aside, and comes back where that fails."""
    if target.exists():
        os.rename(target, aside)
    try:
        os.rename(folder, target)
    except BaseException:
        if aside.exists():
            os.rename(aside, target)
        raise


def _check(asked: Import, target: Path) -> None:
    if not _NAME.fullmatch(asked.name):
        raise UsageError(f"--name is '{asked.name}'; it may have letters, digits, '.', '_' and '-' only")
    if asked.name.lower() in {name.lower() for name in registry.names("data")}:
        raise UsageError(f"--name is '{asked.name}', a data set that mrbench knows already; choose another name")
    if asked.core < 0:
        raise UsageError(f"--k-core is {asked.core}; it must be 0 (no filter) or more")
    if not target.exists():
        return
    if not asked.replace:
        raise UsageError(f"there is already a folder {target}; choose another --name, or give --replace")
    sources = [path.resolve() for path in (asked.interactions, asked.items) if path is not None]
    inside = any(path.is_relative_to(target.resolve()) for path in sources)
    if inside or not (target / f"{asked.name}{REPORT}").is_file():
        why = "holds the file to import" if inside else "was not made by an import"
        raise UsageError(f"{target} {why}, so it is not replaced; choose another --name, or move it away")


def _report(asked: Import, raw: RawInteractions, found: Interactions, items: ItemFile | None) -> dict[str, Any]:
    """Everything counted, in JSON's types."""
    report: dict[str, Any] = {
        "name": asked.name,
        "interactions_file": {"path": asked.interactions.name, "sha256": sha256(asked.interactions)},
        "items_file": None,
        "options": {key: value for key, value in asdict(asked).items() if key in _SHOWN},
        "rows": raw.rows,
        "below_min_rating": raw.rows - len(raw.users),
        "duplicates": found.duplicates,
        "outside_core": found.filtered,
        "users": len(found.user_ids),
        "items": len(found.item_ids),
        "interactions": len(found.items),
    }
    if asked.items is not None and items is not None:
        report["items_file"] = {
            "path": asked.items.name,
            "sha256": sha256(asked.items),
            "without_interactions": items.unseen,
            "repeated": items.repeated,
            "items_without_a_row": items.missing,
            "with_title": sum("title" in fields for fields in items.fields.values()),
            "with_categories": len(items.paths.texts),
            "category_separator": items.paths.separator,
            "root_added": items.paths.root,
            "renamed_categories": items.paths.renamed,
        }
    return report


def _write(folder: Path, name: str, found: Interactions, items: ItemFile | None, report: dict[str, Any]) -> None:
    with (folder / f"{name}.inter.json").open("wb") as file:
        _write_sequences(file, found)
    for kind, own in ((USERS, found.user_ids), (ITEMS, found.item_ids)):
        table = pa.table({"id": pa.array(range(len(own)), pa.int64()), "own_id": pa.array(own, pa.string())})
        pq.write_table(table, map_path(folder, name, kind), compression="zstd")
    if items is not None:
        content = dict(_item_entries(found.item_ids, items))
        (folder / f"{name}.item.json").write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    (folder / f"{name}{REPORT}").write_text(text, encoding="utf-8")


def _write_sequences(file: BinaryIO, found: Interactions) -> None:
    """One user a line; a chunk of users at a time, since all numbers as texts would be much larger than as numbers."""
    file.write(b"{")
    n_users = len(found.user_ids)
    for start in range(0, n_users, _CHUNK):
        offsets = found.offsets[start : start + _CHUNK + 1]
        items = found.items[offsets[0] : offsets[-1]].tolist()
        places = (offsets - offsets[0]).tolist()
        lines = [f'"{start + row}": {items[places[row] : places[row + 1]]}' for row in range(len(places) - 1)]
        file.write(((",\n" if start else "\n") + ",\n".join(lines)).encode())
    file.write(b"\n}\n")


def _item_entries(item_ids: list[str], items: ItemFile) -> Iterator[tuple[str, dict[str, str]]]:
    for number, own in enumerate(item_ids):
        categories = {"categories": items.paths.texts[own]} if own in items.paths.texts else {}
        yield str(number), items.fields.get(own, {}) | categories
