"""The steps of one run that a process does: train, decode some of the users, score. `runner` puts them in order."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from ..core.backbone import Backbone, FitReport, Task
from ..core.code_space import CodeSpace
from ..core.dataset import Dataset, Examples
from ..core.protocols import Model
from ..distributed.devices import environment, pick_device
from ..distributed.memory import training_advice
from ..distributed.processes import WorkerContext, noop
from ..errors import MrbenchError
from ..metrics.model_codes import ModelCodes
from ..store.models import FittedModelFolder
from ..store.run_spec import RunSpec
from ..store.runs import RunFolder
from ..store.shards import Shard
from .batch_decoder import BatchDecoder
from .config import ExecutionOptions, ExperimentConfig
from .resolve import ResolvedExperiment, resolve_config
from .scoring import score_shards
from .shard_decoder import ShardDecoder
from .summary import asked, command, costs, notes


@dataclass(frozen=True, eq=False)
class RunContext:
    """One run in one process.

    `train` and `decode_shards` are jobs: what several processes may do together.
    """

    resolved: ResolvedExperiment
    setup: ExecutionOptions
    dataset: Dataset
    spec: RunSpec
    device: str

    @classmethod
    def of(cls, question: ExperimentConfig, setup: ExecutionOptions) -> RunContext:
        """Resolve the question and read the data."""
        resolved = resolve_config(question, setup.data_dir)
        device = pick_device(setup.device)
        resolved = replace(resolved, device=device)
        dataset = resolved.source.load(setup.data_dir, users=question.users, notify=setup.notify)
        return cls(resolved, setup, dataset, resolved.spec(dataset), device)

    @cached_property
    def folder(self) -> RunFolder:
        return RunFolder(self.spec, self.setup.runs_dir, self.setup.notify)

    @cached_property
    def fit(self) -> FittedModelFolder:
        return FittedModelFolder(self.spec, self.setup.runs_dir, self.setup.notify)

    @cached_property
    def space(self) -> CodeSpace:
        return self.dataset.space(categories=self.spec.categories != "none")

    @cached_property
    def examples(self) -> Examples:
        """The users to decode, with their held-out items."""
        held_out = self.dataset.held_out(self.spec.split)
        some = slice(self.spec.eval_users)
        return Examples(held_out.histories[some], held_out.targets[some])

    @property
    def backbone(self) -> Backbone:
        """The backbone at its size."""
        return self.resolved.backbone.with_size_defaults(self.spec.model.size)

    @property
    def task(self) -> Task:
        """All that fitting and loading may depend on."""
        return Task(
            data=self.dataset,
            space=self.space,
            size=self.spec.model.size,
            seed=self.spec.seed,
            device=self.device,
            max_minutes=self.spec.max_minutes,
            quiet=self.setup.quiet,
            notify=self.setup.notify,
        )

    def model_codes(self, model: Model) -> ModelCodes | None:
        """The codes that the model names items in, where they are not the data's."""
        code = self.resolved.backbone.model_codes
        return ModelCodes(model.code_space, code) if code else None  # type: ignore[attr-defined]  # see `Model`

    @property
    def processes_to_train(self) -> int:
        """How many processes will train; 0 where there is nothing to train, or it is done."""
        ready = not self.backbone.sizes or (self.fit.is_done() and not self.setup.fresh)
        return 0 if ready else self.spec.train_devices

    def training_notice(self) -> str:
        """What is about to be trained, and what there is already."""
        model, several = self.spec.model, self.spec.train_devices
        line = f"training {model.name} on {self.dataset.name}, {self.device}, size {model.size}"
        line += self.resolved.why_size(self.dataset)
        if several == 1:
            return line
        line += f", {several} processes"
        alone = replace(self.spec, train_devices=1)
        if FittedModelFolder(alone, self.setup.runs_dir, noop).is_done():
            line += " (--train-devices 1 takes the model that one process has trained already)"
        return line

    def do(self, job: str, seat: WorkerContext, *arguments: Any) -> Any:
        """Do this process's share of a job."""
        return getattr(self, job)(seat, *arguments)

    def train(self, seat: WorkerContext) -> FitReport:
        """Job: train."""
        model = self.spec.model
        with training_advice(self.backbone, model.name, model.size, self.device), seat.joined():
            return self.backbone.fit(self.task, self.fit.path)

    def shards(self, weights: str) -> list[Shard]:
        """The parts that are decoded already, by rising index."""
        return self.folder.done_shards(device=self.device, batch_size=self.setup.batch_size, fit=weights)

    def load(self, weights: str) -> Model:
        """The fitted model.

        Raises:
            MrbenchError: it is not the one with these weights any more.
        """
        model = self.backbone.load(self.task, self.fit.path)
        if self.fit.weights_id() != weights:
            raise MrbenchError(f"{self.fit.path} was trained anew while it was loaded; repeat the command")
        return model

    def decode_shards(self, seat: WorkerContext, missing: list[list[int]], weights: str) -> None:
        """Job: decode every so many-th of the missing parts: (index, first row, the row after the last)."""
        from ..core.lifting import ExcludeHistory, adapt

        model, decoder = self.load(weights), self.resolved.decoder
        own = self.model_codes(model)
        if seat.place.rank == 0:
            self.folder.start()  # only now: a model that refuses the data leaves no run
        if self.spec.exclude_history:
            model = ExcludeHistory(model)
        space = self.space if own is None else own.space
        users = BatchDecoder(
            model=adapt(model, self.backbone.capability, decoder.needs, space),
            decoder=decoder,
            space=space,
            categories=self.spec.categories,
            item_ids=self.dataset.item_ids,
            beam=self.spec.beam,
            seed=self.spec.seed,
            device=self.device,
            batch_size=self.setup.batch_size,
            constrain=self.spec.constrain,
            names_items=own is not None,
        )
        parts = ShardDecoder(
            users=users,
            examples=self.examples,
            folder=self.folder,
            weights=weights,
            progress=seat.progress,
            notify=self.setup.notify,
            processes=seat.place.size,
        )
        for index, start, stop in missing[seat.place.rank :: seat.place.size]:
            parts.write(index, slice(start, stop))

    def finish(self, shards: list[Shard], report: FitReport | None) -> dict[str, Any]:
        """Score the stored rankings and write the summary."""
        own = self.model_codes(self.load(shards[0].meta.fit)) if self.resolved.backbone.model_codes else None
        categories, beam = self.spec.categories, self.spec.beam
        columns, results = score_shards(
            shards, self.examples, self.dataset, self.space, categories=categories, beam=beam, own=own
        )
        summary = asked(self.resolved, self.spec, self.dataset, self.space, own) | results
        summary |= costs(shards) | {"environment": environment(self.device)}
        summary |= {"fit": asdict(report) if report else None, "notes": notes(self.spec, self.dataset, self.space, own)}
        summary |= {"finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        summary |= {"command": command(self.resolved, self.spec)}
        return self.folder.finish(shards, self.examples.histories.users, columns, summary)
