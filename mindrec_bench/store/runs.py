"""The run store: the folder of a run, and finding finished runs (architecture: the run store).

`<root>/<data>/<model>/<decoder>/<id>/` holds `spec.json`, `shards/` while the run decodes, and at the end
`rankings.parquet` (a row a recommendation), `metrics.parquet` (a row a user) and `summary.json`, whose presence marks
the run as finished. Usual order:

    run = RunFolder(spec, root, notify)
    with run.lock(wait=True):
        summary = run.load_summary()
        if summary is None:
            run.start()
            done = run.done_shards(device="cpu", batch_size=128)
            ...  # run.write_shard(index, table, meta) for the missing ones
            summary = run.finish(shards, users, columns, {"metrics": ..., "timings": ...})
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.code_space import Int
from ..errors import DataError, MrbenchError, UsageError, did_you_mean
from ..io.atomic import Notify, atomic_write, explain_write_errors, remove_folder, write_json
from ..io.locks import hold
from ..io.manifest import read_manifest, write_manifest
from .run_spec import FIT, RunSpec

if TYPE_CHECKING:  # `mrbench show` reads JSON only, and starts quicker without Parquet
    import pyarrow as pa

    from ..metrics.accuracy import Columns
    from .shards import Shard, ShardMeta

SPEC, SUMMARY = "spec.json", "summary.json"
RANKINGS, METRICS = "rankings.parquet", "metrics.parquet"
SHARDS = "shards"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        spec: what the run is.
        root: the run store; nothing need exist yet.
        notify: gets one line for each thing a user should know: waiting, damage, parts computed again.
    """

    spec: RunSpec
    root: Path
    notify: Notify

    @property
    def path(self) -> Path:
        """`<root>/<data>/<model>/<decoder>/<id>`."""
        return self.spec.folder(self.root)

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold the run for this process; everything below but `load_summary` asks for it.

        Raises:
            MrbenchError: another process holds it and `wait` is false, or the lock can't be written.
        """
        return hold(self.path, wait=wait, notify=self.notify)

    def load_summary(self, *, verify: bool = True) -> dict[str, Any] | None:
        """The summary of a finished run, with its `path`; None when it is not finished or, with a notice, damaged.

        Args:
            verify: check the content of `rankings.parquet` and `metrics.parquet` too.
        """
        return _summary(self.path, verify=verify, notify=self.notify)

    def start(self) -> None:
        """Get ready to compute: write `spec.json`, and delete what a damaged run left; whole shards stay.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        with explain_write_errors(self.path):
            for name in (SUMMARY, RANKINGS, METRICS):
                (self.path / name).unlink(missing_ok=True)
        write_json(self.path / SPEC, {"id": self.spec.id, **self.spec.as_dict()})

    def done_shards(self, *, device: str, batch_size: int, fit: str = "") -> list[Shard]:
        """The whole shards that new ones may be mixed with, by rising index; others are deleted, with a notice.

        Args:
            device: kind of device of this process.
            batch_size: users a batch in this process.
            fit: `FittedModelFolder.weights_id` of the model that this process decodes with; '' where none is trained.
        """
        from .shards import whole_shards

        folder = self.path / SHARDS
        return whole_shards(folder, device=device, batch_size=batch_size, fit=fit, notify=self.notify)

    def write_shard(self, index: int, table: pa.Table, meta: ShardMeta) -> Shard:
        """Write the rankings of one part of the users (`shards.rankings_table`), whole or not at all.

        Args:
            index: which part, counted from 0.
            table: its rankings.
            meta: how it was computed.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        from .shards import write_shard

        return write_shard(self.path / SHARDS, index, table, meta)

    def finish(self, shards: Sequence[Shard], users: Int, columns: Columns, summary: dict[str, Any]) -> dict[str, Any]:
        """Join the shards, write the per-user metrics and, last, the summary; then delete the shards.

        Args:
            shards: all parts of the run.
            users: user ids. Shape: (U,)
            columns: the metrics of each user, as `metrics.score_lists` gives them. Shape of each: (U,)
            summary: what `summary.json` shows besides `run` (the id), `spec`, and the checksums of the files.

        Returns:
            The summary as written, with its `path`.

        Raises:
            MrbenchError: the shards are not those of these users, or a write failed.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from .shards import join_shards

        parts = sorted(shards, key=lambda shard: shard.index)
        whole = [shard.index for shard in parts] == list(range(len(parts)))
        if not whole or sum(shard.meta.users for shard in parts) != len(users):
            raise MrbenchError(
                f"the parts of {self.path} do not make up its {len(users)} users; repeat the command with --fresh"
            )
        table = pa.table({"user": pa.array(users), **{name: pa.array(column) for name, column in columns.items()}})
        atomic_write(self.path / RANKINGS, lambda file: join_shards(parts, file))
        atomic_write(self.path / METRICS, lambda file: pq.write_table(table, file, compression="zstd"))
        content = {**summary, "run": self.spec.id, "spec": self.spec.as_dict()}
        written = write_manifest(self.path / SUMMARY, content, [self.path / RANKINGS, self.path / METRICS])
        shutil.rmtree(self.path / SHARDS, ignore_errors=True)
        return {**written, "path": str(self.path)}

    def discard(self) -> None:
        """Delete the run; nothing happens where there is none.

        Raises:
            MrbenchError: it can't be deleted.
        """
        remove_folder(self.path, first=SUMMARY)


