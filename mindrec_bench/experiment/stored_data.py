"""The data that a stored run was computed on."""

from __future__ import annotations

from pathlib import Path

from ..core.dataset import Dataset
from ..core.holdout import Holdout
from ..data.sources import resolve_data
from ..errors import DataError
from ..store.runs import Run


def load_run_data(run: Run, data_dir: Path | None = None) -> Dataset:
    """Read the data of a run again, with its users and its split.

    Args:
        run: the run.
        data_dir: where data folders are, or None for the usual places.

    Raises:
        UsageError: there is no data of this name.
        DataError: it is missing or broken, or has changed since the run.
    """
    spec, summary = run.spec, run.summary
    _, source = resolve_data(summary.data, data_dir)
    dataset = source.load(data_dir, users=summary.users_asked)
    dataset = dataset.with_split(Holdout.parse(spec.holdout), spec.history)
    if dataset.fingerprint != spec.data.fingerprint:
        raise DataError(f"the data {summary.data} has changed since run {run.id}; repeat it: {summary.command}")
    return dataset
