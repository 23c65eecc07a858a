"""The file of a sweep: grids of runs, of which the best model options are chosen on the validation items.

    choose = "ndcg@10"              # the default

    [run]                           # flags of `mrbench run`, for every run
    decoder = "dbs-penalty"
    size = "small"

    [[grid]]
    model = "llada"
    data = ["arts", "instruments"]  # a list is an axis of the grid
    seed = [0, 1, 2]
    options.lr = [5e-4, 1e-3]       # options of the model: the best are chosen
    options.p_mask = [0.4, 0.6]

Every combination runs on the validation items (docs/semantics.md, Training). Runs that differ in the model's options
and the seed only form a group, in which options compete: those with the best mean over the seeds run on the test items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..experiment.config import ExperimentConfig, make_config
from ..experiment.resolve import resolve_config
from ..io.json_files import read_text
from ..io.schema import own_fields_first, parse_toml, require_choice, toml_value
from ..metrics.names import CORPUS_METRICS, RANKING_METRICS, canonical_metric

DEFAULT_METRIC = "ndcg@10"


@dataclass(frozen=True)
class SweepRun:
    """One combination of a grid.

    Attributes:
        config: the experiment, on the validation items.
        group: what all runs of the group have in common: the experiment without model options and seed.
        model_options: the combination's options of the model as text: `lr=0.001,p_mask=0.4`.
    """

    config: ExperimentConfig
    group: ExperimentConfig
    model_options: str

    @property
    def test_config(self) -> ExperimentConfig:
        """The same experiment on the test items."""
        return replace(self.config, split="test")


@dataclass(frozen=True)
class SweepPlan:
    """The contents of a sweep file.

    Attributes:
        runs: all combinations, each once.
        metric: the metric that chooses between model options.
    """

    runs: tuple[SweepRun, ...]
    metric: str = DEFAULT_METRIC

    @property
    def groups(self) -> dict[ExperimentConfig, list[SweepRun]]:
        """The runs of each group, in the order of the file."""
        groups: dict[ExperimentConfig, list[SweepRun]] = {}
        for run in self.runs:
            groups.setdefault(run.group, []).append(run)
        return groups


def read_sweep(path: Path, data_dir: Path | None = None) -> SweepPlan:
    """Read and check the file of a sweep; all names in every run must exist and fit each other.

    Args:
        path: the file.
        data_dir: folder of the data folders, or None for the usual locations.

    Raises:
        UsageError: the file can't be read, has an unknown key or a wrong value, or one of its runs is impossible.
    """
    raw = parse_toml(read_text(path, "the sweep", UsageError), f"the sweep {path}")
    for key in raw:
        require_choice(key, ("choose", "run", "grid"), "key", str(path))
    metric = canonical_metric(str(raw.get("choose", DEFAULT_METRIC)), str(path))
    require_choice(metric, (*RANKING_METRICS, *CORPUS_METRICS), "metric", str(path))
    shared_flags, grids = raw.get("run", {}), raw.get("grid", [])
    if not isinstance(grids, list) or not grids or not isinstance(shared_flags, dict):
        raise UsageError(f"{path} has no grids; write a [[grid]] section for each, and what they share under [run]")
    runs: dict[ExperimentConfig, SweepRun] = {}
    for number, grid in enumerate(grids, start=1):
        for run in _grid_runs({**shared_flags, **grid}, f"grid {number} of {path}", data_dir):
            runs.setdefault(run.config, run)
    return SweepPlan(tuple(runs.values()), metric)


def _grid_runs(grid: Mapping[str, Any], where: str, data_dir: Path | None) -> Iterator[SweepRun]:
    axes = dict(grid)
    option_axes = axes.pop("options", {})
    if not isinstance(option_axes, dict):
        raise UsageError(f"'options' in {where} is {toml_value(option_axes)}; write options.NAME = [value, value]")
    for flags in _combinations(axes, where):
        base = _config(flags, where)
        for values in _combinations(option_axes, where):
            model_options = ",".join(f"{key}={_option_text(value)}" for key, value in values.items())
            config = replace(base, model=_with_options(base.model, model_options), split="valid")
            try:
                resolve_config(config, data_dir)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from error
            yield SweepRun(config, replace(base, seed=0), model_options)


def _combinations(axes: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """All combinations of the axes' values; a single value is an axis of one value."""
    lists = {key: value if isinstance(value, list) else [value] for key, value in axes.items()}
    for key, values in lists.items():
        if not values:
            raise UsageError(f"'{key}' in {where} is an empty list; give it a value, or leave it out")
    for combination in product(*lists.values()):
        yield dict(zip(lists, combination, strict=True))


def _config(flags: dict[str, Any], where: str) -> ExperimentConfig:
    """The experiment with these flags, which may be written with dashes or underscores."""
    named = {key.replace("-", "_"): value for key, value in flags.items()}
    return make_config(named, where, hidden=("split",))


def _with_options(model: str, model_options: str) -> str:
    return f"{model}{',' if ':' in model else ':'}{model_options}" if model_options else model


def _option_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def differing_fields(configs: list[ExperimentConfig]) -> list[str]:
    """The fields in which these experiments differ."""
    names = [field.name for field in own_fields_first(ExperimentConfig)]
    return [name for name in names if len({getattr(config, name) for config in configs}) > 1]
