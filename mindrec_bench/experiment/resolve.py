"""Resolve an experiment: names to classes, defaults to values; impossible combinations are refused.

Everything that can be checked without the data is checked before the data is read.
"""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.backbone import Backbone, DataSource
from ..core.choices import Categories
from ..core.dataset import Dataset
from ..core.holdout import Holdout
from ..core.protocols import Capability, Decoder, ItemRanker
from ..data.sources import resolve_data
from ..errors import DataError, UsageError, did_you_mean
from ..plugins import options, registry
from ..store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSettings, RunSpec
from .config import AUTO, ExperimentConfig, check_config


@dataclass(frozen=True)
class ResolvedExperiment:
    """An experiment whose names exist and whose model and decoder fit each other.

    Attributes:
        config: what it was resolved from.
        model_name, backbone: the model's registered name, and the model with its options.
        decoder_name, decoder: the same of the decoder.
        data_name, source: the same of the data.
        device: what it runs on; only the meaning of `--size auto` depends on it.
        model_code, decoder_code: `registry.code_hash` of their classes.
        reference_name, reference: the decoder by whose ranking search error is measured, as `decoder`; None where it is
            not asked for.
    """

    config: ExperimentConfig
    model_name: str
    backbone: Backbone
    decoder_name: str
    decoder: Decoder
    data_name: str
    source: DataSource
    device: str = "cpu"
    model_code: str = ""
    decoder_code: str = ""
    reference_name: str = ""
    reference: ItemRanker | None = None

    @property
    def model_label(self) -> str:
        """The model with the options that differ from their defaults."""
        return options.label(self.model_name, self.backbone)

    @property
    def decoder_label(self) -> str:
        """The decoder with the options that differ from their defaults."""
        return options.label(self.decoder_name, self.decoder)

    @property
    def reference_label(self) -> str | None:
        """The decoder by whose ranking search error is measured, with the options that differ from their defaults."""
        return None if self.reference is None else options.label(self.reference_name, self.reference)

    @property
    def users(self) -> int | None:
        """How many users make up the data; None for all."""
        users = self.config.users
        return self.source.default_users() if users == AUTO else users

    @property
    def holdout(self) -> Holdout:
        """What is held out."""
        return Holdout.parse(self.config.holdout)

    def load_data(self, data_dir: Path | None) -> Dataset:
        """Read the data and split it.

        Args:
            data_dir: where data folders are, or None for the usual places.

        Raises:
            DataError: it is missing or broken, has no semantic IDs where they are needed, or no times where it is to be
                split by time.
            UsageError: it is not simulated, and the model needs that.
        """
        dataset = self.source.load(data_dir, users=self.users)
        if self.backbone.needs_simulation and dataset.simulation is None:
            raise UsageError(
                f"model '{self.model_name}' needs data whose true distribution is known, and '{self.data_name}' is not "
                "simulated; run it with --data arts-sim"
            )
        self.check_semantic_ids(dataset, data_dir)
        return dataset.with_split(self.holdout, self.config.history)

    @property
    def capability(self) -> Capability:
        """What the model answers for the decoder."""
        return self.capability_for(self.decoder)

    def capability_for(self, decoder: Decoder) -> Capability:
        """What the model answers for a decoder that it fits."""
        return registry.check_pair(self.model_name, self.backbone.capability, self.decoder_name, decoder.needs)

    def check_semantic_ids(self, dataset: Dataset, data_dir: Path | None = None) -> None:
        """Refuse data without semantic IDs where the model or the decoder works on them.

        Args:
            dataset: the data.
            data_dir: where data folders are, for the message.

        Raises:
            DataError: names the command that makes them.
        """
        if dataset.has_sids or self.capability == "items" or self.backbone.model_codes:
            return
        place = [] if data_dir is None else ["--data-dir", str(data_dir)]
        make_them = f"make them with `{shlex.join(['mrbench', 'data', 'tokenize', self.config.data, *place])}`"
        if self.backbone.capability == "items":
            raise DataError(
                f"data '{self.data_name}' has no semantic IDs, and decoder '{self.decoder_name}' searches them; "
                f"{make_them}, or run '{self.model_name}' with --decoder rank-items, which needs none"
            )
        raise DataError(
            f"data '{self.data_name}' has no semantic IDs, and model '{self.model_name}' predicts them; {make_them}, "
            "or run a model that scores items (pop, markov, itemknn, sasrec) with --decoder rank-items"
        )

    def size(self, dataset: Dataset) -> str:
        """The model's size on this data ('' for models without sizes); for `auto` see `Backbone.auto_size`."""
        if not self.backbone.sizes:
            return ""
        return self._auto_size(dataset)[0] if self.config.size == AUTO else self.config.size

    def size_reason(self, dataset: Dataset) -> str:
        """Why `auto` chose this size, in brackets; '' where the user chose one or the model has none."""
        chosen = self.config.size != AUTO or not self.backbone.sizes
        return "" if chosen else f" (auto: {self._auto_size(dataset)[1]})"

    def _auto_size(self, dataset: Dataset) -> tuple[str, str]:
        return self.backbone.auto_size(simulation=dataset.simulation is not None, device=self.device)

    def categories(self, dataset: Dataset) -> Categories:
        """How category slots are used.

        Raises:
            UsageError: the config uses categories, and the data has none.
        """
        requested = self.config.categories
        if self.backbone.model_codes:
            return "none"
        if dataset.categories is None:
            if requested not in (None, "none"):
                raise UsageError(f"data '{self.data_name}' has no categories; run it with --categories none")
            return "none"
        return requested or "generate"

    def run_spec(self, dataset: Dataset) -> RunSpec:
        """The run's identity.

        Raises:
            UsageError: see `categories`, or the options do not fit the size.
            DataError: the model reads item texts, and the data has none; or a file that an option names can't be read.
        """
        config, backbone, size = self.config, self.backbone, self.size(dataset)
        model = ModelSpec.of(self.model_name, backbone, size)
        settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(RunSettings)}
        resolved = {
            "eval_users": effective_eval_users(config.eval_users, dataset.n_held_out(config.split)),
            "holdout": str(self.holdout),
            "search_error": self.reference_label,
            "max_minutes": config.max_minutes if backbone.sizes else None,
        }
        return RunSpec(
            data=DataSpec(dataset.name, dataset.fingerprint, dataset.n_held_out(config.split)),
            model=dataclasses.replace(model, files=backbone.file_fingerprints(size), code=self.model_code),
            decoder=dataclasses.replace(DecoderSpec.of(self.decoder_name, self.decoder), code=self.decoder_code),
            categories=self.categories(dataset),
            train_devices=(config.train_devices or 1) if backbone.data_parallel else 1,
            texts=self._texts_hash(dataset),
            **{**settings, **resolved},
        )

    def _texts_hash(self, dataset: Dataset) -> str | None:
        if not self.backbone.reads_text:
            return None
        return dataset.require_texts(f"model '{self.model_name}'").fingerprint


