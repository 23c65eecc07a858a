"""Rankings made elsewhere become a run like any other (`mrbench score`): checked, scored, stored."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..core.code_space import Int
from ..core.dataset import Dataset, Examples
from ..data.sources import resolve
from ..errors import DataError, UsageError
from ..experiment.config import DEFAULT_DATA, DEFAULT_USERS, MAX_SEED
from ..experiment.resolve import effective_eval_users
from ..experiment.scoring import data_notes, score_shards, spec_summary
from ..io.hashing import sha256
from ..plugins import registry
from ..store.rankings import rankings_table
from ..store.run_spec import EXTERNAL, DataSpec, DecoderSpec, ModelSpec, RunSpec
from ..store.runs import RunFolder
from ..store.shards import ShardMeta
from .ranking_file import RankingFile, read_rankings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ExternalRankings:
    """A file of rankings, and what it is about.

    Attributes:
        file: Parquet or CSV, as `ranking_file` reads it.
        name: what made it; stands in the place of the model.
        data: the data set, as in `mrbench run`.
        users: how many users make up the data; None for all.
        eval_users: the file ranks for the first so many only; None for all.
        beam: results a user that were asked for; None takes the longest list.
        seed: of what made it; shown, and tables average over seeds.
        allow_missing: users without rows count as misses.
    """

    file: Path
    name: str
    data: str = DEFAULT_DATA
    users: int | None = DEFAULT_USERS
    eval_users: int | None = None
    beam: int | None = None
    seed: int = 42
    allow_missing: bool = False

    def command(self) -> str:
        """The shortest command that asks for this."""
        words = ["mrbench", "score", str(self.file), "--name", self.name, "--data", self.data]
        for field in ("users", "eval_users", "beam", "seed", "allow_missing"):
            value = getattr(self, field)
            if value != getattr(ExternalRankings, field):
                flag = f"--{field.replace('_', '-')}"
                words += [flag] if value is True else [flag, "all" if value is None else str(value)]
        return shlex.join(words)


def score_file(
    given: ExternalRankings,
    *,
    runs_dir: Path = Path("runs"),
    data_dir: Path | None = None,
    wait: bool = True,
    notify: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Check, score and store rankings made elsewhere, or return the stored answer for a file of the same content.

    The run is `<runs_dir>/<data>/<name>/external/<id>/`, with the files and the summary of any other run; what was not
    measured here (timings, environment) is null.

    Returns:
        The run's summary, as in its `summary.json`, with its `path`.

    Raises:
        UsageError: a name or a number can't be.
        DataError: the data is missing, or the file is not a ranking of its users; all problems are named.
        MrbenchError: the run store can't be written.
    """
    _check(given)
    _, source = resolve(given.data, data_dir)
    if not given.file.is_file():
        raise DataError(f"there is no file {given.file}; check the path")
    dataset = source.load(data_dir, users=given.users, notify=notify)
    some = slice(effective_eval_users(given.eval_users, dataset.n_users))
    test = dataset.test()
    examples = Examples(test.histories[some], test.targets[some])
    space = dataset.space(categories=dataset.categories is not None)
    users = examples.histories.users
    read = read_rankings(given.file, users, dataset, space, beam=given.beam, allow_missing=given.allow_missing)
    spec = _spec(given, dataset, read)
    folder = RunFolder(spec, runs_dir, notify)
    with folder.lock(wait=wait):
        summary = folder.load_summary()
        if summary is not None:
            notify("these rankings are scored already")
            return summary
        folder.start()
        return _store(folder, given, dataset, examples, read)


def _check(given: ExternalRankings) -> None:
    if not _NAME.fullmatch(given.name):
        raise UsageError(f"--name is '{given.name}'; it may have letters, digits, '.', '_' and '-' only")
    if given.name in registry.names("model"):
        raise UsageError(f"--name is '{given.name}', a model that mrbench runs itself; choose another name")
    for flag, value in (("--users", given.users), ("--eval-users", given.eval_users), ("--beam", given.beam)):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be at least 1")
    if not 0 <= given.seed <= MAX_SEED:
        raise UsageError(f"--seed is {given.seed}; it must be from 0 to {MAX_SEED}")


def _spec(given: ExternalRankings, dataset: Dataset, read: RankingFile) -> RunSpec:
    """The run's identity: what stands in for the model's options is the content of the file."""
    return RunSpec(
        data=DataSpec(dataset.name, given.data, dataset.fingerprint, dataset.n_users),
        model=ModelSpec(given.name, {"sha256": sha256(given.file)}),
        decoder=DecoderSpec(EXTERNAL, {}),
        beam=given.beam or int(read.ranks.max()),
        seed=given.seed,
        eval_users=effective_eval_users(given.eval_users, dataset.n_users),
    )


def _store(
    folder: RunFolder, given: ExternalRankings, dataset: Dataset, examples: Examples, read: RankingFile
) -> dict[str, Any]:
    spec, users = folder.spec, examples.histories.users
    space = dataset.space(categories=False)  # the lists hold SIDs only
    shard = folder.write_shard(0, _table(read, users, spec.beam), ShardMeta("", 0, len(users)))
    columns, results = score_shards([shard], examples, dataset, space, categories="none", beam=spec.beam)
    notes = data_notes(dataset, space)
    if read.missing:
        notes.append(f"{read.missing:,} of {len(users):,} users have no rankings in the file and count as misses")
    summary = {
        "model": given.name,
        "decoder": EXTERNAL,
        "data": given.data,
        "size": "",
        "users": dataset.n_users,
        "users_asked": given.users,
        **spec_summary(spec, space),
        **results,
        "seconds": None,
        "timings": None,
        "environment": None,
        "fit": None,
        "missing_users": read.missing,
        "notes": notes,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": given.command(),
    }
    return folder.finish([shard], users, columns, summary)


def _table(read: RankingFile, users: Int, beam: int) -> pa.Table:
    """The rankings as a run stores them."""
    at = read.rows, read.ranks - 1
    codes = np.full((len(users), beam, read.sids.shape[1]), -1, dtype=np.int64)
    scores, items = np.full((len(users), beam), np.nan), None
    codes[at], scores[at] = read.sids, read.scores
    if read.items is not None:
        items = np.full((len(users), beam), None, dtype=object)
        items[at] = read.items
    return rankings_table(users, codes, scores, np.bincount(read.rows, minlength=len(users)), items)
