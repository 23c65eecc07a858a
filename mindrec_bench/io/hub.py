"""Repositories of the Hugging Face hub: found in the local cache, or downloaded.

A repository is named `ORG/NAME` or `ORG/NAME@REVISION`. The cache comes first, so that what it holds needs no network.
Requests to the hub end after a few seconds, and every failure is one sentence (`HubError`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError, MrbenchError

HUB = "https://huggingface.co"
TIMEOUT = 5.0
"""Seconds to wait for an answer of the hub: offline, a command should fail at once."""

_NAME = re.compile(r"(?:[\w.-]+/)?[\w.-]+(?:@[\w./-]+)?")


class HubError(DataError):
    """A repository is not on this machine and can't be downloaded.

    Attributes:
        reason: the cause in a few words, such as `ConnectError: ...`.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Repository:
    """A repository of the hub, and how messages refer to it.

    Attributes:
        id: `ORG/NAME`; some of the oldest models have a NAME only.
        revision: a branch, tag or commit; None for the default branch.
        kind: what the repository holds.
        label: what messages call it, such as `checkpoint`.
        alternative: what the user can do instead of downloading it, for messages.
        endpoint: the address of the hub; None for the client's default.
        anonymous: send no token, so that a stale one can't turn the answer of a public repository into a refusal.
    """

    id: str
    revision: str | None = None
    kind: Literal["model", "dataset"] = "model"
    label: str = "repository"
    alternative: str = "give the path of a folder that holds it"
    endpoint: str | None = None
    anonymous: bool = False

    @classmethod
    def parse(cls, name: str, *, label: str, alternative: str, bare: bool = False) -> Repository:
        """The model that a name stands for.

        Args:
            name: `ORG/NAME` or `ORG/NAME@REVISION`.
            label: what messages call the model.
            alternative: what the user can do instead of downloading it, for messages.
            bare: a name without `ORG/` is allowed.

        Raises:
            DataError: the name has another form.
        """
        repository, _, revision = name.partition("@")
        if not _NAME.fullmatch(name) or not (bare or "/" in repository):
            raise DataError(
                f"the {label} '{name}' is neither a folder nor a hub id such as ORG/NAME or ORG/NAME@REVISION"
            )
        return cls(repository, revision or None, label=label, alternative=alternative)

    @property
    def name(self) -> str:
        """`ORG/NAME`, followed by `@REVISION` where there is one."""
        return self.id if self.revision is None else f"{self.id}@{self.revision}"

    def cached(self, required: Sequence[str] = ()) -> Path | None:
        """The repository's folder in the local cache, without asking the hub.

        Args:
            required: glob patterns; each must match a file of the folder. Without any, the folder may lack files, as an
                interrupted download leaves it.

        Returns:
            None where the cache has no such folder.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        folder: str | None
        with self._explain_errors():
            try:
                folder = snapshot_download(self.id, repo_type=self.kind, revision=self.revision, local_files_only=True)
            except LocalEntryNotFoundError as error:
                # Some versions of the client refuse a folder that lacks any file of the repository, wanted or not.
                folder = getattr(error, "snapshot_path", None)
        if folder is None or not all(any(Path(folder).glob(pattern)) for pattern in required):
            return None
        return Path(folder)

    def commit(self) -> str:
        """The commit that the revision stands for: the one in the cache, else the hub's.

        Raises:
            HubError: the cache does not have it, and the hub can't be asked.
        """
        if folder := self.cached():
            return folder.name
        with self._explain_errors():
            return self._info().sha or "main"

    def download(self, patterns: Sequence[str], *, ignore: Sequence[str] | None = None) -> Path:
        """Download files into the local cache, which keeps what it has of them already; returns their folder.

        Args:
            patterns: glob patterns of the files.
            ignore: glob patterns of files to leave out.

        Raises:
            HubError: the hub can't be reached, or refuses.
        """
        from huggingface_hub import snapshot_download

        # A folder that the cache has already stays at its commit, which runs may have been identified by. Any other is
        # asked for by its revision: by its commit, the cache would not record what the revision stands for.
        folder = self.cached()
        revision = self.revision if folder is None else folder.name
        with self._explain_errors():
            self._info()  # has a time limit, and the download, which tries several times, has none
            return Path(
                snapshot_download(
                    self.id,
                    repo_type=self.kind,
                    revision=revision,
                    allow_patterns=list(patterns),
                    ignore_patterns=None if ignore is None else list(ignore),
                    etag_timeout=TIMEOUT,
                    max_workers=4,
                    **self._access(),
                )
            )

    def list_files(self) -> tuple[str, list[str]]:
        """The commit that the revision stands for on the hub, and the paths of all files there.

        Raises:
            HubError: the hub can't be reached, or refuses.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explain_errors():
            try:
                info = self._info()
                return info.sha or "main", [sibling.rfilename for sibling in info.siblings or []]
            except RepositoryNotFoundError:
                # Some mirrors serve the tree and the files of a repository, but no summary of it.
                files = self._api().list_repo_files(self.id, repo_type=self.kind, revision=self.revision)
                return self.revision or "main", list(files)

    def download_file(self, path: str, folder: Path, *, commit: str) -> Path:
        """Download one file into a folder outside the cache, below its path in the repository.

        Args:
            path: the file's path in the repository.
            folder: where to put it.
            commit: as `list_files` gives it.

        Returns:
            Where the file is.

        Raises:
            HubError: the hub can't be reached, or refuses.
        """
        from huggingface_hub import hf_hub_download

        with self._explain_errors():
            return Path(
                hf_hub_download(
                    self.id,
                    path,
                    local_dir=folder,
                    etag_timeout=TIMEOUT,
                    force_download=True,  # else the client asks a hub that is gone again for minutes
                    repo_type=self.kind,
                    revision=commit,
                    **self._access(),
                )
            )

    def _info(self) -> Any:
        api = self._api()
        ask = api.model_info if self.kind == "model" else api.dataset_info
        return ask(self.id, revision=self.revision, timeout=TIMEOUT)

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(**self._access())

    def _access(self) -> dict[str, Any]:
        """The hub's address and the token, where they are not the client's defaults."""
        address = {} if self.endpoint is None else {"endpoint": self.endpoint}
        return {**address, "token": False} if self.anonymous else address

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn what the client raises into one sentence."""
        try:
            yield
        except MrbenchError:
            raise
        except Exception as error:  # not narrower: errors of the HTTP library below the client come through
            raise self._error(error) from None  # whose traceback is hundreds of lines of the HTTP library; see `reason`

    def _error(self, error: Exception) -> HubError:
        from huggingface_hub import constants
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        cause = type(error).__name__
        text = " ".join(str(error).split())
        reason = f"{cause}: {text[:200]}" if text else cause
        if isinstance(error, GatedRepoError):
            advice = f"accept its licence at {HUB}/{self.id} and set HF_TOKEN"
        elif constants.HF_HUB_OFFLINE:
            cause, advice = "HF_HUB_OFFLINE is set", "unset it"
        elif isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
            advice = "check its name, set HF_TOKEN if it is private"
        else:
            advice = "go online"
        return HubError(
            f"the {self.label} '{self.name}' is not on this machine and can't be downloaded ({cause}); "
            f"{advice}, or {self.alternative}",
            reason,
        )


def find_folder(name: str, patterns: Sequence[str], *, required: Sequence[str], label: str, alternative: str) -> Path:
    """The folder of a model: a local one, else the one in the cache, else downloaded.

    Args:
        name: the path of a folder, or `ORG/NAME`, `NAME` or `ORG/NAME@REVISION`.
        patterns: glob patterns of the files to download; those in folders of the repository are left out.
        required: glob patterns; a cached folder counts where each matches a file.
        label: what messages call it: `text encoder`.
        alternative: what the user can do instead of downloading it, for messages.

    Raises:
        DataError: the name is neither a folder nor a hub id, or it can't be downloaded (`HubError`).
    """
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    repository = Repository.parse(name, label=label, alternative=alternative, bare=True)
    return repository.cached(required) or repository.download(patterns, ignore=["*/*"])
