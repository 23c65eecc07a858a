"""What reading histories at every r-th step only (`llada:refresh=r`) saves, and what it changes, on a fitted model.

Run `python benchmarks/refresh.py --data arts --size small --categories none --max-minutes 40 --runs-dir runs`, with the
options of a `mrbench run --model llada` that has left its fitted model in the run store. For each decoder and r it
prints, against r = 0 on the same users in the same run:

* ratio: CPU time, median over batches;
* equal: share of users whose whole ranking is the same; first: whose first result is; kept: share of all results that
  are in both rankings of a user.
"""

from __future__ import annotations

import argparse
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


def kept(ours: Tensor, exact: Tensor) -> float:
    """Share of the exact results that are found too. Shapes: (B, b, T)"""
    found = (exact[:, :, None] == ours[:, None]).all(dim=-1).any(dim=-1)
    return float(found.float().mean())


def compare(models: dict[int, Any], decoder: Any, task: Task, users: int, batch: int, beam: int) -> list[str]:
    """One line for each r but 0."""
    test, slots = task.data.test(), tuple(range(task.space.n_slots))
    times: dict[int, list[float]] = {refresh: [] for refresh in models}
    codes: dict[int, list[Tensor]] = {refresh: [] for refresh in models}
    for first in range(0, min(users, len(test)), batch):
        histories = test.histories[first : first + batch]
        for refresh, model in models.items():
            start = time.thread_time()
            found = decoder.decode(model.begin(histories, slots), make_canvas(task.space, histories.users), beam=beam)
            times[refresh].append(time.thread_time() - start)
            codes[refresh].append(found.codes)
    whole = {refresh: torch.cat(parts) for refresh, parts in codes.items()}
    lines = []
    for refresh in list(models)[1:]:
        ratio = median(np.divide(times[0], times[refresh]).tolist())
        same = (whole[refresh] == whole[0]).all(dim=-1)
        shares = [float(same.all(dim=1).float().mean()), float(same[:, 0].float().mean())]
        cells = "".join(f"{100 * share:7.1f}%" for share in (*shares, kept(whole[refresh], whole[0])))
        lines.append(f"{refresh:7} {ratio:6.2f}{cells}")
    return lines


def main() -> None:
    """One table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default in (("--data", "arts"), ("--size", "small"), ("--categories", "none"), ("--runs-dir", "runs")):
        parser.add_argument(flag, default=default)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--max-minutes", type=float)
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--decoders", nargs="+", default=["bs", "dbs-dedup", "dbs-penalty", "adaptive"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    question = ExperimentConfig(
        "llada", "bs", asked.data, size=asked.size, categories=asked.categories, max_minutes=asked.max_minutes
    )
    resolved = resolve_config(question)
    data = resolved.source.load(asked.data_dir, users=question.users, notify=print)
    spec = resolved.spec(data)
    task = Task(data, data.space(categories=asked.categories != "none"), size=asked.size, quiet=True)
    backbone: Any = resolved.backbone.with_size_defaults(asked.size)
    folder = FittedModelFolder(spec, Path(asked.runs_dir), print).path
    models = {r: replace(backbone, refresh=r).load(task, folder) for r in (0, 2, 3, task.space.n_slots)}
    print(f"{min(asked.users, len(data.test()))} users of {data.name}, fitted model {folder.name}")
    print("decoder      refresh  ratio  equal  first   kept")
    for name in asked.decoders:
        decoder = resolve_config(replace(question, decoder=name)).decoder
        for line in compare(models, decoder, task, asked.users, 128, question.beam):
            print(f"{name:12} {line}", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
