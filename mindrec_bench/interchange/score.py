"""Check, score and store rankings made elsewhere, which become a run like any other (`mrbench score`)."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..core.choices import HISTORY
from ..core.code_space import Int
from ..core.dataset import Dataset, Examples
from ..core.holdout import Holdout
from ..data.sources import resolve_data
from ..errors import DataError, UsageError
from ..experiment.config import flag_name
from ..experiment.resolve import effective_eval_users
from ..experiment.summary import data_notes, score_shards, slot_counts
from ..io.atomic import explain_read_errors
from ..io.hashing import sha256
from ..io.schema import validate_keys
from ..plugins import registry
from ..store.rankings import rankings_table
from ..store.run_folder import RunFolder
from ..store.run_spec import EXTERNAL, RANKINGS_FILE, DataSpec, DecoderSpec, ModelSpec, RunSpec
from ..store.run_summary import RunSummary, now
from ..store.runs import Run
from ..store.shards import ShardMeta
from .external_rankings import ExternalRankings
from .ranking_file import RankingFile, read_rankings

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def score_file(
    external: ExternalRankings,
    *,
    runs_dir: Path = Path("runs"),
    data_dir: Path | None = None,
    wait: bool = True,
) -> Run:
    """Check, score and store rankings made elsewhere; a file whose content was scored before is not scored again.

    The run is stored in `<runs_dir>/<data>/<name>/external/<id>/`, with the files and the summary of any other run;
    values that are not known (timings, environment) are None.

    Args:
        external: the file, and what it ranks for.
        runs_dir: the run store.
        data_dir: where data folders are, or None for the usual places.
        wait: wait for another process that computes the same run.

    Returns:
        The finished run.

    Raises:
        UsageError: a name or a number is not allowed.
        DataError: the data is missing, or the file does not rank for its users; all issues are named.
        MrbenchError: the run store can't be written.
    """
    _check(external)
    _, source = resolve_data(external.data, data_dir)
    with explain_read_errors(external.file):
        if not external.file.is_file():
            raise DataError(f"there is no file {external.file}; check the path")
    users_asked = source.default_users() if external.users == "auto" else external.users
    dataset = source.load(data_dir, users=users_asked).with_split(Holdout.parse(external.holdout), HISTORY)
    test, evaluated = dataset.test(), slice(effective_eval_users(external.eval_users, dataset.n_held_out("test")))
    examples = Examples(test.histories[evaluated], test.targets[evaluated])
    space = dataset.space(categories=dataset.categories is not None)
    users = examples.histories.users
    rankings = read_rankings(
        external.file, users, dataset, space, beam=external.beam, allow_missing=external.allow_missing
    )
    spec = _run_spec(external, dataset, rankings)
    folder = RunFolder(spec, runs_dir)
    with folder.lock(wait=wait):
        run = folder.load_run()
        if run is not None:
            logger.info("these rankings are already scored")
            return run
        folder.start()
        return _score_and_store(folder, external, dataset, examples, rankings, users_asked)


def _check(external: ExternalRankings) -> None:
    if not _NAME.fullmatch(external.name):
        raise UsageError(f"--name is '{external.name}'; it may contain letters, digits, '.', '_' and '-' only")
    if external.name in registry.names("model"):
        raise UsageError(f"--name is '{external.name}', a model that mrbench runs itself; choose another name")
    values = {field.name: getattr(external, field.name) for field in fields(external) if field.name != "file"}
    validate_keys(values, ExternalRankings, "the rankings", hidden=("file",), label=flag_name)


def _run_spec(external: ExternalRankings, dataset: Dataset, rankings: RankingFile) -> RunSpec:
    """The identity of the run; the file takes the place of a model."""
    return RunSpec(
        data=DataSpec(dataset.name, dataset.fingerprint, dataset.n_held_out("test")),
        model=ModelSpec(external.name, files={RANKINGS_FILE: sha256(external.file)}),
        decoder=DecoderSpec(EXTERNAL),
        beam=external.beam or int(rankings.ranks.max()),
        seed=external.seed,
        eval_users=effective_eval_users(external.eval_users, dataset.n_held_out("test")),
        holdout=str(dataset.holdout),
    )


def _score_and_store(
    folder: RunFolder,
    external: ExternalRankings,
    dataset: Dataset,
    examples: Examples,
    rankings: RankingFile,
    users_asked: int | None,
) -> Run:
    spec, users = folder.spec, examples.histories.users
    space = dataset.space(categories=False)  # the rankings have SIDs only
    shard = folder.write_shard(0, _rankings_table(rankings, users, spec.beam), ShardMeta("", 0, len(users)))
    columns, results = score_shards([shard], examples, dataset, space, categories="none", beam=spec.beam)
    notes = data_notes(dataset, space)
    if rankings.missing:
        notes.append(f"{rankings.missing:,} of {len(users):,} users have no rankings in the file and count as misses")
    summary = RunSummary(
        run=spec.id,
        model=external.name,
        decoder=EXTERNAL,
        data=external.data,
        users_asked=users_asked,
        slots=slot_counts(space, has_sids=dataset.has_sids),
        missing_users=rankings.missing,
        notes=tuple(notes),
        finished=now(),
        command=external.command(),
        **results,
    )
    return folder.finish([shard], users, columns, summary)


def _rankings_table(rankings: RankingFile, users: Int, beam: int) -> pa.Table:
    """The rankings as a run stores them."""
    positions = rankings.user_indices, rankings.ranks - 1
    codes = np.full((len(users), beam, rankings.sids.shape[1]), -1, dtype=np.int64)
    scores, items = np.full((len(users), beam), np.nan), None
    codes[positions], scores[positions] = rankings.sids, rankings.scores
    if rankings.items is not None:
        items = np.full((len(users), beam), None, dtype=object)
        items[positions] = rankings.items
    return rankings_table(users, codes, scores, np.bincount(rankings.user_indices, minlength=len(users)), items)
