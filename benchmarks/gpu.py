"""The training step and the pruning of a GPU, each before and after, on one machine in one go.

    python benchmarks/gpu.py training --size small --out training.json
    python benchmarks/gpu.py pruning --out pruning.json

`training`: for each model and batch, milliseconds from one step to the next by `transformers.Trainer`, by the training
loop without captured graphs, and by the loop as it is; how long a whole fit of two epochs takes either way, and its
validation losses; the kernels of one step, their number and their time. `pruning`: milliseconds of the penalty with
the walk in tensor operations, and as it is. `--device cpu` and `--size tiny` run anywhere.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from mindrec_baselines.training import captured, loop, trainer
from mindrec_baselines.training.progress import TrainingProgress
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Examples
from mindrec_bench.data.sources import resolve_data
from mindrec_bench.distributed.devices import environment
from mindrec_bench.plugins import registry
from mindrec_decoders.search import penalty_walk, pruning
from mindrec_decoders.search.expansion import Hypotheses

WAYS = ("trainer", "eager", "captured")
WARM_STEPS = 20


class TimedError(Exception):
    """The steps to be timed are over."""


def wait() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def timed_steps(count: int) -> Iterator[list[float]]:
    """End a training after `count` steps more than the first; the list gets the time before and after these."""
    times: list[float] = []
    on_step_end = TrainingProgress.on_step_end

    def timing(self: Any, args: Any, state: Any, *rest: Any, **kwargs: Any) -> None:
        on_step_end(self, args, state, *rest, **kwargs)
        if state.global_step in (WARM_STEPS, WARM_STEPS + count):
            wait()
            times.append(time.perf_counter())
        if state.global_step == WARM_STEPS + count:
            raise TimedError

    TrainingProgress.on_step_end = timing  # type: ignore[method-assign]
    try:
        yield times
    finally:
        TrainingProgress.on_step_end = on_step_end  # type: ignore[method-assign]


@contextmanager
def without_graphs(disabled: bool) -> Iterator[None]:
    """Whether steps are captured in the block."""
    before = captured.Captured.__post_init__
    if disabled:
        captured.Captured.__post_init__ = lambda self: setattr(self, "enabled", False)  # type: ignore[method-assign]
    try:
        yield
    finally:
        captured.Captured.__post_init__ = before  # type: ignore[method-assign]


def examples_of(backbone: Any, task: Task) -> tuple[Examples, Examples]:
    """What the backbone trains on and validates with: an example for each item, or one for each user."""
    if hasattr(backbone, "examples"):
        return backbone.examples(task)
    return task.data.train_examples(), task.data.validation()


def fit(backbone: Any, task: Task, way: str, examples: tuple[Examples, Examples]) -> Any:
    """The report of a training in one of `WAYS`."""
    collators = {"train": backbone.collator(task, 0), "valid": backbone.collator(task, 1)}
    network, config = backbone.new_network(task), backbone.training_config(task.size)
    with tempfile.TemporaryDirectory() as folder, without_graphs(way == "eager"):
        path, fixed_shapes = Path(folder) / "fit", way != "trainer"
        return trainer.fit(network, config, task, path, **collators, examples=examples, fixed_shapes=fixed_shapes)


def step_milliseconds(backbone: Any, task: Task, way: str, steps: int) -> float:
    """Time from one step to the next, inside one epoch: examples are repeated until they are enough."""
    examples, valid = examples_of(backbone, task)
    rows = np.arange((WARM_STEPS + steps + 1) * backbone.batch) % len(examples)
    repeated = Examples(examples.histories[rows], examples.targets[rows])
    with timed_steps(steps) as times, suppress(TimedError):
        fit(backbone, task, way, (repeated, valid))
    return 1e3 * (times[1] - times[0]) / steps


def kernels(backbone: Any, task: Task) -> dict[str, Any]:
    """The kernels of one eager step and their milliseconds; of a CPU its operators."""
    network = backbone.new_network(task).to(task.device).train()
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    examples = trainer.ExampleDataset(examples_of(backbone, task)[0], backbone.collator(task, 0))
    batch = examples.__getitems__(list(range(min(backbone.batch, len(examples)))))
    batch = {name: tensor.to(task.device) for name, tensor in batch.items()}

    def step() -> None:
        with torch.autocast(task.device, dtype=torch.bfloat16, enabled=task.device == "cuda"):
            loss = network(**batch)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(3):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(10):
        step()
    wait()
    bare = 1e2 * (time.perf_counter() - start)
    on_gpu = task.device == "cuda"
    kind = torch.profiler.ProfilerActivity.CUDA if on_gpu else torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[kind]) as profile:
        step()
        wait()
    events = [event for event in profile.events() if not on_gpu or event.device_type.name == "CUDA"]
    microseconds = sum(event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events)
    return {"bare_eager_ms": bare, "kernels": len(events), "kernels_ms": microseconds / 1e3}


def training(arguments: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """One row per model and batch."""
    _, source = resolve_data(arguments.data)
    data = source.load(None, users=arguments.users)
    for name in arguments.models:
        for batch in arguments.batches:
            backbone = registry.make("model", f"{name}:batch={batch},epochs=2")[1].with_size_defaults(arguments.size)
            space = data.space(categories=True)
            task = Task(data, space, size=arguments.size, device=arguments.device, quiet=True)
            row: dict[str, Any] = {"model": name, "batch": batch, "size": arguments.size}
            row |= {f"{way}_step_ms": step_milliseconds(backbone, task, way, arguments.steps) for way in WAYS}
            for way in ("trainer", "captured"):
                report = fit(backbone, task, way, examples_of(backbone, task))
                row |= {f"{way}_fit_seconds": report.seconds, f"{way}_losses": report.valid_loss}
            row |= {"steps_of_fit": report.steps, **kernels(backbone, task)}
            write(row)


def pruning_times(arguments: argparse.Namespace, write: Callable[[dict[str, Any]], None]) -> None:
    """One row per batch: 100 candidates of beam 10, four slots."""
    for users in arguments.batches:
        generator = torch.Generator().manual_seed(users)
        codes = torch.randint(-1, 8, (users, 100, 4), generator=generator).to(arguments.device)
        scores = torch.randn(users, 100, generator=generator, dtype=torch.float64).to(arguments.device)
        candidates = Hypotheses(codes, scores)
        results, row = [], {"users": users}
        for way, walk in (("by_rank", penalty_walk.walk_by_rank), ("as_it_is", penalty_walk.walk)):
            pruning.walk = walk
            times = []
            for _ in range(12):
                wait()
                start = time.perf_counter()
                results.append(pruning.penalty(candidates, beam=10, n_categories=0))
                wait()
                times.append(time.perf_counter() - start)
            row[f"{way}_ms"] = 1e3 * median(times[2:])
        row["equal"] = all(torch.equal(results[0], result) for result in results)
        row["triton"] = arguments.device == "cuda" and penalty_walk._has_triton()
        write(row)


def main() -> None:
    """Print and store one row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("training", "pruning"))
    parser.add_argument("--models", nargs="*", default=["llada", "llama3", "tiger"])
    parser.add_argument("--batches", nargs="*", type=int, default=[128, 1024])
    parser.add_argument("--size", default="small")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--data", default="arts-sim")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, help="file for the rows so far")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def write(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row), flush=True)
        if arguments.out:
            content = {"environment": environment(arguments.device), "wait_steps": loop.WAIT_STEPS, "rows": rows}
            arguments.out.write_text(json.dumps(content, indent=1) + "\n")

    (training if arguments.what == "training" else pruning_times)(arguments, write)


if __name__ == "__main__":
    main()