def _summary(folder: Path, *, verify: bool, notify: Notify) -> dict[str, Any] | None:
    summary = read_manifest(folder / SUMMARY, verify=verify, notify=notify)
    return None if summary is None else {**summary, "path": str(folder)}


def _folders(root: Path, mark: str) -> Iterator[Path]:
    """The run folders under a root that hold this file, in a fixed order."""
    found = (path.parent for path in root.glob(f"*/*/*/*/{mark}"))
    return iter(sorted(folder for folder in found if folder.parent.name != FIT))


def find_runs(root: Path, notify: Notify) -> Iterator[dict[str, Any]]:
    """The summaries of all finished runs, each with its `path`, by path; damaged summaries are left out with a notice.

    The Parquet files beside them are not checked: this is for listing, and quick.
    """
    for folder in _folders(root, SUMMARY):
        summary = _summary(folder, verify=False, notify=notify)
        if summary is not None:
            yield summary


def resolve_run(root: Path, text: str) -> dict[str, Any]:
    """The summary, with its `path`, of the finished run that a user names.

    Args:
        root: the run store.
        text: the run's folder (or a file in it), its id, or the start of it that no other run has.

    Raises:
        UsageError: no run, or several, are named so.
        MrbenchError: the run is not finished, or its summary is damaged.
    """
    folder = _named_folder(root, text)
    if not (folder / SUMMARY).exists():
        raise MrbenchError(f"the run {folder} is not finished; repeat its command, which continues from what is done")
    summary = _summary(folder, verify=False, notify=lambda line: None)  # the error below says it
    if summary is None:
        raise MrbenchError(f"{folder / SUMMARY} is damaged; repeat the run's command, which computes it again")
    return summary


def read_stored(run: dict[str, Any], name: str, columns: list[str]) -> pa.Table:
    """Columns of one of a run's Parquet files.

    Args:
        run: its summary, with its `path`.
        name: `RANKINGS` or `METRICS`.
        columns: their names.

    Raises:
        DataError: the file is missing or can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(run["path"]) / name
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} can't be read ({error}); repeat its command: {run['command']}") from error


def _named_folder(root: Path, text: str) -> Path:
    given = Path(text)
    for folder in (given, given.parent) if given.is_file() else (given,):
        if text and ((folder / SUMMARY).is_file() or (folder / SPEC).is_file()):
            return folder
    ids = {folder.name: folder for folder in _folders(root, SPEC)}
    matches = [name for name in ids if text and name.startswith(text.lower())]
    if len(matches) == 1:
        return ids[matches[0]]
    if matches:
        which = ", ".join(f"{name} ({_title(ids[name])})" for name in sorted(matches)[:5])
        raise UsageError(f"'{text}' is the start of {len(matches)} runs: {which}; give more of the id")
    there = f"it has {', '.join(sorted(ids)[:5])}{' and more' if len(ids) > 5 else ''}" if ids else "it holds no runs"
    raise UsageError(f"no run '{text}' under {root}{did_you_mean(text, ids)}; {there}")


def _title(folder: Path) -> str:
    """`<data>/<model>/<decoder>` of a run folder."""
    return "/".join(folder.parts[-4:-1])
