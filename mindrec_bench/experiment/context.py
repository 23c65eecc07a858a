"""One run in one process: its data, folders and models, and the steps that this process does for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..core.backbone import Backbone, FitReport, Task
from ..core.code_space import CodeSpace
from ..core.dataset import Dataset, Examples
from ..core.protocols import Decoder, Model
from ..distributed.devices import environment, pick_device
from ..distributed.memory import explain_out_of_memory, free_memory
from ..distributed.processes import WorkerContext
from ..errors import MrbenchError
from ..metrics.model_codes import ModelCodes
from ..store.models import FittedModelFolder
from ..store.run_folder import RunFolder
from ..store.run_spec import RunSpec
from ..store.run_summary import Environment, RunSummary, now
from ..store.runs import Run
from ..store.shards import Shard
from .batch_decoder import BatchDecoder
from .batch_size import find_batch_size
from .config import AUTO, DEFAULT_BATCH, ExecutionOptions, ExperimentConfig
from .resolve import ResolvedExperiment, resolve_config
from .search_error_meter import SearchErrorMeter
from .shard_decoder import ShardDecoder
from .summary import code_origins, decoding_costs, run_command, run_notes, score_shards, slot_counts
from .tracking import open_tracker


@dataclass(frozen=True, eq=False)
class RunContext:
    """One run in one process.

    Attributes:
        resolved: the experiment, its names looked up.
        options: how it is executed.
        dataset: its data.
        spec: what the run is.
        device: `cpu`, `cuda` or `mps`.
    """

    resolved: ResolvedExperiment
    options: ExecutionOptions
    dataset: Dataset
    spec: RunSpec
    device: str

    @classmethod
    def create(cls, config: ExperimentConfig, options: ExecutionOptions) -> RunContext:
        """Resolve the config and read the data."""
        resolved = resolve_config(config, options.data_dir)
        device = pick_device(options.device)
        resolved = replace(resolved, device=device)
        dataset = resolved.load_data(options.data_dir)
        return cls(resolved, options, dataset, resolved.run_spec(dataset), device)

    @cached_property
    def run_folder(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder(self.spec, self.options.runs_dir)

    @cached_property
    def model_folder(self) -> FittedModelFolder:
        """The folder of its fitted model."""
        return FittedModelFolder(self.spec, self.options.runs_dir)

    @cached_property
    def space(self) -> CodeSpace:
        """The slots of the data."""
        return self.dataset.space(categories=self.spec.categories != "none")

    @cached_property
    def examples(self) -> Examples:
        """The users to decode, with their held-out items."""
        held_out = self.dataset.held_out(self.spec.split)
        first = slice(self.spec.eval_users)
        return Examples(held_out.histories[first], held_out.targets[first])

    @property
    def backbone(self) -> Backbone:
        """The backbone with the defaults of its size."""
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
            quiet=self.options.quiet,
        )

    @property
    def training_processes(self) -> int:
        """How many processes will train; 0 where nothing is trained, or the model is fitted already."""
        is_ready = not self.backbone.sizes or (self.model_folder.is_done() and self.options.fresh != "all")
        return 0 if is_ready else self.spec.train_devices

    def training_notice(self) -> str:
        """What will be trained, and which fitted model could be used instead."""
        model, processes = self.spec.model, self.spec.train_devices
        notice = f"training {model.name} on {self.dataset.name}, {self.device}, size {model.size}"
        notice += self.resolved.size_reason(self.dataset)
        if processes == 1:
            return notice
        notice += f", {processes} processes"
        single = FittedModelFolder(replace(self.spec, train_devices=1), self.options.runs_dir)
        if single.is_done():
            notice += " (--train-devices 1 uses the model that one process has trained already)"
        return notice

    @property
    def worker_functions(self) -> Mapping[str, Callable[..., Any]]:
        """What several processes may do together (`distributed.processes`), by name."""
        return {"train": self.train, "find_batch_size": self.find_batch_size, "decode_shards": self.decode_shards}

    def train(self, worker: WorkerContext) -> FitReport:
        """Worker function: fit the backbone."""
        model, name = self.spec.model, self.options.track if worker.process.rank == 0 else None
        with (
            explain_out_of_memory(self.backbone, model.name, model.size, self.device),
            worker.torch_distributed(),
            open_tracker(name, self.spec, self.options.runs_dir) if name else nullcontext() as tracker,
        ):
            report = self.backbone.fit(replace(self.task, tracker=tracker), self.model_folder.path)
        free_memory()  # else what training allocated is held while the model decodes
        return report

    def find_batch_size(self, worker: WorkerContext, weights_id: str) -> int:
        """Worker function: the batch size that `batch_size.find_batch_size` finds for this run on this GPU."""
        model = self.load_model(weights_id)
        try:
            return find_batch_size(self.batch_decoder(model, beam=self.spec.beam), self.examples)
        finally:
            del model
            free_memory()

    def decode_shards(
        self, worker: WorkerContext, missing: list[list[int]], weights_id: str, batch_size: int, shard_users: int
    ) -> None:
        """Worker function: decode and store this process's share of the missing shards.

        Args:
            worker: of this process.
            missing: of each shard the index, the first row of the examples, and the row after the last.
            weights_id: `FittedModelFolder.weights_id` of the model.
            batch_size: users decoded together.
            shard_users: users in one shard.
        """
        model = self.load_model(weights_id)
        if worker.process.rank == 0:
            self.run_folder.start()  # only now: a model that refuses the data leaves no run
        shard_decoder = ShardDecoder(
            batch_decoder=replace(
                self.batch_decoder(model, beam=self.spec.beam),
                batch_size=batch_size,
                error_meter=self.search_error_meter(model),
            ),
            examples=self.examples,
            folder=self.run_folder,
            weights_id=weights_id,
            progress=worker.progress,
            processes=worker.process.size,
            shard_users=shard_users,
        )
        for index, start, stop in missing[worker.process.rank :: worker.process.size]:
            shard_decoder.write(index, slice(start, stop))

    def batch_decoder(self, model: Model, *, beam: int) -> BatchDecoder:
        """The run's decoder on a fitted model.

        Args:
            model: from `load_model`.
            beam: results per user.
        """
        return self._batch_decoder(self.resolved.decoder, model, beam)

    def search_error_meter(self, model: Model) -> SearchErrorMeter | None:
        """What measures the search error of the run's decoder; None where nobody asked for it."""
        reference = self.resolved.reference
        if reference is None:
            return None
        return SearchErrorMeter(reference, self._batch_decoder(reference, model, self.spec.beam))

    def _batch_decoder(self, decoder: Decoder, model: Model, beam: int) -> BatchDecoder:
        from ..core.lifting import adapt

        model_codes, capability = self.model_codes(model), self.resolved.capability_for(decoder)
        space = self.space if model_codes is None else model_codes.space
        return BatchDecoder(
            model=adapt(model, self.backbone.capability, capability, space, self.device),
            capability=capability,
            decoder=decoder,
            space=space,
            categories=self.spec.categories,
            item_ids=self.dataset.item_ids,
            beam=beam,
            seed=self.spec.seed,
            device=self.device,
            batch_size=self.options.batch_size if self.options.batch_size != AUTO else DEFAULT_BATCH,
            constrain=self.spec.constrain,
            unique_codes=model_codes is not None,
            never_again=self.space.sid_index if self.spec.exclude_history else None,
        )

    def load_model(self, weights_id: str) -> Model:
        """The fitted model.

        Raises:
            MrbenchError: it no longer has these weights.
        """
        model = self.backbone.load(self.task, self.model_folder.path)
        if self.model_folder.weights_id() != weights_id:
            raise MrbenchError(f"{self.model_folder.path} was trained anew while it was loaded; repeat the command")
        return model

    def model_codes(self, model: Model) -> ModelCodes | None:
        """The codes in which the model names items, where they are not the data's."""
        code = self.resolved.backbone.model_codes
        return ModelCodes(model.code_space, code) if code else None  # type: ignore[attr-defined]  # see `Model`

    def load_shards(self, weights_id: str, batch_size: int, shard_users: int) -> list[Shard]:
        """The shards that are decoded already, by rising index; arguments as of `decode_shards`."""
        return self.run_folder.load_shards(
            device=self.device, batch_size=batch_size, weights_id=weights_id, shard_users=shard_users
        )

    def finish(self, shards: list[Shard], report: FitReport | None) -> Run:
        """Score the stored rankings and write the summary; returns the finished run."""
        model_codes, weights_id = None, shards[0].meta.weights_id
        if self.resolved.backbone.model_codes:
            model_codes = self.model_codes(self.load_model(weights_id))
        columns, results = score_shards(
            shards,
            self.examples,
            self.dataset,
            self.space,
            categories=self.spec.categories,
            beam=self.spec.beam,
            model_codes=model_codes,
        )
        config = self.resolved.config
        summary = RunSummary(
            run=self.spec.id,
            model=self.resolved.model_label,
            decoder=self.resolved.decoder_label,
            data=config.data,
            users_asked=self.resolved.users,
            slots=slot_counts(self.space, model_codes, has_sids=self.dataset.has_sids),
            environment=Environment(**environment(self.device)),
            fit=report,
            weights=weights_id,
            code=code_origins(self.resolved),
            notes=tuple(run_notes(self.spec, self.dataset, self.space, model_codes)),
            finished=now(),
            command=run_command(self.resolved, self.spec),
            **results,
            **decoding_costs(shards),
        )
        return self.run_folder.finish(shards, self.examples.histories.users, columns, summary)
