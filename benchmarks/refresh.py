"""Time saved by computing histories at every r-th step only (`llada:refresh=r`), and how rankings change.

Run `python benchmarks/refresh.py --data arts --size small --categories none --max-minutes 40 --runs-dir runs`, with the
options of an earlier `mrbench run --model llada`, whose fitted model is in the run store; of a published LLM with
`--model llada:checkpoint=FOLDER --size checkpoint`. For each decoder and r it prints, compared with r = 0 on the same
users in the same process:

* ratio: CPU time, median over batches;
* equal: share of users whose whole ranking is the same; first: whose first result is the same; kept: share of the exact
  results that are in the approximate ranking of the user too.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.backbone import Task
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.testing import make_canvas


def overlap(codes: Tensor, exact: Tensor) -> float:
    """Share of the exact results that are among the approximate ones. Shapes: (B, b, T)"""
    is_kept = (exact[:, :, None] == codes[:, None]).all(dim=-1).any(dim=-1)
    return float(is_kept.float().mean())


def compare(models: dict[int, Any], decoder: Any, task: Task, users: int, batch: int, beam: int) -> list[str]:
    """One line for each r except 0."""
    test, slots = task.data.test(), tuple(range(task.space.n_slots))
    times: dict[int, list[float]] = {refresh: [] for refresh in models}
    codes: dict[int, list[Tensor]] = {refresh: [] for refresh in models}
    for first in range(0, min(users, len(test)), batch):
        histories = test.histories[first : first + batch]
        for refresh, model in models.items():
            start = time.thread_time()
            canvas = make_canvas(task.space, histories.users)
            ranking = decoder.decode(model.begin(histories, slots), canvas, beam=beam)
            times[refresh].append(time.thread_time() - start)
            codes[refresh].append(ranking.codes)
    rankings = {refresh: torch.cat(batches) for refresh, batches in codes.items()}
    lines = []
    for refresh in list(models)[1:]:
        ratio = median(np.divide(times[0], times[refresh]).tolist())
        is_equal = (rankings[refresh] == rankings[0]).all(dim=-1)
        shares = [float(is_equal.all(dim=1).float().mean()), float(is_equal[:, 0].float().mean())]
        shares.append(overlap(rankings[refresh], rankings[0]))
        cells = "".join(f"{100 * share:7.1f}%" for share in shares)
        lines.append(f"{refresh:7} {ratio:6.2f}{cells}")
    return lines


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llada")
    for flag, default in (("--data", "arts"), ("--size", "small"), ("--categories", "none"), ("--runs-dir", "runs")):
        parser.add_argument(flag, default=default)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--max-minutes", type=float)
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--decoders", nargs="+", default=["bs", "dbs-dedup", "dbs-penalty", "adaptive"])
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("mindrec_bench").setLevel(logging.INFO)
    torch.set_num_threads(1)
    config = ExperimentConfig(
        arguments.model,
        "bs",
        arguments.data,
        size=arguments.size,
        categories=arguments.categories,
        max_minutes=arguments.max_minutes,
    )
    resolved = resolve_config(config)
    data = resolved.load_data(arguments.data_dir)
    spec = resolved.run_spec(data)
    task = Task(data, data.space(categories=arguments.categories != "none"), size=arguments.size, quiet=True)
    backbone: Any = resolved.backbone.with_size_defaults(arguments.size)
    folder = FittedModelFolder(spec, Path(arguments.runs_dir)).path
    models = {r: replace(backbone, refresh=r).load(task, folder) for r in (0, 2, 3, task.space.n_slots)}
    print(f"{min(arguments.users, len(data.test()))} users of {data.name}, fitted model {folder.name}")
    print("decoder      refresh  ratio  equal  first   kept")
    for name in arguments.decoders:
        decoder = resolve_config(replace(config, decoder=name)).decoder
        for line in compare(models, decoder, task, arguments.users, arguments.batch_size, config.beam):
            print(f"{name:12} {line}", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
