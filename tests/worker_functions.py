"""Worker functions that tests launch; workers import this module by name, so tests put this folder on `sys.path`.

Each function imports what it needs: most workers start more quickly without the rest.
"""

from __future__ import annotations

import json
import logging
import os
import signal

import torch
from torch import distributed

from mindrec_bench.errors import DataError

logger = logging.getLogger(__name__)


def add_up(worker, start):
    """The sum of all ranks and of `start`, by a collective."""
    logger.info(f"process {worker.process.rank}")
    worker.progress(worker.process.rank)
    total = torch.tensor([worker.process.rank])
    with worker.torch_distributed():
        if distributed.is_initialized():
            distributed.all_reduce(total)
    assert not distributed.is_initialized()
    return start + int(total), worker.process.rank, torch.get_num_threads()


def fail(worker, kind, rank):
    """Process `rank` fails in one way, and the others wait for it in a collective."""
    with worker.torch_distributed():
        if worker.process.rank == rank and kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if worker.process.rank == rank and kind == "exit":
            os._exit(7)
        if worker.process.rank == rank and kind == "bug":
            raise ZeroDivisionError("three by zero")
        if worker.process.rank == rank and kind == "data":
            raise DataError("the data is broken; mend it")
        distributed.all_reduce(torch.zeros(1))
        distributed.all_reduce(torch.zeros(1))


def sleep(worker):
    """Report the process id, and wait for a signal."""
    logger.warning(str(os.getpid()))
    signal.pause()


def run_with_torchrun(rank, size, port, config, options):
    """A run in one of the processes that torchrun started."""
    from mindrec_bench.distributed.processes import VARIABLES
    from mindrec_bench.experiment.run import run_experiment

    values = zip(VARIABLES, (rank, size, rank, size), strict=True)
    os.environ.update({name: str(value) for name, value in values})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_USE_AGENT_STORE="True")
    run_experiment(config, options)


def killed_after_a_shard(worker, *arguments):
    """`run.run_in_worker`, but process 1 is killed when it has written one shard."""
    from mindrec_bench.experiment import run, shard_decoder

    write = shard_decoder.ShardDecoder.write

    def write_once(self, index, rows):
        write(self, index, rows)
        if worker.process.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    shard_decoder.ShardDecoder.write = write_once
    return run.run_in_worker(worker, *arguments)


def killed_at_step_7(worker, *arguments):
    """`run.run_in_worker`, but process 1 is killed while it trains; there are checkpoints after each step."""
    from mindrec_baselines.training import progress
    from mindrec_bench.experiment import run

    step = progress.TrainingProgress.on_step_end
    progress.SAVE_SECONDS = 0.0

    def dying(self, args, state, control, **rest):
        if worker.process.rank == 1 and state.global_step == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        step(self, args, state, control, **rest)

    progress.TrainingProgress.on_step_end = dying
    return run.run_in_worker(worker, *arguments)


def train(worker, values, folder, options):
    """The report of a training of `llada`; the keys of this process's batches are written to `keys-<rank>.json`."""
    from mindrec_baselines.llada import Llada
    from mindrec_bench.core.backbone import Task
    from mindrec_bench.core.dataset import Dataset

    folder.mkdir(exist_ok=True)
    backbone = Llada(**options)
    keys = []
    make = Llada.collator

    def watched(self, task, stream):
        collate = make(self, task, stream)

        def recording(examples, numbers):
            if stream == 0:
                keys.append(numbers.tolist())
            return collate(examples, numbers)

        return recording

    Llada.collator = watched
    data = Dataset(**values)
    task = Task(data, data.space(categories=False), size="tiny", quiet=True)
    with worker.torch_distributed():
        report = backbone.fit(task, folder)
    (folder / f"keys-{worker.process.rank}.json").write_text(json.dumps(keys))
    return report
