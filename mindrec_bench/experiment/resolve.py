"""A question in the user's words, and its resolution: names to classes, defaults to values, impossible ones refused.

What can be refused without the data is refused before the data is read.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ..core.backbone import Backbone, DataSource
from ..core.code_space import Categories
from ..core.dataset import Dataset, Split
from ..core.protocols import Constrain, Decoder
from ..data.sources import resolve
from ..errors import UsageError, did_you_mean
from ..plugins import options, registry
from ..store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from .config import AUTO, MAX_SEED, ExperimentConfig


@dataclass(frozen=True)
class ResolvedExperiment:
    """A question whose names are known to exist and to fit each other."""

    question: ExperimentConfig
    model_name: str
    backbone: Backbone
    decoder_name: str
    decoder: Decoder
    data_name: str
    source: DataSource
    device: str = "cpu"
    """Where it is to run; only what `auto` means depends on it."""

    @property
    def model_label(self) -> str:
        """The model with the options that differ from their defaults."""
        return options.label(self.model_name, self.backbone)

    @property
    def decoder_label(self) -> str:
        """The decoder with the options that differ from their defaults."""
        return options.label(self.decoder_name, self.decoder)

    def size(self, dataset: Dataset) -> str:
        """The model's size on this data ('' for models without sizes).

        `auto` takes the smallest on a simulation and else the largest; a backbone may know better (`auto_size`).
        """
        if not self.backbone.sizes:
            return ""
        return self._auto(dataset)[0] if self.question.size == AUTO else self.question.size

    def why_size(self, dataset: Dataset) -> str:
        """What to say about a size that the user did not choose; '' about a chosen one."""
        asked = self.question.size != AUTO or not self.backbone.sizes
        return "" if asked else f" (auto: {self._auto(dataset)[1]})"

    def _auto(self, dataset: Dataset) -> tuple[str, str]:
        return self.backbone.auto_size(simulation=dataset.simulation is not None, device=self.device)

    def model_part(self, size: str) -> ModelSpec:
        """The model's identity; what the files that its options name hold stands under `files`.

        Raises:
            UsageError, DataError: the options do not fit the size, or a file can't be read.
        """
        files = self.backbone.file_fingerprints(size)
        backbone = self.backbone.with_size_defaults(size)
        values = options.as_dict(backbone) | ({"files": files} if files else {})
        return ModelSpec(self.model_name, values, size, options.answering(backbone))

    def categories(self, dataset: Dataset) -> Categories:
        """How category slots are used.

        Raises:
            UsageError: categories are asked of data that has none.
        """
        asked = self.question.categories
        if self.backbone.model_codes:
            return "none"
        if dataset.categories is None:
            if asked not in (None, "none"):
                raise UsageError(f"data '{self.data_name}' has no categories; run it with --categories none")
            return "none"
        return asked or "generate"

    def spec(self, dataset: Dataset) -> RunSpec:
        """The run's identity.

        Raises:
            UsageError: see `categories`.
            DataError: the model reads what items are called, and the data does not say.
        """
        question, size = self.question, self.size(dataset)
        return RunSpec(
            data=DataSpec(dataset.name, question.data, dataset.fingerprint, dataset.n_users),
            model=self.model_part(size),
            decoder=DecoderSpec(self.decoder_name, options.as_dict(self.decoder)),
            categories=self.categories(dataset),
            constrain=question.constrain,
            beam=question.beam,
            seed=question.seed,
            eval_users=effective_eval_users(question.eval_users, dataset.n_users),
            exclude_history=question.exclude_history,
            max_minutes=question.max_minutes if self.backbone.sizes else None,
            split=question.split,
            train_devices=(question.train_devices or 1) if self.backbone.data_parallel else 1,
            texts=self._texts(dataset),
        )

    def _texts(self, dataset: Dataset) -> str | None:
        if not self.backbone.reads_text:
            return None
        return dataset.named_texts(f"model '{self.model_name}'").fingerprint


def effective_eval_users(asked: int | None, there: int) -> int | None:
    """`--eval-users`; None when all users are decoded anyway, so that the same question has one identity."""
    return asked if asked is not None and asked < there else None


def resolve_config(question: ExperimentConfig, data_dir: Path | None = None) -> ResolvedExperiment:
    """Look every name up and check all that needs no data; `data_dir` is where data folders are.

    Raises:
        UsageError: unknown names, options or values, or a pair that can't work.
    """
    counts = {
        "--beam": question.beam,
        "--users": question.users,
        "--eval-users": question.eval_users,
        "--train-devices": question.train_devices,
    }
    for name, value in counts.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")
    if not 0 <= question.seed <= MAX_SEED:
        raise UsageError(f"--seed is {question.seed}; it must be from 0 to {MAX_SEED}")
    if question.max_minutes is not None and not 0 < question.max_minutes < math.inf:
        raise UsageError(f"--max-minutes is {question.max_minutes:g}; it must be a number above 0")
    _check_choices(question)
    model_name, backbone = registry.make("model", question.model)
    backbone = _with_checkpoint(question.checkpoint, model_name, backbone)
    decoder_name, decoder = registry.make("decoder", question.decoder)
    registry.check_pair(model_name, backbone.capability, decoder_name, decoder.needs)
    _check_size(question.size, model_name, backbone)
    if question.exclude_history and backbone.capability != "items":
        raise UsageError(
            f"--exclude-history needs a model that scores items, and '{model_name}' gives probabilities of codes; "
            "leave the flag out"
        )
    if backbone.model_codes and question.categories not in (None, "none"):
        raise UsageError(
            f"model '{model_name}' names items in codes of its own, which have no category slots; run it with "
            "--categories none"
        )
    data_name, source = resolve(question.data, data_dir)
    return ResolvedExperiment(question, model_name, backbone, decoder_name, decoder, data_name, source)


def _check_choices(question: ExperimentConfig) -> None:
    """`click` has refused other words already; files and Python have not."""
    for name, choices in (("categories", Categories), ("constrain", Constrain), ("split", Split)):
        value, known = getattr(question, name), get_args(choices)
        if value is not None and value not in known:
            raise UsageError(
                f"--{name} is {value!r}{did_you_mean(str(value), known)}; it must be one of {', '.join(known)}"
            )


def _with_checkpoint(checkpoint: str | None, name: str, backbone: Any) -> Any:
    if checkpoint is None:
        return backbone
    if "checkpoint" not in {field.name for field in dataclasses.fields(backbone)}:
        raise UsageError(f"model '{name}' reads no checkpoint; leave --checkpoint out")
    if backbone.checkpoint not in (None, checkpoint):
        raise UsageError(f"--checkpoint is {checkpoint} and --model says {backbone.checkpoint}; give one of them")
    return dataclasses.replace(backbone, checkpoint=checkpoint)


def _check_size(size: str, name: str, backbone: Any) -> None:
    if size == AUTO or size in backbone.sizes:
        return
    if not backbone.sizes:
        raise UsageError(f"model '{name}' has no sizes; leave --size out")
    raise UsageError(
        f"model '{name}' has no size '{size}'{did_you_mean(size, backbone.sizes)}; "
        f"it has {', '.join(backbone.sizes)}, and auto"
    )
