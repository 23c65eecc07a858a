"""Delete data folders, whole or not at all (`mrbench data rm`)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import UsageError
from ..io.atomic import explain_write_errors
from . import locate
from .sources import data_folder

REMOVED = ".removed-"
"""The prefix of a folder that is being deleted; nothing reads it."""


def find_removable(name: str, data_dir: Path | None) -> Path:
    """The folder of a dataset that may be deleted.

    Args:
        name: of a dataset; paths are refused, so that no folder of another kind can be named.
        data_dir: the folder that the user has named, or None.

    Raises:
        UsageError: there is no such dataset, or it is in $MRBENCH_DATA and `data_dir` does not say so.
        DataError: a dataset of the paper is not on this machine.
    """
    if not name or Path(name).name != name:
        raise UsageError(f"'{name}' is not the name of a dataset; give the name, and its place with --data-dir")
    folder = data_folder(name, data_dir)
    if folder.absolute().parent not in {root.absolute() for root in locate.search_path(data_dir)}:
        raise UsageError(
            f"{folder} is not where datasets are looked for, and is not deleted; name its place with --data-dir"
        )
    if not locate.has_sequences(folder):
        raise UsageError(f"{folder} holds no sequences of users, so it is no dataset, and is not deleted")
    variable = os.environ.get(locate.ENV_VARIABLE)
    if data_dir is None and variable and folder.absolute().parent == Path(variable).absolute():
        raise UsageError(
            f"{folder} is in ${locate.ENV_VARIABLE}, which others may use too; give --data-dir {variable} to delete it"
        )
    return folder


def describe_removal(folder: Path) -> str:
    """The folder, and how much is in it: `data/shop (4 files, 1.2 MB)`."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{folder} ({len(sizes)} file{'s' if len(sizes) != 1 else ''}, {sum(sizes) / 1e6:.1f} MB)"


def remove_data(folder: Path) -> None:
    """Delete a data folder: it is renamed first, so a kill in between leaves nothing that looks like data.

    A link is deleted, and not what it points to.

    Raises:
        MrbenchError: it can't be deleted.
    """
    with explain_write_errors(folder, "--data-dir"):
        if folder.is_symlink():
            folder.unlink()
            return
        removed = folder.with_name(f"{REMOVED}{folder.name}")
        if removed.exists():  # of a call that was killed
            shutil.rmtree(removed)
        folder.rename(removed)
        shutil.rmtree(removed)
