"""Write a stored run as files for ranx and trec_eval, so that its metrics can be checked with other tools.

A document is a SID, not an item: a hit is a match of SIDs (docs/semantics.md, Data), and a recommended SID need not
belong to any item. With items as documents, all items that share the target's SID would have to be relevant, and NDCG
would then be divided by the ideal ranking of several documents. A user has one relevant document, so

    HR@k   = hit_rate@k (ranx), success_k (trec_eval)
    NDCG@k = ndcg@k (ranx), ndcg_cut_k (trec_eval)

Both tools sort by score and ignore the rank, so the scores are beam + 1 - rank: log-probabilities may tie. A SID that
occurs in a list again gets a different name (`11-53-220-113#2`), which is never relevant. A user without results gets
the single document `none`, since both tools leave out users that the run lacks, or refuse them. Users of imported data
are named by the ids of the imported files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..core.code_space import Int
from ..data.item_names import ItemNames
from ..experiment.stored_data import load_run_data
from ..io.atomic import atomic_write
from ..store.runs import Run

ExportFormat = Literal["trec", "ranx", "parquet"]
FILE_ENDINGS: dict[ExportFormat, str] = {"trec": "trec", "ranx": "json", "parquet": "parquet"}
"""File endings; ranx recognises the kind of a file by its ending."""

NO_RESULT = "none"


def export_run(
    run: Run, export_format: ExportFormat, folder: Path, *, data_dir: Path | None = None
) -> tuple[Path, Path]:
    """Write the rankings of a run, and the relevant document of each user (the qrels).

    Args:
        run: the run.
        export_format: `trec` (lines of text), `ranx` (JSON: query -> document -> score), or `parquet` (columns q_id,
            doc_id, score).
        folder: where `<run>.run.<ending>` and `<run>.qrels.<ending>` are written.
        data_dir: where data folders are; the true next items are read from the run's data.

    Returns:
        The paths of the two files.

    Raises:
        DataError: the run's data is missing or has changed, or the run is compact, or a file of it can't be read.
        MrbenchError: the folder can't be written.
    """
    users, targets, names, documents = _load_targets(run, data_dir)
    run_path, qrels_path = (folder / f"{run.id}.{kind}.{FILE_ENDINGS[export_format]}" for kind in ("run", "qrels"))
    tag = f"{run.summary.model}/{run.summary.decoder}/{run.id}"
    writer = _WRITERS[export_format]
    atomic_write(run_path, writer(_with_names(_results(run, users, documents), users, names), tag), option="--out")
    atomic_write(qrels_path, writer(_with_names(_relevant(users, targets), users, names), ""), option="--out")
    return run_path, qrels_path


def _load_targets(run: Run, data_dir: Path | None) -> tuple[Int, Int, pa.Array, dict[str, str]]:
    """The evaluated users and their targets, read from the run's data.

    Returns:
        The users' numbers (shape: (U,)), the SID code numbers of their next items (shape: (U, M)), the users' names
        (shape: (U,)), and item id -> its document.
    """
    dataset = load_run_data(run, data_dir)
    held_out, evaluated = dataset.held_out(run.spec.split), slice(run.spec.eval_users)
    users = held_out.histories.users[evaluated]
    names = pa.array(ItemNames(dataset).users(users), pa.string())
    documents = dict(zip(dataset.item_ids, _documents(dataset.sids).to_pylist(), strict=True))
    return users, dataset.sids[held_out.targets[evaluated]], names, documents


def _with_names(table: pa.Table, users: Int, names: pa.Array) -> pa.Table:
    """The table with the users' names instead of their numbers."""
    named = names.take(pa.array(np.searchsorted(users, table["q_id"].to_numpy())))
    return table.set_column(0, "q_id", named)


def _documents(sids: Int) -> pa.Array:
    """The document of each SID, such as 11-53-220-113. Shape: (R, M) -> (R,)"""
    columns = [pa.array(column).cast(pa.string()) for column in sids.T]
    return pc.binary_join_element_wise(*columns, "-")


