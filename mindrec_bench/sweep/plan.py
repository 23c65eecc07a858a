"""A sweep's file: grids of runs, of which the best model options are chosen on the validation items.

    choose = "ndcg@10"              # the default

    [run]                           # flags of `mrbench run`, for every cell
    decoder = "dbs-penalty"
    size = "small"

    [[grid]]
    model = "llada"
    data = ["arts", "instruments"]  # a list is an axis
    seed = [0, 1, 2]
    options.lr = [5e-4, 1e-3]       # options of the model: what is chosen
    options.p_mask = [0.4, 0.6]

Every combination runs on the validation items (semantics section 3: selection). Cells that differ in the model's
options and the seed alone compete; of each such group the options with the best mean over seeds run on the test items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..experiment.config import ExperimentConfig
from ..experiment.resolve import resolve_config
from ..io.schema import parse_toml, read_text, require_choice, validate_keys
from ..metrics.accuracy import RANKING_METRICS
from ..metrics.lists import CORPUS_METRICS

CHOOSE = "ndcg@10"


@dataclass(frozen=True)
class Cell:
    """One combination of a grid.

    Attributes:
        question: on the validation items.
        group: what the cells that it competes with have in common with it; the seed is none of it.
        options: the options of the model that are being chosen, as written: `lr=0.001,p_mask=0.4`.
    """

    question: ExperimentConfig
    group: ExperimentConfig
    options: str

    @property
    def test(self) -> ExperimentConfig:
        """The same on the test items."""
        return replace(self.question, split="test")


@dataclass(frozen=True)
class Sweep:
    """All cells of a file, each once, and the metric that chooses between them."""

    cells: tuple[Cell, ...]
    choose: str = CHOOSE

    @property
    def groups(self) -> dict[ExperimentConfig, list[Cell]]:
        """Cells that compete, in the order of the file."""
        found: dict[ExperimentConfig, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.group, []).append(cell)
        return found


def read_sweep(path: Path, data_dir: Path | None = None) -> Sweep:
    """Read and check a sweep's file: every cell names things that exist and fit each other.

    Args:
        path: the file.
        data_dir: where data folders are, or None for the usual places.

    Raises:
        UsageError: the file can't be read, has an unknown key or a wrong value, or a cell can't be run; says which.
    """
    raw = parse_toml(read_text(path, "the sweep"), f"the sweep {path}")
    for key in raw:
        require_choice(key, ("choose", "run", "grid"), "key", str(path))
    choose = raw.get("choose", CHOOSE)
    require_choice(choose, (*RANKING_METRICS, *CORPUS_METRICS), "metric", str(path))
    shared, grids = raw.get("run", {}), raw.get("grid", [])
    if not isinstance(grids, list) or not grids or not isinstance(shared, dict):
        raise UsageError(f"{path} has no grids; write one [[grid]] section for each, and what they share under [run]")
    cells: dict[ExperimentConfig, Cell] = {}
    for number, grid in enumerate(grids, start=1):
        for cell in _cells({**shared, **grid}, f"grid {number} of {path}", data_dir):
            cells.setdefault(cell.question, cell)
    return Sweep(tuple(cells.values()), choose)


def _cells(grid: Mapping[str, Any], where: str, data_dir: Path | None) -> Iterator[Cell]:
    grid = dict(grid)
    options = grid.pop("options", {})
    if not isinstance(options, dict):
        raise UsageError(f"'options' in {where} is {options!r}; write options.NAME = [value, value]")
    for flags in _product(grid, where):
        plain = _question(flags, where)
        for chosen in _product(options, where):
            words = ",".join(f"{key}={_text(value)}" for key, value in chosen.items())
            question = replace(plain, model=_with_options(plain.model, words), split="valid")
            try:
                resolve_config(question, data_dir)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from error
            yield Cell(question, replace(plain, seed=0), words)


def _product(axes: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """All combinations of the values; one value is a list of one."""
    lists = {key: value if isinstance(value, list) else [value] for key, value in axes.items()}
    for key, values in lists.items():
        if not values:
            raise UsageError(f"'{key}' in {where} is an empty list; give it a value, or leave it out")
    for chosen in product(*lists.values()):
        yield dict(zip(lists, chosen, strict=True))


def _question(flags: dict[str, Any], where: str) -> ExperimentConfig:
    """The flags of one cell, dashes or underscores, as a question."""
    named = {key.replace("-", "_"): value for key, value in flags.items()}
    checked = validate_keys(named, ExperimentConfig, where, hidden=("split",))
    if isinstance(checked.get("users"), str):
        checked["users"] = None if checked["users"] == "all" else _refuse_users(checked["users"], where)
    return ExperimentConfig(**checked)


def _refuse_users(given: str, where: str) -> int:
    raise UsageError(f"'users' in {where} is '{given}'; it must be a number, or all")


def _with_options(model: str, words: str) -> str:
    return f"{model}{',' if ':' in model else ':'}{words}" if words else model


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def differing(questions: list[ExperimentConfig]) -> list[str]:
    """The fields in which these questions differ: what a reader must be told of each."""
    return [f.name for f in fields(ExperimentConfig) if len({getattr(question, f.name) for question in questions}) > 1]
