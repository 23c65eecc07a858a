"""What a run's summary says beside its results: what was asked, what it cost, and the command that asks it again."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np

from ..core.code_space import CodeSpace
from ..core.dataset import Dataset
from ..metrics.model_codes import ModelCodes
from ..store.run_spec import RunSpec
from ..store.shards import Shard
from .config import ExperimentConfig
from .resolve import ResolvedExperiment
from .scoring import data_notes, spec_summary


def asked(
    resolved: ResolvedExperiment, spec: RunSpec, dataset: Dataset, space: CodeSpace, own: ModelCodes | None = None
) -> dict[str, Any]:
    """What was asked, in the words a reader looks for."""
    question = resolved.question
    return {
        "model": resolved.model_label,
        "decoder": resolved.decoder_label,
        "data": question.data,
        "size": spec.model.size,
        "users": dataset.n_users,
        "users_asked": question.users,
        **spec_summary(spec, space, own),
    }


def notes(spec: RunSpec, dataset: Dataset, space: CodeSpace, own: ModelCodes | None = None) -> list[str]:
    """Facts that stand beside the results."""
    lines = data_notes(dataset, space) + ([own.note()] if own else [])
    if dataset.simulation is not None and spec.categories == "given":
        lines.append("the best reachable values do not know the given categories, so this run may exceed them")
    return lines


def command(resolved: ResolvedExperiment, spec: RunSpec) -> str:
    """The shortest command that asks this question."""
    question, default = resolved.question, ExperimentConfig("", "")
    words = ["mrbench", "run", "--model", resolved.model_label, "--decoder", resolved.decoder_label]
    words += ["--data", question.data]
    if spec.model.size:
        words += ["--size", spec.model.size]
    words += ["--categories", spec.categories]
    for name in ("constrain", "beam", "users", "eval_users", "seed", "exclude_history", "max_minutes", "split"):
        value = getattr(question, name)
        if value != getattr(default, name):
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, "all" if value is None else str(value)]
    if spec.train_devices > 1:
        words += ["--train-devices", str(spec.train_devices)]
    return shlex.join(words)


def costs(shards: list[Shard]) -> dict[str, Any]:
    """Decoding time and memory over all shards: seconds of all processes together, users a second of one process."""
    seconds = np.concatenate([shard.meta.batch_seconds for shard in shards])
    total = float(seconds.sum())
    return {
        "seconds": total,
        "timings": {
            "users_per_second": sum(shard.meta.users for shard in shards) / total,
            "processes": max(shard.meta.processes for shard in shards),
            "batch_size": shards[0].meta.batch_size,
            "smallest_batch_size": min(shard.meta.used_batch_size for shard in shards),
            "batch_p50": float(np.quantile(seconds, 0.5)),
            "batch_p95": float(np.quantile(seconds, 0.95)),
            "forward_passes": sum(shard.meta.forward_passes for shard in shards),
            "peak_bytes": max(shard.meta.peak_bytes for shard in shards),
        },
    }