def effective_eval_users(eval_users: int | None, n_users: int) -> int | None:
    """`--eval-users`; None when all users are decoded anyway, so that equal experiments have one identity."""
    return eval_users if eval_users is not None and eval_users < n_users else None


def resolve_config(config: ExperimentConfig, data_dir: Path | None = None) -> ResolvedExperiment:
    """Look up all names and check everything that needs no data.

    Args:
        config: of the experiment.
        data_dir: where data folders are, or None for the usual places.

    Raises:
        UsageError: unknown names, options or values, or a model and a decoder that do not fit each other.
    """
    check_config(config)
    Holdout.parse(config.holdout)
    model_name, backbone = registry.make("model", config.model)
    backbone = _with_checkpoint(config.checkpoint, model_name, backbone)
    decoder_name, decoder = registry.make("decoder", config.decoder)
    capability = registry.check_pair(model_name, backbone.capability, decoder_name, decoder.needs)
    options.check_capability(decoder_name, decoder, model_name, capability)
    _check_size(config.size, model_name, backbone)
    reference_name, reference = _reference(config.search_error, model_name, backbone)
    if backbone.model_codes and config.categories not in (None, "none"):
        raise UsageError(
            f"model '{model_name}' names items in codes of its own, which have no category slots; run it with "
            "--categories none"
        )
    data_name, source = resolve_data(config.data, data_dir)
    return ResolvedExperiment(
        config,
        model_name,
        backbone,
        decoder_name,
        decoder,
        data_name,
        source,
        model_code=registry.code_hash("model", model_name),
        decoder_code=registry.code_hash("decoder", decoder_name),
        reference_name=reference_name,
        reference=reference,
    )


def _reference(text: str | None, model_name: str, backbone: Backbone) -> tuple[str, ItemRanker | None]:
    """The decoder of `--search-error`, by name."""
    if text is None:
        return "", None
    if backbone.capability == "items":
        raise UsageError(f"'{model_name}' scores items, so search error is always measured; leave --search-error out")
    name, decoder = registry.make("decoder", text)
    capability = registry.check_pair(model_name, backbone.capability, name, decoder.needs)
    if not isinstance(decoder, ItemRanker):
        raise UsageError(f"--search-error is {text}, which does not rank items; use rank-items")
    options.check_capability(name, decoder, model_name, capability)
    return name, decoder


def _with_checkpoint(checkpoint: str | None, name: str, backbone: Any) -> Any:
    if checkpoint is None:
        return backbone
    if "checkpoint" not in {field.name for field in dataclasses.fields(backbone)}:
        raise UsageError(f"model '{name}' reads no checkpoint; leave --checkpoint out")
    if backbone.checkpoint not in (None, checkpoint):
        raise UsageError(f"--checkpoint is {checkpoint} and --model says {backbone.checkpoint}; give one of them")
    return dataclasses.replace(backbone, checkpoint=checkpoint)


def _check_size(size: str, name: str, backbone: Backbone) -> None:
    if size == AUTO or size in backbone.sizes:
        return
    if not backbone.sizes:
        raise UsageError(f"model '{name}' has no sizes; leave --size out")
    raise UsageError(
        f"model '{name}' has no size '{size}'{did_you_mean(size, backbone.sizes)}; "
        f"it has {', '.join(backbone.sizes)}, and auto"
    )
