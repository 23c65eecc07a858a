"""Decode one shard of a run at a time and store it; in smaller batches where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from ..core.dataset import Examples
from ..distributed.devices import peak_bytes
from ..distributed.memory import free_memory, is_out_of_memory
from ..errors import MrbenchError
from ..store.run_folder import RunFolder
from ..store.shards import Shard, ShardMeta
from .batch_decoder import BatchDecoder, Meter

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ShardDecoder:
    """Decodes and writes shards.

    A shard is decoded in batches of one size from its start to its end, so its content depends on its users and that
    size alone. The batch (never the beam) is halved when memory runs out; later shards start with the size that fitted.

    Attributes:
        batch_decoder: decodes batches; its batch size is the requested one until memory runs out.
        examples: all users of the run.
        folder: stores the shards.
        weights_id: `FittedModelFolder.weights_id` of the model.
        progress: gets numbers of users decoded; negative ones when a shard starts again.
        processes: how many processes decode shards of this run.
        shard_users: users in one shard of this run.
        halvings: how often the batch was halved.
    """

    batch_decoder: BatchDecoder
    examples: Examples
    folder: RunFolder
    weights_id: str
    progress: Callable[[int], object]
    processes: int = 1
    shard_users: int = ShardMeta.shard_users
    halvings: int = 0

    def __post_init__(self) -> None:
        self.requested_batch_size = self.batch_decoder.batch_size

    def write(self, index: int, rows: slice) -> Shard:
        """Decode the users in these rows of the examples and store their shard.

        Raises:
            MrbenchError: there is no memory for a batch of one user, or the shard can't be written.
        """
        examples = Examples(self.examples.histories[rows], self.examples.targets[rows])
        while (decoded := self._try(examples)) is None:
            free_memory()  # not in `_try`, where the traceback keeps tensors alive
            self._halve(len(examples))
        table, meter = decoded
        meta = ShardMeta(
            device=self.batch_decoder.device,
            batch_size=self.requested_batch_size,
            users=len(examples),
            weights_id=self.weights_id,
            batch_seconds=tuple(meter.batch_seconds),
            search_error=meter.search_error,
            forward_passes=meter.forward_passes,
            states=meter.states,
            peak_bytes=peak_bytes(self.batch_decoder.device),
            halvings=self.halvings,
            processes=self.processes,
            shard_users=self.shard_users,
        )
        return self.folder.write_shard(index, table, meta)

    def _try(self, examples: Examples) -> tuple[pa.Table, Meter] | None:
        """Rankings and their cost; None where memory ran out and a smaller batch may fit."""
        tables, meter, n_decoded = [], Meter(), 0
        try:
            for table, count in self.batch_decoder.decode_batches(examples, meter):
                tables.append(table)
                n_decoded += count
                self.progress(count)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if min(self.batch_decoder.batch_size, len(examples)) == 1:
                device = self.batch_decoder.device
                raise MrbenchError(
                    f"decoding ran out of memory on {device} with one user at a time; use a smaller --beam, a smaller "
                    f"--size, or a {device} device with more memory"
                ) from error
            self.progress(-n_decoded)
            return None
        return pa.concat_tables(tables), meter

    def _halve(self, users: int) -> None:
        """Halve the batch until it is smaller than the largest batch that was really decoded."""
        before = min(self.batch_decoder.batch_size, users)
        while (size := self.requested_batch_size >> self.halvings) >= before:
            self.halvings += 1
        self.batch_decoder = replace(self.batch_decoder, batch_size=size)
        logger.warning(f"memory ran out with {before} users at a time; decoding goes on with {size}")
