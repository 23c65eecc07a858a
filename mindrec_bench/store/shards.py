"""Rankings as tables, and the shards in which they are written while a run decodes.

A shard is the ranking of some consecutive batches of users, one Parquet file. The hash of its content is in its name,
so a damaged one is noticed; a killed run continues with the shards it has.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..io.atomic import TEMPORARY, Notify, atomic_write, explain_write_errors
from ..io.hashing import canonical_json, sha256
from .rankings import SCHEMA

_META = b"mrbench"


_NAME = re.compile(r"(\d{5,})-([0-9a-f]{16})\.parquet")


@dataclass(frozen=True)
class ShardMeta:
    """How a shard was computed.

    Attributes:
        device: kind of device; shards of two kinds never mix, since their scores may differ in the last bits.
        batch_size: users a batch, as asked for; shards of two batch sizes never mix, for the same reason.
        users: how many users it covers, those without results included.
        batch_seconds: wall time of each batch.
        forward_passes: model calls of all its batches.
        peak_bytes: the most memory in use while it was computed.
        fit: `FittedModelFolder.weights_id` of the model; shards of two trainings never mix. '' where none is trained.
        missed: `search_error` of its users, each column of length `users`; empty where the exact answer is not known.
        halvings: how often the batch was halved because memory ran out; such shards mix with the others.
        processes: how many processes decoded parts of the run, each at this shard's speed.
    """

    device: str
    batch_size: int
    users: int
    batch_seconds: tuple[float, ...] = ()
    forward_passes: int = 0
    peak_bytes: int = 0
    fit: str = ""
    missed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    halvings: int = 0
    processes: int = 1

    @property
    def used_batch_size(self) -> int:
        """Users a batch, after halving."""
        return self.batch_size >> self.halvings

    @property
    def origin(self) -> tuple[str, int, str]:
        """What shards of one run must have in common."""
        return self.device, self.batch_size, self.fit


@dataclass(frozen=True)
class Shard:
    """A whole shard on the disk."""

    index: int
    path: Path
    meta: ShardMeta

    def table(self) -> pa.Table:
        """Its rankings, in `SCHEMA`, without metadata."""
        return pq.ParquetFile(self.path).read().cast(SCHEMA)


def write_shard(folder: Path, index: int, table: pa.Table, meta: ShardMeta) -> Shard:
    """Write one shard; it is there as a whole or not at all.

    Raises:
        MrbenchError: the disk is full or the folder can't be written.
    """
    tagged = table.cast(SCHEMA).replace_schema_metadata({_META: canonical_json(asdict(meta))})
    buffer = pa.BufferOutputStream()
    pq.write_table(tagged, buffer, compression="zstd")
    content = buffer.getvalue().to_pybytes()
    digest = _digest(content)
    path = folder / f"{index:05d}-{digest}.parquet"
    atomic_write(path, lambda file: file.write(content))
    return Shard(index, path, meta)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def whole_shards(folder: Path, *, device: str, batch_size: int, fit: str, notify: Notify) -> list[Shard]:
    """The shards that can be kept, by rising index; all else in the folder is deleted.

    Args:
        folder: may be missing.
        device: kind of device of this process; shards of another kind are discarded.
        batch_size: users a batch in this process; shards of another size are discarded.
        fit: which training the model comes from; shards of another training are discarded.
        notify: gets a notice that names each damaged shard, and one for shards that can't be mixed with new ones.

    Raises:
        MrbenchError: the folder can't be read or written.
    """
    kept: dict[int, Shard] = {}
    foreign: list[Shard] = []
    with explain_write_errors(folder):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            shard = _read_shard(path, notify)
            if shard is not None and shard.meta.origin != (device, batch_size, fit):
                foreign.append(shard)
            elif shard is not None:
                # Two whole shards of one index hold the same rankings, and differ in their timings only.
                kept.setdefault(shard.index, shard)
            if shard is None or kept.get(shard.index) is not shard:
                path.unlink()
    if foreign:
        notify(
            f"{len(foreign)} finished parts of {folder.parent} are from {_origin(*foreign[0].meta.origin)}, and can't "
            f"be mixed with {_origin(device, batch_size, fit)}; they are computed again"
        )
    return [kept[index] for index in sorted(kept)]


def _origin(device: str, batch_size: int, fit: str) -> str:
    return f"{device} in batches of {batch_size}" + (f" with weights {fit}" if fit else "")


def _read_shard(path: Path, notify: Notify) -> Shard | None:
    """A whole shard; None, with a notice, for a damaged one, and without for a file that was never finished."""
    if path.name.endswith(TEMPORARY):
        return None
    name = _NAME.fullmatch(path.name)
    if name is None or sha256(path)[: len(name[2])] != name[2]:
        notify(f"{path} is damaged; this part of the run is computed again")
        return None
    values: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_META])
    return Shard(int(name[1]), path, ShardMeta(**{**values, "batch_seconds": tuple(values["batch_seconds"])}))


def join_shards(shards: Iterable[Shard], file: BinaryIO) -> None:
    """Stream shards into one Parquet file, one after the other, without their metadata."""
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for shard in shards:
            writer.write_table(shard.table())
