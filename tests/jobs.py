"""Jobs for worker processes, which find a function by the name of its module: tests put this folder on `sys.path`."""

from __future__ import annotations

import json
import os
import signal

import torch
from torch import distributed

from mindrec_baselines.llada import Llada
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import DataError
from mindrec_bench.experiment import run, shard_decoder


def add_up(seat, notify, start):
    """The sum of all ranks and of `start`, by a collective."""
    notify(f"process {seat.place.rank}")
    seat.progress(seat.place.rank)
    total = torch.tensor([seat.place.rank])
    with seat.joined():
        if distributed.is_initialized():
            distributed.all_reduce(total)
    assert not distributed.is_initialized()
    return start + int(total), seat.place.rank, torch.get_num_threads()


def fail(seat, notify, kind, rank):
    """Process `rank` fails in one way, and the others wait for it in a collective."""
    with seat.joined():
        if seat.place.rank == rank and kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if seat.place.rank == rank and kind == "exit":
            os._exit(7)
        if seat.place.rank == rank and kind == "bug":
            raise ZeroDivisionError("three by zero")
        if seat.place.rank == rank and kind == "data":
            raise DataError("the data is broken; mend it")
        distributed.all_reduce(torch.zeros(1))
        distributed.all_reduce(torch.zeros(1))


def sleep(seat, notify):
    """Say who one is, and stay."""
    notify(str(os.getpid()))
    signal.pause()


def killed_after_a_part(seat, notify, *arguments):
    """A run's work, in which process 1 is killed when it has written one part."""
    write = shard_decoder.ShardDecoder.write

    def once(self, index, rows):
        write(self, index, rows)
        if seat.place.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    shard_decoder.ShardDecoder.write = once
    return run._work(seat, notify, *arguments)


def killed_at_step_7(seat, notify, *arguments):
    """A run's work, in which process 1 is killed while it trains; there are checkpoints after each step."""
    from mindrec_baselines.training import progress

    step = progress.Progress.on_step_end
    progress.SAVE_SECONDS = 0.0

    def dying(self, args, state, control, **rest):
        if seat.place.rank == 1 and state.global_step == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        step(self, args, state, control, **rest)

    progress.Progress.on_step_end = dying
    return run._work(seat, notify, *arguments)


def train(seat, notify, values, folder, options):
    """The report of a training of `llada`, and the keys of the batches of this process, left in `keys-<rank>.json`."""
    folder.mkdir(exist_ok=True)
    backbone = Llada(**options)
    keys = []
    make = Llada._collate

    def watched(self, task, stream):
        collate = make(self, task, stream)

        def recording(examples, numbers):
            if stream == 0:
                keys.append(numbers.tolist())
            return collate(examples, numbers)

        return recording

    Llada._collate = watched
    data = Dataset(**values)
    task = Task(data, data.space(categories=False), size="tiny", quiet=True, notify=notify)
    with seat.joined():
        report = backbone.fit(task, folder)
    (folder / f"keys-{seat.place.rank}.json").write_text(json.dumps(keys))
    return report
