"""Find finished runs in the run store, and read what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, MrbenchError, UsageError, did_you_mean
from ..io.atomic import Notify
from .run_folder import METRICS, RANKINGS, SPEC, SUMMARY, read_summary
from .run_spec import FIT

if TYPE_CHECKING:  # `mrbench show` reads JSON only, and starts more quickly without Parquet
    import pyarrow as pa


def find_runs(root: Path, notify: Notify) -> Iterator[dict[str, Any]]:
    """The summaries of all finished runs, each with its `path`, by path; damaged summaries are left out with a notice.

    The Parquet files beside them are not checked, which keeps listings quick.
    """
    for folder in _folders(root, SUMMARY):
        summary = read_summary(folder, verify=False, notify=notify)
        if summary is not None:
            yield summary


def find_run(root: Path, text: str) -> dict[str, Any]:
    """The summary, with its `path`, of the finished run that a user names.

    Args:
        root: the run store.
        text: the run's folder (or a file in it), its id, or a prefix of the id that no other run has.

    Raises:
        UsageError: no run, or several, are named so.
        MrbenchError: the run is not finished.
        DataError: its summary is damaged.
    """
    folder = _find_folder(root, text)
    if not (folder / SUMMARY).exists():
        raise MrbenchError(f"the run {folder} is not finished; repeat its command, which continues from what is done")
    summary = read_summary(folder, verify=False, notify=lambda line: None)  # the error below names the file
    if summary is None:
        raise DataError(f"{folder / SUMMARY} is damaged; repeat the run's command, which computes it again")
    return summary


def load_rankings(run: dict[str, Any], columns: list[str]) -> pa.Table:
    """Columns of a run's `rankings.parquet`.

    Args:
        run: its summary, with its `path`.
        columns: their names (`rankings.SCHEMA`).

    Raises:
        DataError: the file is missing or can't be read.
    """
    return _load_columns(run, RANKINGS, columns)


def load_metrics(run: dict[str, Any], columns: list[str]) -> pa.Table:
    """Columns of a run's `metrics.parquet`: `user`, and metrics by name. Arguments and errors as `load_rankings`."""
    return _load_columns(run, METRICS, columns)


def _load_columns(run: dict[str, Any], name: str, columns: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(run["path"]) / name
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} can't be read ({error}); repeat its command: {run['command']}") from error


def _folders(root: Path, file_name: str) -> Iterator[Path]:
    """The run folders under a root that hold this file, in a fixed order."""
    folders = (path.parent for path in root.glob(f"*/*/*/*/{file_name}"))
    return iter(sorted(folder for folder in folders if folder.parent.name != FIT))


def _find_folder(root: Path, text: str) -> Path:
    path = Path(text)
    for folder in (path, path.parent) if path.is_file() else (path,):
        if text and ((folder / SUMMARY).is_file() or (folder / SPEC).is_file()):
            return folder
    ids = {folder.name: folder for folder in _folders(root, SPEC)}
    matches = [name for name in ids if text and name.startswith(text.lower())]
    if len(matches) == 1:
        return ids[matches[0]]
    if matches:
        candidates = ", ".join(f"{name} ({_title(ids[name])})" for name in sorted(matches)[:5])
        raise UsageError(f"'{text}' is the start of {len(matches)} runs: {candidates}; give more of the id")
    content = f"it has {', '.join(sorted(ids)[:5])}{' and more' if len(ids) > 5 else ''}" if ids else "it holds no runs"
    raise UsageError(f"no run '{text}' under {root}{did_you_mean(text, ids)}; {content}")


def _title(folder: Path) -> str:
    """`<data>/<model>/<decoder>` of a run folder."""
    return "/".join(folder.parts[-4:-1])
