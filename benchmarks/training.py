"""Time of a training step of a from-scratch network, compared with the forward and backward pass of the same batches.

Run `python benchmarks/training.py llada llama3`; the data is `arts-sim`, or real with `--data arts --data-dir data`.
For each model it prints milliseconds of CPU time, medians over the steps, of

* padded: forward and backward of whole batches with their padding;
* bare: the same in buckets of similar length, as in training; every batch is computed in both ways in turn;
* step: from one optimiser step to the next in `trainer.fit`: making the batch, both passes, clipping, AdamW;

and the ratios padded / bare and step / bare, and the largest difference of a loss between padded and bare.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mindrec_baselines.code_lm import transformer
from mindrec_baselines.training.batches import EpochSampler, ExampleDataset
from mindrec_baselines.training.progress import TrainingProgress
from mindrec_bench.core.backbone import Task
from mindrec_bench.data.sources import resolve_data
from mindrec_bench.plugins import registry

WHOLE_BATCH, BUCKETED = 10**9, transformer.BUCKET_SIZE
"""Values of `transformer.BUCKET_SIZE`."""


def time_passes(backbone: Any, task: Task, steps: int) -> tuple[list[float], list[float], float]:
    """Seconds of the two passes, padded and bucketed, and how much the losses differ."""
    network = backbone.new_network(task).train()
    examples = task.data.train_examples()
    batches = ExampleDataset(examples, backbone.collator(task, 0))
    keys = list(EpochSampler(len(examples), task.seed, shuffle=True))
    times: dict[int, list[float]] = {WHOLE_BATCH: [], BUCKETED: []}
    largest_difference = 0.0
    for step in range(steps + 1):
        first = step * backbone.batch % (len(keys) - backbone.batch)
        batch = batches.__getitems__(keys[first : first + backbone.batch])
        losses = []
        for bucket_size, seconds in times.items():
            transformer.BUCKET_SIZE = bucket_size
            torch.manual_seed(step)
            network.zero_grad()
            start = time.process_time()
            loss = network(**batch)["loss"]
            loss.backward()
            seconds.append(time.process_time() - start)
            losses.append(loss.item())
        largest_difference = max(largest_difference, abs(losses[0] - losses[1]))
    transformer.BUCKET_SIZE = BUCKETED
    return times[WHOLE_BATCH][1:], times[BUCKETED][1:], largest_difference


def time_steps(backbone: Any, task: Task) -> list[float]:
    """Seconds of each step of a training of one epoch."""
    ends: list[float] = []
    on_step_end = TrainingProgress.on_step_end

    def recording(*args: Any, **kwargs: Any) -> None:
        ends.append(time.process_time())
        on_step_end(*args, **kwargs)

    TrainingProgress.on_step_end = recording  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            dataclasses.replace(backbone, epochs=1).fit(task, Path(folder) / "fit")
    finally:
        TrainingProgress.on_step_end = on_step_end  # type: ignore[method-assign]
    return [end - start for start, end in pairwise(ends[2:])]  # the first steps are for warming up


def main() -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["llada", "llama3"])
    parser.add_argument("--size", default="small")
    parser.add_argument("--data", default="arts-sim")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("mindrec_bench").setLevel(logging.INFO)
    torch.set_num_threads(1)
    _, source = resolve_data(arguments.data)
    data = source.load(arguments.data_dir, users=arguments.users)
    print("model        padded   bare   step  padded/bare  step/bare  loss differs by")
    for name in arguments.models:
        _, backbone = registry.make("model", name)
        task = Task(data, data.space(categories=False), size=arguments.size, quiet=True)
        padded, bucketed, difference = time_passes(backbone.with_size_defaults(arguments.size), task, arguments.steps)
        step = median(time_steps(backbone.with_size_defaults(arguments.size), task))
        numbers = [1e3 * median(seconds) for seconds in (padded, bucketed, [step])]
        print(
            f"{name:10} {numbers[0]:8.1f} {numbers[1]:6.1f} {numbers[2]:6.1f} {numbers[0] / numbers[1]:12.2f} "
            f"{numbers[2] / numbers[1]:10.2f} {difference:16.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
