"""The folder of one run in the run store: `<root>/<data>/<model>/<decoder>/<id>/` (docs/results-and-store.md).

It holds `spec.json`, `shards/` while the run decodes, and at the end `rankings.parquet` (one row per recommendation),
`metrics.parquet` (one row per user) and `summary.json`, which marks the run as finished. A compact run, which is kept
for tables, has no rankings; it may have `codes.parquet` instead. Usual order:

    folder = RunFolder(spec, root)
    with folder.lock(wait=True):
        run = folder.load_run()
        if run is None:
            folder.start()
            shards = folder.load_shards(device="cpu", batch_size=128)
            ...  # folder.write_shard(index, table, meta) for the missing ones
            run = folder.finish(shards, users, columns, summary)
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.code_space import Int
from ..errors import MrbenchError
from ..io.atomic import atomic_write, explain_read_errors, explain_write_errors, remove_folder, remove_path, write_json
from ..io.locks import folder_lock
from ..io.manifest import Stamp, manifest_stamp, write_manifest
from ..metrics.names import RANKING_METRICS
from .run_spec import RunSpec, folder_name
from .run_summary import RunSummary
from .runs import CODES, METRICS, RANKINGS, SPEC, SUMMARY, Run, read_run

if TYPE_CHECKING:  # `mrbench show` reads JSON only, and starts more quickly without Parquet
    import pyarrow as pa

    from ..metrics.accuracy import Columns
    from .shards import Shard, ShardMeta

SHARDS = "shards"

_SMALLEST: dict[str, Any] = {"compression": "zstd", "compression_level": 19}


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        spec: what the run is.
        root: the run store; it is created when something is written.
    """

    spec: RunSpec
    root: Path

    @property
    def path(self) -> Path:
        """`<root>/<data>/<model>/<decoder>/<id>`."""
        return self.root / self.spec.model_path / folder_name(self.spec.decoder.name) / self.spec.id

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold the run for this process; required by all methods below except `load_run`.

        Raises:
            MrbenchError: another process holds it and `wait` is false, or the lock can't be written.
        """
        return folder_lock(self.path, wait=wait)

    def load_run(self, *, verify: bool = True, warn: bool = True) -> Run | None:
        """The finished run; see `runs.read_run`."""
        return read_run(self.path, verify=verify, warn=warn)

    def stamp(self) -> Stamp:
        """Tells this finished run from one that is computed later."""
        return manifest_stamp(self.path / SUMMARY)

    @property
    def has_shards(self) -> bool:
        """Whether there are shards: of an unfinished run, or left by a process that was killed at the end of it.

        Raises:
            DataError: the folder can't be read.
        """
        with explain_read_errors(self.path):
            return (self.path / SHARDS).exists()

    def remove_shards(self) -> None:
        """Delete the shards of a finished run; where that fails, they only take space."""
        shutil.rmtree(self.path / SHARDS, ignore_errors=True)

    def start(self) -> None:
        """Get ready to compute: write `spec.json`, and delete what a damaged run left; whole shards stay.

        Raises:
            MrbenchError: the disk is full or the folder can't be written.
        """
        with explain_write_errors(self.path):
            for name in (SUMMARY, SPEC, RANKINGS, METRICS, CODES):
                remove_path(self.path / name)
        write_json(self.path / SPEC, self.spec.as_dict())

    def load_shards(self, *, device: str, batch_size: int, weights_id: str = "", shard_users: int = 512) -> list[Shard]:
        """The whole shards that new ones may be mixed with, by rising index; others are deleted, with a notice.

        Args:
            device: kind of device of this process.
            batch_size: users per batch in this process.
            weights_id: `FittedModelFolder.weights_id` of this process's model; '' where nothing is trained.
            shard_users: users in one shard.
        """
        from .shards import load_shards

        folder = self.path / SHARDS
        return load_shards(folder, device=device, batch_size=batch_size, weights_id=weights_id, shard_users=shard_users)

    def stored_batch_size(self, *, device: str, weights_id: str) -> int | None:
        """The batch size with which an interrupted run went on; see `shards.stored_batch_size`."""
        from .shards import stored_batch_size

        return stored_batch_size(self.path / SHARDS, device=device, weights_id=weights_id)

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

    def finish(self, shards: Sequence[Shard], users: Int, columns: Columns, summary: RunSummary) -> Run:
        """Join the shards, write the per-user metrics and, last, the summary; then delete the shards.

        Args:
            shards: all shards of the run.
            users: user ids. Shape: (U,)
            columns: the metrics of each user, as `metrics.lists.score_lists` returns them. HR and NDCG follow from
                `hit_rank`, and are not stored. Shape of each: (U,)
            summary: what came out.

        Returns:
            The finished run.

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
        stored = {name: column for name, column in columns.items() if name not in RANKING_METRICS}
        table = pa.table({"user": pa.array(users), **{name: pa.array(column) for name, column in stored.items()}})
        self.start()  # again: a killed process wrote what is there
        atomic_write(self.path / RANKINGS, lambda file: join_shards(shards, file))
        atomic_write(self.path / METRICS, lambda file: pq.write_table(table, file, compression="zstd"))
        run = self.seal(summary, (RANKINGS, METRICS))
        self.remove_shards()
        return run

    def store_compact(self, run: Run, *, with_codes: bool) -> Run:
        """Store a run of another run store without its rankings, for tables.

        Args:
            run: with the spec of this folder.
            with_codes: keep how often each user was recommended each code, for the tests of Entropy and TTR.

        Raises:
            DataError: a file of the run is damaged, missing, or can't be read.
            MrbenchError: a write failed.
        """
        import pyarrow.parquet as pq

        content, counts = run.read_file(METRICS), run.code_counts() if with_codes else None
        self.start()  # only now: the run may be the one in this folder
        atomic_write(self.path / METRICS, lambda file: file.write(content))
        if counts is not None:
            atomic_write(self.path / CODES, lambda file: pq.write_table(counts, file, **_SMALLEST))
        lacks = ("rankings",) if counts is not None else ("rankings", "codes")
        return self.seal(replace(run.summary, lacks=lacks), (METRICS, CODES) if counts is not None else (METRICS,))

    def seal(self, summary: RunSummary, files: Sequence[str]) -> Run:
        """Write the summary with the hashes of the files, which marks the run as finished."""
        paths = [self.path / name for name in (SPEC, *files)]
        written = write_manifest(self.path / SUMMARY, asdict(summary), paths)
        return Run(self.path, self.spec, summary, written["files"])

    def discard(self) -> None:
        """Delete the run, if there is one.

        Raises:
            MrbenchError: it can't be deleted.
        """
        remove_folder(self.path, first=SUMMARY)
