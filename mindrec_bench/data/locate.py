"""Data folders on this machine: where they are looked for, and which of them are the user's own."""

from __future__ import annotations

import glob
import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from ..io.work_folders import restore_folder

ENV_VARIABLE = "MRBENCH_DATA"

LOCAL_FOLDER = Path("data")
"""Where new data folders go."""

IMPORT_WORK = "import"
"""The kind of work folder in which an import works; see `io.work_folders`."""

IMPORT_REPORT = ".import.json"
"""Suffix of the file that says what a folder was imported from."""


def cache_folder() -> Path:
    """The per-user folder that downloaded datasets go to."""
    return Path(platformdirs.user_cache_dir("mindrec-bench")) / "data"


def search_path(data_dir: Path | None) -> list[Path]:
    """The folders that may hold a data folder `<Name>/`, in search order.

    Args:
        data_dir: the only folder to search; None for $MRBENCH_DATA, ./data and the per-user cache.
    """
    if data_dir is not None:
        return [data_dir]
    variable = os.environ.get(ENV_VARIABLE)
    return [*([Path(variable)] if variable else []), LOCAL_FOLDER, cache_folder()]


def find_folder(name: str, data_dir: Path | None) -> Path | None:
    """The first folder called `name` on the search path, or None; one with semantic IDs comes before one without."""
    folders = [root / name for root in search_path(data_dir)]
    for folder in folders:
        restore_folder(folder, IMPORT_WORK)
    return _first([folder for folder in folders if is_folder(folder)])


def _first(folders: list[Path]) -> Path | None:
    """The first folder with semantic IDs, else the first, if any."""
    return next((folder for folder in folders if has_index(folder)), folders[0] if folders else None)


def has_index(folder: Path) -> bool:
    """Whether a folder holds semantic IDs under its own name."""
    return (folder / f"{folder.name}.index.json").is_file()


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; one that no file system allows is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def has_sequences(folder: Path) -> bool:
    """Whether a folder holds users' sequences under its own name."""
    restore_folder(folder, IMPORT_WORK)
    return is_folder(folder) and (
        (folder / f"{folder.name}.inter.json").is_file() or (folder / "user_sequence.txt").is_file()
    )


def user_datasets(data_dir: Path | None, registered: Iterable[str]) -> dict[str, Path]:
    """Name -> folder of the user's own datasets on the search path, sorted; of a name the first counts.

    One with semantic IDs comes before one without.

    Args:
        data_dir: as in `search_path`.
        registered: names of registered datasets, which are left out in any case.
    """
    reserved = {name.lower() for name in registered}
    folders: dict[str, Path] = {}
    for root in search_path(data_dir):
        for folder in sorted(root.iterdir()) if root.is_dir() else []:
            if folder.name.lower() in reserved or folder.name.startswith(".") or not has_sequences(folder):
                continue
            if folder.name not in folders or (has_index(folder) and not has_index(folders[folder.name])):
                folders[folder.name] = folder
    return dict(sorted(folders.items()))


def find_user_dataset(name: str, data_dir: Path | None) -> Path | None:
    """The folder with users' sequences that is called `name`, or None; one with semantic IDs comes first.

    Where none has sequences, one that has other files of a dataset: whoever reads it says what it lacks.
    """
    if not name or Path(name).name != name:
        return None
    folders = [root / name for root in search_path(data_dir)]
    whole = [folder for folder in folders if has_sequences(folder)]
    others = [folder for folder in folders if is_folder(folder) and any(folder.glob(f"{glob.escape(name)}.*.json"))]
    return _first(whole or others)


def is_found(folder: Path) -> bool:
    """Whether the name of a data folder is enough to find it."""
    first = find_folder(os.path.basename(os.path.abspath(folder)), None)
    return first is not None and first.resolve() == folder.resolve()


def name_or_path(folder: Path) -> str:
    """What finds a data folder without further options: its name, else its path; quoted for a shell."""
    return shlex.quote(os.path.basename(os.path.abspath(folder)) if is_found(folder) else str(folder))


def describe_folder(folder: Path) -> str:
    """One line about a data folder: what it was imported from, and whether its items have semantic IDs."""
    hint = "" if has_index(folder) else f"; no semantic IDs yet, see `mrbench data tokenize {name_or_path(folder)}`"
    try:
        report = json.loads((folder / f"{folder.name}{IMPORT_REPORT}").read_text(encoding="utf-8"))
        counts = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
        return f"Imported from {report['interactions_file']['path']}: {counts}{hint}."
    except (OSError, ValueError, KeyError, TypeError):
        return f"Your own folder {folder}{hint}."
