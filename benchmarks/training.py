"""Time a training step of a from-scratch network against the bare forward and backward pass of the same batches.

Run `python benchmarks/training.py llada llama3`; data is `arts-sim`, or real with `--data arts --data-dir data`. For
each model it prints milliseconds of CPU time, medians over the steps, of

* padded: forward and backward of whole batches, padding and all;
* bare: the same in parts of like length, as the networks do it now; every batch goes through both in turn;
* step: from one optimiser step to the next in `training.fit`: batch making, both passes, clipping, AdamW, the Trainer;

and step / bare, and the largest difference of a loss between padded and bare.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mindrec_baselines.code_lm import transformer
from mindrec_baselines.training.progress import Progress
from mindrec_baselines.training.trainer import EpochSampler, ExampleDataset
from mindrec_bench.core.backbone import Task
from mindrec_bench.data.sources import resolve
from mindrec_bench.plugins import registry

PADDED, PARTS = 10**9, transformer.BUCKET_SIZE


def bare(backbone: Any, task: Task, steps: int) -> tuple[list[float], list[float], float]:
    """Seconds of the two passes, padded and in parts, and how much the losses differ."""
    network = backbone._network(task).train()
    examples = task.data.train_examples()
    batches = ExampleDataset(examples, backbone._collate(task, 0))
    keys = list(EpochSampler(len(examples), task.seed, shuffle=True))
    times: dict[int, list[float]] = {PADDED: [], PARTS: []}
    worst = 0.0
    for step in range(steps + 1):
        first = step * backbone.batch % (len(keys) - backbone.batch)
        batch = batches.__getitems__(keys[first : first + backbone.batch])
        losses = []
        for alike, seconds in times.items():
            transformer.BUCKET_SIZE = alike
            torch.manual_seed(step)
            network.zero_grad()
            start = time.process_time()
            loss = network(**batch)["loss"]
            loss.backward()
            seconds.append(time.process_time() - start)
            losses.append(loss.item())
        worst = max(worst, abs(losses[0] - losses[1]))
    transformer.BUCKET_SIZE = PARTS
    return times[PADDED][1:], times[PARTS][1:], worst


def fitted(backbone: Any, task: Task) -> list[float]:
    """Seconds between the ends of steps of a whole training of one epoch."""
    ends: list[float] = []
    of_progress = Progress.on_step_end

    def watched(*given: Any, **rest: Any) -> None:
        ends.append(time.process_time())
        of_progress(*given, **rest)

    Progress.on_step_end = watched  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            dataclasses.replace(backbone, epochs=1).fit(task, Path(folder) / "fit")
    finally:
        Progress.on_step_end = of_progress  # type: ignore[method-assign]
    return [later - sooner for sooner, later in pairwise(ends[2:])]  # the first steps warm up


def main() -> None:
    """One line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["llada", "llama3"])
    parser.add_argument("--size", default="small")
    parser.add_argument("--data", default="arts-sim")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--steps", type=int, default=12)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    _, source = resolve(asked.data)
    data = source.load(asked.data_dir, users=asked.users, notify=print)
    print("model        padded   bare   step  padded/bare  step/bare  loss differs by")
    for name in asked.models:
        _, backbone = registry.make("model", name)
        task = Task(data, data.space(categories=False), size=asked.size, quiet=True)
        padded, parts, worst = bare(backbone.with_size_defaults(asked.size), task, asked.steps)
        step = median(fitted(backbone.with_size_defaults(asked.size), task))
        numbers = [1e3 * median(seconds) for seconds in (padded, parts, [step])]
        print(
            f"{name:10} {numbers[0]:8.1f} {numbers[1]:6.1f} {numbers[2]:6.1f} {numbers[0] / numbers[1]:12.2f} "
            f"{numbers[2] / numbers[1]:10.2f} {worst:16.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
