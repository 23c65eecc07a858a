"""The folder of one run in the run store: `<root>/<data>/<model>/<decoder>/<id>/` (docs/results-and-store.md).

It holds `spec.json`, `shards/` while the run decodes, and at the end `rankings.parquet` (one row per recommendation),
`metrics.parquet` (one row per user) and `summary.json`, which marks the run as finished. Usual order:

    run = RunFolder(spec, root, notify)
    with run.lock(wait=True):
        summary = run.load_summary()
        if summary is None:
            run.start()
            shards = run.load_shards(device="cpu", batch_size=128)
            ...  # run.write_shard(index, table, meta) for the missing ones
            summary = run.finish(shards, users, columns, {"metrics": ..., "timings": ...})
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.code_space import Int
from ..errors import MrbenchError
from ..io.atomic import Notify, atomic_write, explain_write_errors, remove_folder, write_json
from ..io.locks import folder_lock
from ..io.manifest import read_manifest, write_manifest
from .run_spec import RunSpec, folder_name

if TYPE_CHECKING:  # `mrbench show` reads JSON only, and starts more quickly without Parquet
    import pyarrow as pa

    from ..metrics.accuracy import Columns
    from .shards import Shard, ShardMeta

SPEC, SUMMARY = "spec.json", "summary.json"
RANKINGS, METRICS = "rankings.parquet", "metrics.parquet"
SHARDS = "shards"


def read_summary(folder: Path, *, verify: bool, notify: Notify) -> dict[str, Any] | None:
    """The summary in a run's folder, with its `path`; None when it is not finished or, with a notice, damaged.

    Args:
        folder: of the run.
        verify: check the content of `rankings.parquet` and `metrics.parquet` too.
        notify: gets the notice.
    """
    summary = read_manifest(folder / SUMMARY, verify=verify, notify=notify)
    return None if summary is None else {**summary, "path": str(folder)}


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        spec: what the run is.
        root: the run store; it is created when something is written.
        notify: gets messages for the user, one line each: waiting, damage, shards that are computed again.
    """

    spec: RunSpec
    root: Path
    notify: Notify

    @property
    def path(self) -> Path:
        """`<root>/<data>/<model>/<decoder>/<id>`."""
        return self.root / self.spec.model_path / folder_name(self.spec.decoder.name) / self.spec.id

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold the run for this process; required by all methods below except `load_summary`.

        Raises:
            MrbenchError: another process holds it and `wait` is false, or the lock can't be written.
        """
        return folder_lock(self.path, wait=wait, notify=self.notify)

    def load_summary(self, *, verify: bool = True) -> dict[str, Any] | None:
        """See `read_summary`."""
        return read_summary(self.path, verify=verify, notify=self.notify)

    def start(self) -> None:
        """Get ready to compute: write `spec.json`, and delete what a damaged run left; whole shards stay.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        with explain_write_errors(self.path):
            for name in (SUMMARY, RANKINGS, METRICS):
                (self.path / name).unlink(missing_ok=True)
        write_json(self.path / SPEC, {"id": self.spec.id, **self.spec.as_dict()})

    def load_shards(self, *, device: str, batch_size: int, weights_id: str = "") -> list[Shard]:
        """The whole shards that new ones may be mixed with, by rising index; others are deleted, with a notice.

        Args:
            device: kind of device of this process.
            batch_size: users per batch in this process.
            weights_id: `FittedModelFolder.weights_id` of this process's model; '' where nothing is trained.
        """
        from .shards import load_shards

        folder = self.path / SHARDS
        return load_shards(folder, device=device, batch_size=batch_size, weights_id=weights_id, notify=self.notify)

    def write_shard(self, index: int, table: pa.Table, meta: ShardMeta) -> Shard:
        """Write the rankings of some of the users, whole or not at all.

        Args:
            index: of the shard, counted from 0.
            table: its rankings (`rankings.rankings_table`).
            meta: how it was computed.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        from .shards import write_shard

        return write_shard(self.path / SHARDS, index, table, meta)

    def finish(self, shards: Sequence[Shard], users: Int, columns: Columns, summary: dict[str, Any]) -> dict[str, Any]:
        """Join the shards, write the per-user metrics and, last, the summary; then delete the shards.

        Args:
            shards: all shards of the run.
            users: user ids. Shape: (U,)
            columns: the metrics of each user, as `metrics.lists.score_lists` returns them. Shape of each: (U,)
            summary: the content of `summary.json` besides `run` (the id), `spec`, and the checksums of the files.

        Returns:
            The summary as written, with its `path`.

        Raises:
            MrbenchError: the shards are not those of these users, or a write failed.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from .shards import join_shards

        shards = sorted(shards, key=lambda shard: shard.index)
        complete = [shard.index for shard in shards] == list(range(len(shards)))
        if not complete or sum(shard.meta.users for shard in shards) != len(users):
            raise MrbenchError(
                f"the shards of {self.path} do not make up its {len(users)} users; repeat the command with --fresh"
            )
        table = pa.table({"user": pa.array(users), **{name: pa.array(column) for name, column in columns.items()}})
        atomic_write(self.path / RANKINGS, lambda file: join_shards(shards, file))
        atomic_write(self.path / METRICS, lambda file: pq.write_table(table, file, compression="zstd"))
        content = {**summary, "run": self.spec.id, "spec": self.spec.as_dict()}
        written = write_manifest(self.path / SUMMARY, content, [self.path / RANKINGS, self.path / METRICS])
        shutil.rmtree(self.path / SHARDS, ignore_errors=True)
        return {**written, "path": str(self.path)}

    def discard(self) -> None:
        """Delete the run, if there is one.

        Raises:
            MrbenchError: it can't be deleted.
        """
        remove_folder(self.path, first=SUMMARY)
