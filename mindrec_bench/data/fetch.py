"""Download a data set of the paper from the public hub repository, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DataError
from . import locate
from .folder import read_folder

REPOSITORY = "MrPeach/MindRec"
_HUB = "https://huggingface.co"
_TIMEOUT = 5.0
"""Seconds to wait for an answer of the hub: who is offline should know at once."""


def fetch(name: str, *, data_dir: Path | None, notify: Callable[[str], None]) -> Path:
    """Return the folder of a data set, downloading it where it is not on this machine.

    It goes to `data_dir`, else to the per-user cache, and appears there under its name only once all its files have
    come and can be read. The hub is the one that HF_ENDPOINT names, else the public one.

    Args:
        name: name of the data set's folder and files, such as `Arts`.
        data_dir: where to look and to store, or None.
        notify: told what is downloaded from where.

    Raises:
        DataError: the hub can't be reached or lacks a file, or what came can't be read or stored.
    """
    present = locate.find(name, data_dir)
    if present:
        notify(f"{name} is already at {present}")
        return present
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or _HUB
    target = (data_dir or locate.cache()) / name
    notify(f"{name} is not on this machine: downloading it from {endpoint}/datasets/{REPOSITORY} to {target}")
    try:
        return _fetch(name, endpoint, target)
    except DataError:
        raise
    except Exception as error:
        # Not narrower: the client lets errors of the HTTP library below it through, and that library has changed.
        looked = ", ".join(str(root / name) for root in locate.roots(data_dir))
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"the data set {name} is not on this machine (looked for {looked}) and could not be downloaded "
            f"({type(error).__name__}: {reason[:200]}): get its files from {_HUB}/datasets/{REPOSITORY} into {target}, "
            f"name the folder above {name} with --data-dir or MRBENCH_DATA, or run `mrbench run` without --data, which "
            "uses arts-sim and needs no file"
        ) from error


def _fetch(name: str, endpoint: str, target: Path) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    # The repository is public: a stale token of the user must not turn the answer into a refusal.
    revision, files = _listing(HfApi(endpoint=endpoint, token=False))
    chosen = choose_files(name, files)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        for local, remote in chosen.items():
            came = hf_hub_download(
                REPOSITORY,
                remote,
                repo_type="dataset",
                revision=revision,
                endpoint=endpoint,
                token=False,
                local_dir=Path(scratch) / "hub",
                etag_timeout=_TIMEOUT,
                force_download=True,  # or the client asks a hub that went away again for minutes
            )
            shutil.move(came, folder / local)
        try:
            read_folder(folder)
        except DataError as error:
            broken = str(error).replace(f"{scratch}{os.sep}", "")
            raise DataError(
                f"what {endpoint}/datasets/{REPOSITORY} holds is broken and was not kept: {broken}"
            ) from error
        try:
            folder.rename(target)
        except OSError:
            # Another process may have brought it meanwhile.
            if not target.is_dir():
                raise
    return target


def _listing(api: Any) -> tuple[str, list[str]]:
    """The revision and the paths of all files in the repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        # One request with a time limit; `list_repo_files` has none and tries six times over half a minute.
        info = api.dataset_info(REPOSITORY, timeout=_TIMEOUT)
        return info.sha or "main", [sibling.rfilename for sibling in info.siblings or []]
    except RepositoryNotFoundError:
        # Some mirrors serve trees and files, but no summary of a repository.
        return "main", list(api.list_repo_files(REPOSITORY, repo_type="dataset"))


def choose_files(name: str, files: Sequence[str]) -> dict[str, str]:
    """Find a data set's files in the repository by their names; of several, the one in the fewest folders.

    Returns:
        The path in the repository for each file name in the data set's folder.

    Raises:
        DataError: a file that is needed is missing, or two lie equally near; they are named.
    """

    def nearest(wanted: str, *, inside: bool = False) -> str | None:
        paths = [PurePosixPath(file) for file in files]
        paths = [path for path in paths if path.name.casefold() == wanted.casefold()]
        if inside:
            paths = [path for path in paths if path.parent.name.casefold() == name.casefold()]
        depth = min((len(path.parts) for path in paths), default=0)
        found = sorted(str(path) for path in paths if len(path.parts) == depth)
        if len(found) > 1:
            raise DataError(
                f"the repository {REPOSITORY} holds {wanted} more than once ({', '.join(found)}): "
                f"download the right one by hand, into a folder {name}"
            )
        return found[0] if found else None

    chosen = {f"{name}.inter.json": nearest(f"{name}.inter.json")}
    if chosen[f"{name}.inter.json"] is None:
        chosen["user_sequence.txt"] = nearest("user_sequence.txt", inside=True)
    for wanted in (f"{name}.index.json", f"{name}.item.json", f"{name}.category.json"):
        chosen[wanted] = nearest(wanted)
    found = {local: remote for local, remote in chosen.items() if remote is not None}
    missing = [] if f"{name}.index.json" in found else [f"{name}.index.json"]
    if not found.keys() & {f"{name}.inter.json", "user_sequence.txt"}:
        missing.insert(0, f"{name}.inter.json (or {name}/user_sequence.txt)")
    if missing:
        held = f"{len(files)} others, such as {', '.join(sorted(files)[:5])}" if files else "none at all"
        raise DataError(
            f"the repository {REPOSITORY} does not hold {' and '.join(missing)}, but {held}: "
            f"put the files of {name} into a folder {name} by hand and name the folder above it with --data-dir"
        )
    return found
