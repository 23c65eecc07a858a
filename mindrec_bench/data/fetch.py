"""Download a dataset of the paper from its public hub repository, whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DataError, UsageError
from ..io.atomic import write_json
from ..io.hashing import sha256
from ..io.hub import HUB, HubError, Repository
from ..io.json_files import read_object
from ..io.work_folders import hold_work_folder, remove_leftovers
from . import locate
from .folder import read_folder

logger = logging.getLogger(__name__)

REPOSITORY = "MrPeach/MindRec"

SOURCE = ".source.json"
"""Suffix of the file that says where a folder was downloaded from."""

_WORK = "fetch"


def fetch(name: str, *, data_dir: Path | None, revision: str | None = None) -> Path:
    """Return the folder of a dataset, downloading it where it is not on this machine.

    It is stored in `data_dir`, else in the per-user cache, and appears there under its name only once all its files are
    complete and can be read. The hub is the one that HF_ENDPOINT names, else the public one.

    Args:
        name: name of the dataset's folder and files, such as `Arts`.
        data_dir: where to look and to store, or None.
        revision: a branch, tag or commit of the repository; None for its default branch, or for what is there.

    Raises:
        UsageError: the dataset is there in another revision.
        DataError: the hub can't be reached or lacks a file, or the files can't be read or stored.
    """
    present = locate.find_folder(name, data_dir)
    if present:
        _check_revision(name, present, revision)
        logger.info(f"{name} is already at {present}")
        return present
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    target = (data_dir or locate.cache_folder()) / name
    logger.info(f"{name} is not on this machine: downloading it from {endpoint}/datasets/{REPOSITORY} to {target}")
    try:
        _download(name, endpoint, target, revision)
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


def _check_revision(name: str, folder: Path, revision: str | None) -> None:
    if revision is None:
        return
    record = folder / f"{name}{SOURCE}"
    source = read_object(record) if record.is_file() else {}
    if revision not in (source.get("revision"), source.get("asked_revision")):
        there = f"in revision {source['revision']}" if "revision" in source else "from an unknown revision"
        raise UsageError(
            f"{name} is already at {folder}, {there}; move it away, or fetch {revision} into another --data-dir"
        )


def _download(name: str, endpoint: str, target: Path, revision: str | None) -> None:
    # The repository is public, so no token is sent: a stale one would turn the answer into a refusal.
    repository = Repository(REPOSITORY, revision, kind="dataset", endpoint=endpoint, anonymous=True)
    commit, files = repository.list_files()
    selected = select_files(name, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent, _WORK)
    with hold_work_folder(target, _WORK) as scratch:
        if target.is_dir():
            return  # another process has downloaded it meanwhile
        folder = scratch / name
        folder.mkdir()
        for local_name, path in selected.items():
            file = repository.download_file(path, scratch / "hub", commit=commit)
            shutil.move(file, folder / local_name)
        try:
            read_folder(folder)
        except DataError as error:
            message = str(error).replace(f"{scratch}{os.sep}", "")
            raise DataError(
                f"the data at {endpoint}/datasets/{REPOSITORY} is broken and was not kept: {message}"
            ) from error
        source: dict[str, Any] = {
            "repository": f"{endpoint}/datasets/{REPOSITORY}",
            "revision": commit,
            "asked_revision": revision,
            "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {
                local_name: {"path": path, "sha256": sha256(folder / local_name)}
                for local_name, path in selected.items()
            },
        }
        write_json(folder / f"{name}{SOURCE}", source)
        folder.rename(target)


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
