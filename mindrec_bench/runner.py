"""One question from words to a stored answer: read, fit or reuse, decode, score, store."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .codes import CodeSpace
from .contracts import FitReport, Model, Task
from .data.dataset import Dataset, Examples
from .decoding import SHARD_USERS, Meter, UserDecoder
from .environment import environment, peak_bytes, pick_device
from .errors import UsageError
from .fits import FitFolder
from .identity import RunSpec
from .question import Question, Resolved, resolve_question
from .runs import RunFolder
from .scoring import data_notes, score_shards, spec_summary
from .shards import Shard, ShardMeta

MAX_BATCH = SHARD_USERS
"""Batches do not cross shards."""

DONE_ALREADY = "this run is done already; --fresh computes it again"
"""The notice where a stored answer is returned."""


@dataclass(frozen=True)
class Setup:
    """How a question is answered; nothing here changes the answer (but for float ties between batch sizes and devices).

    Attributes:
        runs_dir: the run store.
        data_dir: where data folders are, or None for the usual places.
        device: `auto`, `cpu` or `cuda`.
        batch_size: users decoded together.
        fresh: forget the run and its fitted model first.
        wait: wait for another process on the same run.
        quiet: no progress bars.
        notify: gets lines of progress.
    """

    runs_dir: Path = Path("runs")
    data_dir: Path | None = None
    device: str = "auto"
    batch_size: int = 128
    fresh: bool = False
    wait: bool = True
    quiet: bool = True
    notify: Callable[[str], None] = lambda line: None


def run_question(question: Question, setup: Setup) -> dict[str, Any]:
    """Answer a question, or return the stored answer.

    Returns:
        The run's summary, as in its `summary.json`.

    Raises:
        MrbenchError: see `mindrec_bench.errors` for its kinds.
    """
    if not 1 <= setup.batch_size <= MAX_BATCH:
        raise UsageError(f"--batch-size is {setup.batch_size}; it must be from 1 to {MAX_BATCH}")
    resolved = resolve_question(question, setup.data_dir)
    device = pick_device(setup.device)
    dataset = resolved.source.load(setup.data_dir, users=question.users, notify=setup.notify)
    run = _Run(resolved, setup, dataset, resolved.spec(dataset), device)
    folder = run.folder
    with folder.lock(wait=setup.wait):
        if setup.fresh:
            folder.discard()
        summary = folder.load_summary()
        if summary is not None:
            setup.notify(DONE_ALREADY)
            return summary
        model, report, weights = run.fitted_model()
        folder.start()
        return run.finish(run.decode(model, weights), report)


@dataclass(frozen=True, eq=False)
class _Run:
    """The steps of one run."""

    resolved: Resolved
    setup: Setup
    dataset: Dataset
    spec: RunSpec
    device: str

    @cached_property
    def folder(self) -> RunFolder:
        return RunFolder(self.spec, self.setup.runs_dir, self.setup.notify)

    @cached_property
    def fit(self) -> FitFolder:
        return FitFolder(self.spec, self.setup.runs_dir, self.setup.notify)

    @cached_property
    def space(self) -> CodeSpace:
        return self.dataset.space(categories=self.spec.categories != "none")

    @cached_property
    def examples(self) -> Examples:
        """The users to decode, with their held-out items."""
        held_out = self.dataset.held_out(self.spec.split)
        some = slice(self.spec.eval_users)
        return Examples(held_out.histories[some], held_out.targets[some])

    def fitted_model(self) -> tuple[Model, FitReport | None, str]:
        """Fit the backbone, or reuse a fitted one, and load it; with its report and weights id where it is trained."""
        backbone, setup = self.resolved.backbone.at(self.spec.model.size), self.setup
        task = Task(
            data=self.dataset,
            space=self.space,
            size=self.spec.model.size,
            seed=self.spec.seed,
            device=self.device,
            max_minutes=self.spec.max_minutes,
            quiet=setup.quiet,
            notify=setup.notify,
        )
        fit = self.fit
        if not backbone.sizes:
            return backbone.load(task, fit.path), None, ""
        with fit.lock(wait=setup.wait):
            if setup.fresh:
                fit.discard()
            report = fit.load_report()
            if report is None:
                fit.start()
                setup.notify(
                    f"training {self.spec.model.name} on {self.dataset.name}, {self.device}, size {task.size}"
                    + self.resolved.why_size(self.dataset)
                )
                report = fit.finish(backbone.fit(task, fit.path))
            return backbone.load(task, fit.path), report, fit.weights_id()

    def decode(self, model: Model, weights: str) -> list[Shard]:
        """Decode the users of all shards that are not there yet, or are from other weights."""
        from tqdm import tqdm

        from .adapters import ExcludeHistory, adapt

        backbone, decoder = self.resolved.backbone, self.resolved.decoder
        if self.spec.exclude_history:
            model = ExcludeHistory(model)
        users = UserDecoder(
            model=adapt(model, backbone.capability, decoder.needs, self.space),
            decoder=decoder,
            space=self.space,
            categories=self.spec.categories,
            item_ids=self.dataset.item_ids,
            beam=self.spec.beam,
            seed=self.spec.seed,
            device=self.device,
            batch_size=self.setup.batch_size,
            constrain=self.spec.constrain,
        )
        shards = self.folder.done_shards(device=self.device, batch_size=self.setup.batch_size, fit=weights)
        done = {shard.index for shard in shards}
        with tqdm(total=len(self.examples), unit=" users", desc="decoding", disable=self.setup.quiet) as bar:
            bar.update(sum(shard.meta.users for shard in shards))
            for index in range(math.ceil(len(self.examples) / SHARD_USERS)):
                if index not in done:
                    shards.append(self._shard(users, index, weights, bar.update))
        return sorted(shards, key=lambda shard: shard.index)

    def _rows(self, index: int) -> slice:
        return slice(index * SHARD_USERS, (index + 1) * SHARD_USERS)

    def _shard(self, users: UserDecoder, index: int, weights: str, progress: Callable[[int], object]) -> Shard:
        rows, meter = self._rows(index), Meter()
        part = Examples(self.examples.histories[rows], self.examples.targets[rows])
        tables = []
        for table, count in users.batches(part, meter):
            tables.append(table)
            progress(count)
        meta = ShardMeta(
            device=self.device,
            batch_size=users.batch_size,
            users=len(part),
            fit=weights,
            batch_seconds=tuple(meter.batch_seconds),
            missed=meter.missed,
            forward_passes=meter.passes,
            peak_bytes=peak_bytes(self.device),
        )
        return self.folder.write_shard(index, pa.concat_tables(tables), meta)

    def finish(self, shards: list[Shard], report: FitReport | None) -> dict[str, Any]:
        """Score the stored rankings and write the summary."""
        columns, results = score_shards(
            shards, self.examples, self.dataset, self.space, categories=self.spec.categories, beam=self.spec.beam
        )
        summary = self._head() | results
        summary |= _costs(shards) | {"environment": environment(self.device)}
        summary |= {"fit": asdict(report) if report else None, "notes": self._notes()}
        summary |= {"finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": self._command()}
        return self.folder.finish(shards, self.examples.histories.users, columns, summary)

    def _head(self) -> dict[str, Any]:
        """What was asked, in the words a reader looks for."""
        question, spec = self.resolved.question, self.spec
        return {
            "model": self.resolved.model_label,
            "decoder": self.resolved.decoder_label,
            "data": question.data,
            "size": spec.model.size,
            "users": self.dataset.n_users,
            "users_asked": question.users,
            **spec_summary(spec, self.space),
        }

    def _notes(self) -> list[str]:
        notes = data_notes(self.dataset, self.space)
        if self.dataset.simulation is not None and self.spec.categories == "given":
            notes.append("the best reachable values do not know the given categories, so this run may exceed them")
        return notes

    def _command(self) -> str:
        """The shortest command that asks this question."""
        question, default = self.resolved.question, Question("", "")
        words = ["mrbench", "run", "--model", self.resolved.model_label, "--decoder", self.resolved.decoder_label]
        words += ["--data", question.data]
        if self.spec.model.size:
            words += ["--size", self.spec.model.size]
        words += ["--categories", self.spec.categories]
        for name in ("constrain", "beam", "users", "eval_users", "seed", "exclude_history", "max_minutes", "split"):
            value = getattr(question, name)
            if value != getattr(default, name):
                flag = f"--{name.replace('_', '-')}"
                words += [flag] if value is True else [flag, "all" if value is None else str(value)]
        return shlex.join(words)


def _costs(shards: list[Shard]) -> dict[str, Any]:
    """Decoding time and memory over all shards."""
    seconds = np.concatenate([shard.meta.batch_seconds for shard in shards])
    total = float(seconds.sum())
    return {
        "seconds": total,
        "timings": {
            "users_per_second": sum(shard.meta.users for shard in shards) / total,
            "batch_size": shards[0].meta.batch_size,
            "batch_p50": float(np.quantile(seconds, 0.5)),
            "batch_p95": float(np.quantile(seconds, 0.95)),
            "forward_passes": sum(shard.meta.forward_passes for shard in shards),
            "peak_bytes": max(shard.meta.peak_bytes for shard in shards),
        },
    }
