"""Decode the parts of a run, each into a shard; where memory runs out, in smaller batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from ..core.dataset import Examples
from ..distributed.devices import peak_bytes
from ..distributed.memory import ran_out, release
from ..errors import MrbenchError
from ..store.runs import RunFolder
from ..store.shards import Shard, ShardMeta
from .batch_decoder import BatchDecoder, Meter


@dataclass(eq=False)
class ShardDecoder:
    """Decodes and writes parts.

    A part is decoded in batches of one size from its start to its end, so its content depends on its users and that
    size alone. The batch (never the beam) is halved when memory runs out; parts decoded later start with what fitted.

    Attributes:
        users: decodes batches; its batch size is the one that was asked for, until memory runs out.
        examples: all users of the run.
        folder: gets the shards.
        weights: `FittedModelFolder.weights_id` of the model.
        progress: gets numbers of users decoded; negative ones when a part starts again.
        notify: gets a line when memory runs out.
        processes: how many processes decode parts of this run.
        halvings: how often the batch was halved.
    """

    users: BatchDecoder
    examples: Examples
    folder: RunFolder
    weights: str
    progress: Callable[[int], object]
    notify: Callable[[str], None]
    processes: int = 1
    halvings: int = 0

    def __post_init__(self) -> None:
        self.asked = self.users.batch_size

    def write(self, index: int, rows: slice) -> Shard:
        """Decode a part, which is these rows of the examples, and write its shard.

        Raises:
            MrbenchError: memory does not suffice for a batch of one user, or the shard can't be written.
        """
        part = Examples(self.examples.histories[rows], self.examples.targets[rows])
        while (done := self._try(part)) is None:
            release(self.users.device)  # here the error is gone, and with it what its traceback kept alive
            self._halve(len(part))
        table, meter = done
        meta = ShardMeta(
            device=self.users.device,
            batch_size=self.asked,
            users=len(part),
            fit=self.weights,
            batch_seconds=tuple(meter.batch_seconds),
            missed=meter.missed,
            forward_passes=meter.passes,
            peak_bytes=peak_bytes(self.users.device),
            halvings=self.halvings,
            processes=self.processes,
        )
        return self.folder.write_shard(index, table, meta)

    def _try(self, part: Examples) -> tuple[pa.Table, Meter] | None:
        """The rankings of a part and their cost; None where memory ran out and a smaller batch may do."""
        tables, meter, seen = [], Meter(), 0
        try:
            for table, count in self.users.batches(part, meter):
                tables.append(table)
                seen += count
                self.progress(count)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            if min(self.users.batch_size, len(part)) == 1:
                device = self.users.device
                raise MrbenchError(
                    f"decoding ran out of memory on {device} with one user at a time; take a smaller --beam, a smaller "
                    f"--size, or a {device} device with more memory"
                ) from error
            self.progress(-seen)
            return None
        return pa.concat_tables(tables), meter

    def _halve(self, users: int) -> None:
        """Halve the batch until it is smaller than the last one really was."""
        before = min(self.users.batch_size, users)
        while (size := self.asked >> self.halvings) >= before:
            self.halvings += 1
        self.users = replace(self.users, batch_size=size)
        self.notify(f"memory ran out with {before} users at a time; decoding goes on with {size}")
