"""The data folders of the user's own that are found by name, as imports make them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from . import locate

REPORT = ".import.json"
"""What the name of the file ends in that tells what a folder was imported from."""


def holds_data(folder: Path) -> bool:
    """Whether a folder holds users' sequences under its own name."""
    return (folder / f"{folder.name}.inter.json").is_file() or (folder / "user_sequence.txt").is_file()


def user_datasets(data_dir: Path | None, known: Iterable[str]) -> dict[str, Path]:
    """Name -> folder of all data folders where data sets are looked for, sorted; the first of a name counts.

    Args:
        data_dir: as in `locate.roots`.
        known: names that are left out, in any case: they are data sets that `mrbench` knows.
    """
    reserved = {name.lower() for name in known}
    found: dict[str, Path] = {}
    for root in locate.roots(data_dir):
        for folder in sorted(root.iterdir()) if root.is_dir() else []:
            if folder.name.lower() not in reserved and not folder.name.startswith(".") and holds_data(folder):
                found.setdefault(folder.name, folder)
    return dict(sorted(found.items()))


def find(name: str, data_dir: Path | None) -> Path | None:
    """The data folder of this name, or None."""
    if not name or Path(name).name != name:
        return None
    return next((root / name for root in locate.roots(data_dir) if holds_data(root / name)), None)


def summary(folder: Path) -> str:
    """One line about a data folder: what it was imported from, and whether its items have semantic IDs."""
    codes = (folder / f"{folder.name}.index.json").is_file()
    without = "" if codes else f"; no semantic IDs yet, see `mrbench data tokenize {folder.name}`"
    try:
        report = json.loads((folder / f"{folder.name}{REPORT}").read_text(encoding="utf-8"))
        counts = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
        return f"Imported from {report['interactions_file']['path']}: {counts}{without}."
    except (OSError, ValueError, KeyError, TypeError):
        return f"Your own folder {folder}{without}."
