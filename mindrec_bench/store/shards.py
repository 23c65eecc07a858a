"""Shards: the rankings of consecutive users, one Parquet file each, written while a run decodes.

The hash of its content is in a shard's name, so a damaged one is noticed; a killed run continues with its whole shards.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..io.atomic import TEMPORARY, atomic_write, explain_read_errors, explain_write_errors, remove_path
from ..io.hashing import canonical_json, sha256
from ..io.schema import read_strictly
from .rankings import SCHEMA

logger = logging.getLogger(__name__)

_META = b"mrbench"
_NAME = re.compile(r"(\d{5,})-([0-9a-f]{16})\.parquet")


@dataclass(frozen=True)
class ShardMeta:
    """How a shard was computed.

    Attributes:
        device: kind of device; shards of two kinds never mix, since their scores may differ in the last bits.
        batch_size: users per batch as requested; shards of two batch sizes never mix, for the same reason.
        users: how many users it covers, those without results included.
        batch_seconds: wall time of each batch.
        forward_passes: model calls of all its batches.
        states: what these calls asked for; 0 where it was not counted.
        peak_bytes: the most memory in use while it was computed.
        weights_id: `FittedModelFolder.weights_id` of the model; shards of two trainings never mix. '' where nothing is
            trained.
        search_error: `metrics.search_error.search_error` of its users, each column of length `users`; empty where the
            exact ranking is unknown.
        halvings: how often the batch was halved because memory ran out; such shards mix with the others.
        processes: how many processes decoded shards of the run, each at this shard's speed.
        shard_users: users in one shard of the run, its last one aside; shards of two sizes never mix.
    """

    device: str
    batch_size: int
    users: int
    batch_seconds: tuple[float, ...] = ()
    forward_passes: int = 0
    states: int = 0
    peak_bytes: int = 0
    weights_id: str = ""
    search_error: Mapping[str, Sequence[float]] = field(default_factory=dict)
    halvings: int = 0
    processes: int = 1
    shard_users: int = 512

    @property
    def used_batch_size(self) -> int:
        """Users per batch, after halving."""
        return self.batch_size >> self.halvings

    @property
    def origin(self) -> tuple[str, int, str, int]:
        """What shards of one run must have in common."""
        return self.device, self.batch_size, self.weights_id, self.shard_users

    def to_json(self) -> str:
        """Canonical JSON."""
        return canonical_json(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> ShardMeta:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return read_strictly(cls, json.loads(text))


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
    """Write one shard, whole or not at all.

    Raises:
        MrbenchError: the disk is full or the folder can't be written.
    """
    tagged = table.cast(SCHEMA).replace_schema_metadata({_META: meta.to_json()})
    buffer = pa.BufferOutputStream()
    pq.write_table(tagged, buffer, compression="zstd")
    content = buffer.getvalue().to_pybytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"{index:05d}-{digest}.parquet"
    atomic_write(path, lambda file: file.write(content))
    return Shard(index, path, meta)


def load_shards(
    folder: Path, *, device: str, batch_size: int, weights_id: str, shard_users: int = ShardMeta.shard_users
) -> list[Shard]:
    """The shards that can be kept, by rising index; everything else in the folder is deleted.

    Logs each damaged shard, and how many can't be mixed with new ones.

    Args:
        folder: may be missing.
        device: kind of device of this process; shards of another kind are discarded.
        batch_size: users per batch in this process; shards of another size are discarded.
        weights_id: of the model; shards of another training are discarded.
        shard_users: users in one shard; shards of another size are discarded.

    Raises:
        MrbenchError: the folder can't be read or written.
    """
    origin = (device, batch_size, weights_id, shard_users)
    kept: dict[int, Shard] = {}
    discarded: list[Shard] = []
    with explain_write_errors(folder):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            with explain_read_errors(path):
                shard = _read_shard(path)
            if shard is not None and shard.meta.origin != origin:
                discarded.append(shard)
            elif shard is not None:
                # Two whole shards of one index hold the same rankings, and differ in their timings only.
                kept.setdefault(shard.index, shard)
            if shard is None or kept.get(shard.index) is not shard:
                remove_path(path)
    if discarded:
        logger.warning(
            f"{len(discarded)} finished shards of {folder.parent} are from {_origin_text(*discarded[0].meta.origin)}, "
            f"and can't be mixed with {_origin_text(*origin)}; they are computed again"
        )
    return [kept[index] for index in sorted(kept)]


def stored_batch_size(folder: Path, *, device: str, weights_id: str) -> int | None:
    """The batch size of the shards in a folder that new ones of any batch size could be mixed with; None without any.

    Args:
        folder: may be missing.
        device: kind of device of this process.
        weights_id: of the model.

    Raises:
        MrbenchError: the folder can't be read.
    """
    with explain_write_errors(folder):
        shards = [_read_shard(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    metas = [shard.meta for shard in shards if shard]
    sizes = [meta.batch_size for meta in metas if (meta.device, meta.weights_id) == (device, weights_id)]
    return sizes[0] if sizes else None


def _origin_text(device: str, batch_size: int, weights_id: str, shard_users: int) -> str:
    shards = f" in shards of {shard_users}" if shard_users != ShardMeta.shard_users else ""
    return f"{device} in batches of {batch_size}{shards}" + (f" with weights {weights_id}" if weights_id else "")


def _read_shard(path: Path) -> Shard | None:
    """A whole shard; None, with a notice, for a damaged one, and without for a file that was never finished."""
    if path.name.endswith(TEMPORARY):
        return None
    name = _NAME.fullmatch(path.name)
    if name is None or not path.is_file() or sha256(path)[: len(name[2])] != name[2]:
        logger.warning(f"{path} is damaged; this shard of the run is computed again")
        return None
    return Shard(int(name[1]), path, ShardMeta.from_json(pq.read_schema(path).metadata[_META]))


def join_shards(shards: Iterable[Shard], file: BinaryIO) -> None:
    """Stream shards into one Parquet file, one after the other, without their metadata."""
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for shard in shards:
            writer.write_table(shard.table())