def _results(run: Run, users: Int, item_documents: dict[str, str]) -> pa.Table:
    """The rankings as q_id, doc_id, score, sorted by user and rank."""
    stored = run.rankings(["user", "rank", "codes", "item"])
    rankings = stored.sort_by([("user", "ascending"), ("rank", "ascending")])
    user, rank = rankings["user"].to_numpy(), rankings["rank"].to_numpy()
    codes = rankings["codes"].combine_chunks().flatten().to_numpy()
    documents = _documents(codes.reshape(len(rankings), -1)[:, -run.summary.slots.sid :])
    if run.summary.slots.are_the_models_own:  # the model's codes name items; codes that name no item are marked as such
        named = zip(rankings["item"].to_pylist(), documents.to_pylist(), strict=True)
        documents = pa.array([item_documents[item] if item else f"own:{codes}" for item, codes in named], pa.string())
    occurrence = _occurrences(user, documents.dictionary_encode().indices.to_numpy())
    numbered = pc.binary_join_element_wise(documents, pa.array(occurrence).cast(pa.string()), "#")
    unique = pc.if_else(pa.array(occurrence > 1), numbered, documents)
    without_results = np.setdiff1d(users, user)
    all_users = np.concatenate([user, without_results])
    score = np.concatenate([run.spec.beam + 1 - rank, np.zeros(len(without_results), dtype=np.int64)])
    all_documents = pa.concat_arrays([unique, pa.array([NO_RESULT] * len(without_results), pa.string())])
    order = np.lexsort((-score, all_users))
    return _table(all_users[order], all_documents.take(pa.array(order)), score[order].astype(np.float64))


def _occurrences(user: Int, document: Int) -> Int:
    """Which occurrence of its document in the list of its user each row is, counted from 1.

    Args:
        user: sorted, ranks rising within a user. Shape: (R,)
        document: a number for each document. Shape: (R,)

    Returns:
        Shape: (R,)
    """
    order = np.lexsort((document, user))  # stable, so equal documents stay sorted by rank
    is_first = np.ones(len(user), dtype=bool)
    is_first[1:] = (user[order][1:] != user[order][:-1]) | (document[order][1:] != document[order][:-1])
    position = np.arange(len(user))
    occurrences = np.empty(len(user), dtype=np.int64)
    occurrences[order] = position - np.maximum.accumulate(np.where(is_first, position, 0)) + 1
    return occurrences


def _relevant(users: Int, targets: Int) -> pa.Table:
    """The one relevant document of each user as q_id, doc_id, score."""
    return _table(users, _documents(targets), np.ones(len(users), dtype=np.int64))


def _table(users: Int, documents: pa.Array, scores: np.ndarray) -> pa.Table:
    return pa.table({"q_id": pa.array(users), "doc_id": documents, "score": scores})


FileWriter = Callable[[BinaryIO], object]


def _rows(table: pa.Table) -> Iterator[tuple[str, str, float]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _trec(table: pa.Table, tag: str) -> FileWriter:
    """Lines `q Q0 doc rank score tag` of results or, without a tag, lines `q 0 doc 1` of relevant documents."""
    lines, query, rank = [], None, 0
    for user, document, score in _rows(table):
        query, rank = user, rank + 1 if user == query else 1
        field = escape_field(user)
        lines.append(f"{field} Q0 {document} {rank} {score:g} {tag}" if tag else f"{field} 0 {document} {score}")
    text = "".join(f"{line}\n" for line in lines)
    return lambda file: file.write(text.encode())


def escape_field(text: str) -> str:
    """A text as a field of a TREC file, which ends at white space: that and '%' are escaped as in a URL."""
    return re.sub(r"[%\s]", lambda match: quote(match[0], safe=""), text)


def unescape_field(field: str) -> str:
    """The text of a field that `escape_field` wrote."""
    return unquote(field)


def _json(table: pa.Table, tag: str) -> FileWriter:
    """query -> document -> score, best first."""
    queries: dict[str, dict[str, float]] = {}
    for query, document, score in _rows(table):
        queries.setdefault(query, {})[document] = score
    text = json.dumps(queries, indent=1) + "\n"
    return lambda file: file.write(text.encode())


def _parquet(table: pa.Table, tag: str) -> FileWriter:
    """The table itself."""
    return lambda file: pq.write_table(table, file)


_WRITERS: dict[ExportFormat, Callable[[pa.Table, str], FileWriter]] = {
    "trec": _trec,
    "ranx": _json,
    "parquet": _parquet,
}
