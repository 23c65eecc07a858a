"""Download a dataset of the paper from its public hub repository, whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..io.hub import HUB, HubError, Repository
from . import locate
from .folder import read_folder

logger = logging.getLogger(__name__)

REPOSITORY = "MrPeach/MindRec"


def fetch(name: str, *, data_dir: Path | None) -> Path:
    """Return the folder of a dataset, downloading it where it is not on this machine.

    It is stored in `data_dir`, else in the per-user cache, and appears there under its name only once all its files are
    complete and can be read. The hub is the one that HF_ENDPOINT names, else the public one.

    Args:
        name: name of the dataset's folder and files, such as `Arts`.
        data_dir: where to look and to store, or None.

    Raises:
        DataError: the hub can't be reached or lacks a file, or the files can't be read or stored.
    """
    present = locate.find_folder(name, data_dir)
    if present:
        logger.info(f"{name} is already at {present}")
        return present
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    target = (data_dir or locate.cache_folder()) / name
    logger.info(f"{name} is not on this machine: downloading it from {endpoint}/datasets/{REPOSITORY} to {target}")
    try:
        _download(name, endpoint, target)
    except (HubError, OSError) as error:
        reason = error.reason if isinstance(error, HubError) else f"{type(error).__name__}: {error}"
        searched = ", ".join(str(root / name) for root in locate.search_path(data_dir))
        raise DataError(
            f"the dataset {name} is not on this machine (looked for {searched}) and could not be downloaded "
            f"({reason}): get its files from {HUB}/datasets/{REPOSITORY} into {target}, "
            f"name the folder above {name} with --data-dir or MRBENCH_DATA, or run `mrbench run` without --data, which "
            "uses arts-sim and needs no file"
        ) from error
    return target


def _download(name: str, endpoint: str, target: Path) -> None:
    # The repository is public, so no token is sent: a stale one would turn the answer into a refusal.
    repository = Repository(REPOSITORY, kind="dataset", endpoint=endpoint, anonymous=True)
    commit, files = repository.list_files()
    selected = select_files(name, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        for local_name, path in selected.items():
            file = repository.download_file(path, Path(scratch) / "hub", commit=commit)
            shutil.move(file, folder / local_name)
        try:
            read_folder(folder)
        except DataError as error:
            message = str(error).replace(f"{scratch}{os.sep}", "")
            raise DataError(
                f"the data at {endpoint}/datasets/{REPOSITORY} is broken and was not kept: {message}"
            ) from error
        try:
            folder.rename(target)
        except OSError:
            # Another process may have downloaded it meanwhile.
            if not target.is_dir():
                raise


def select_files(name: str, files: Sequence[str]) -> dict[str, str]:
    """Find a dataset's files in the repository by their names; of several, the one in the fewest folders.

    Returns:
        File name in the dataset's folder -> path in the repository.

    Raises:
        DataError: a required file is missing, or two lie in equally many folders; they are named.
    """

    def shallowest(file_name: str, *, parent: str | None = None) -> str | None:
        paths = [PurePosixPath(file) for file in files]
        paths = [path for path in paths if path.name.casefold() == file_name.casefold()]
        if parent is not None:
            paths = [path for path in paths if path.parent.name.casefold() == parent.casefold()]
        depth = min((len(path.parts) for path in paths), default=0)
        matches = sorted(str(path) for path in paths if len(path.parts) == depth)
        if len(matches) > 1:
            raise DataError(
                f"the repository {REPOSITORY} holds {file_name} more than once ({', '.join(matches)}): "
                f"download the right one by hand, into a folder {name}"
            )
        return matches[0] if matches else None

    sequences, index = f"{name}.inter.json", f"{name}.index.json"
    candidates = {sequences: shallowest(sequences)}
    if candidates[sequences] is None:
        candidates["user_sequence.txt"] = shallowest("user_sequence.txt", parent=name)
    for file_name in (index, f"{name}.item.json", f"{name}.category.json"):
        candidates[file_name] = shallowest(file_name)
    selected = {file_name: path for file_name, path in candidates.items() if path is not None}
    missing = [] if index in selected else [index]
    if not selected.keys() & {sequences, "user_sequence.txt"}:
        missing.insert(0, f"{sequences} (or {name}/user_sequence.txt)")
    if missing:
        others = f"{len(files)} others, such as {', '.join(sorted(files)[:5])}" if files else "none at all"
        raise DataError(
            f"the repository {REPOSITORY} does not hold {' and '.join(missing)}, but {others}: "
            f"put the files of {name} into a folder {name} by hand and name the folder above it with --data-dir"
        )
    return selected
