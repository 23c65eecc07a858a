"""Write a stored run as files that ranx and trec_eval read, so that its numbers can be checked elsewhere.

A document is a SID, not an item: a hit is a SID match (semantics section 1), and a recommended SID need not be that of
any item. With items as documents, all items that share the target's SID would have to be relevant, and NDCG would then
be divided by the ideal ranking of several documents. A user has one relevant document, so

    HR@k   = hit_rate@k (ranx), success_k (trec_eval)
    NDCG@k = ndcg@k (ranx), ndcg_cut_k (trec_eval)

Both tools sort by score and forget the rank, so the scores are b + 1 - rank: log scores may tie. A SID that stands in
a list again gets a name of its own (`11-53-220-113#2`), which is never relevant, and a user without results gets the
one document `none`, since both tools leave out users whom the run lacks, or refuse them. Users of imported data have
their own ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..core.code_space import Int
from ..data.sources import resolve
from ..errors import DataError
from ..io.atomic import Notify, atomic_write
from ..store.runs import RANKINGS, read_stored

Format = Literal["trec", "ranx", "parquet"]
ENDINGS: dict[Format, str] = {"trec": "trec", "ranx": "json", "parquet": "parquet"}
"""What the files of each format end in; ranx knows a file's kind by it."""

NO_RESULT = "none"


def export_run(
    run: dict[str, Any], form: Format, folder: Path, *, data_dir: Path | None = None, notify: Notify
) -> tuple[Path, Path]:
    """Write a run and what is relevant in it.

    Args:
        run: its summary, as `runs.resolve_run` gives it.
        form: `trec` (text lines), `ranx` (JSON, a query an object of documents and scores), or `parquet` (columns q_id,
            doc_id, score).
        folder: gets `<run>.run.<ending>` and `<run>.qrels.<ending>`.
        data_dir: where data folders are: the true next items are read from the run's data.
        notify: gets lines of progress.

    Returns:
        The paths of the two files.

    Raises:
        DataError: the run's data is missing or has changed, or a file of the run can't be read.
        MrbenchError: the folder can't be written.
    """
    users, targets, names, sids = _truth(run, data_dir, notify)
    results, qrels = (folder / f"{run['run']}.{kind}.{ENDINGS[form]}" for kind in ("run", "qrels"))
    tag = f"{run['model']}/{run['decoder']}/{run['run']}"
    atomic_write(results, _WRITERS[form](_named(_results(run, users, sids), users, names), tag), option="--out")
    atomic_write(qrels, _WRITERS[form](_named(_relevant(users, targets), users, names), ""), option="--out")
    return results, qrels


def _truth(run: dict[str, Any], data_dir: Path | None, notify: Notify) -> tuple[Int, Int, pa.Array, dict[str, str]]:
    """The evaluated users (shape: (U,)), the SID code numbers of their next items (shape: (U, M)), the users' names,
    and the SIDs of all items as names, by item id."""
    _, source = resolve(run["data"], data_dir)
    dataset = source.load(data_dir, users=run["users_asked"], notify=notify)
    if dataset.fingerprint != run["spec"]["data"]["fingerprint"]:
        raise DataError(f"the data {run['data']} has changed since run {run['run']}; repeat it: {run['command']}")
    held_out, some = dataset.held_out(run.get("split", "test")), slice(run["eval_users"])
    users = held_out.histories.users[some]
    names = pa.array(dataset.external_ids.users[some]) if dataset.external_ids else pa.array(users).cast(pa.string())
    sids = dict(zip(dataset.item_ids, _documents(dataset.sids).to_pylist(), strict=True))
    return users, dataset.sids[held_out.targets[some]], names, sids


def _named(table: pa.Table, users: Int, names: pa.Array) -> pa.Table:
    """The table with the users' names in the place of their numbers."""
    named = names.take(pa.array(np.searchsorted(users, table["q_id"].to_numpy())))
    return table.set_column(0, "q_id", named)


def _documents(sids: Int) -> pa.Array:
    """SIDs as names: 11-53-220-113. Shape: (R, M) -> (R,)"""
    columns = [pa.array(column).cast(pa.string()) for column in sids.T]
    return pc.binary_join_element_wise(*columns, "-")


def _results(run: dict[str, Any], users: Int, sids: dict[str, str]) -> pa.Table:
    """The run as q_id, doc_id, score, by user and rank."""
    stored = read_stored(run, RANKINGS, ["user", "rank", "codes", "item"])
    rankings = stored.sort_by([("user", "ascending"), ("rank", "ascending")])
    user, rank = rankings["user"].to_numpy(), rankings["rank"].to_numpy()
    codes = rankings["codes"].combine_chunks().flatten().to_numpy()
    documents = _documents(codes.reshape(len(rankings), -1)[:, -run["slots"]["sid"] :])
    if "code" in run["slots"]:  # the model's own codes: the SID of the item they name, else themselves, marked
        own = zip(rankings["item"].to_pylist(), documents.to_pylist(), strict=True)
        documents = pa.array([sids[item] if item else f"own:{document}" for item, document in own], pa.string())
    times = _occurrence(user, documents.dictionary_encode().indices.to_numpy())
    again = pc.binary_join_element_wise(documents, pa.array(times).cast(pa.string()), "#")
    names = pc.if_else(pa.array(times > 1), again, documents)
    empty = np.setdiff1d(users, user)
    everyone = np.concatenate([user, empty])
    score = np.concatenate([run["beam"] + 1 - rank, np.zeros(len(empty), dtype=np.int64)])
    filled = pa.concat_arrays([names, pa.array([NO_RESULT] * len(empty), pa.string())])
    order = np.lexsort((-score, everyone))
    return _table(everyone[order], filled.take(pa.array(order)), score[order].astype(np.float64))


def _occurrence(user: Int, document: Int) -> Int:
    """How often a user's document has stood in the list so far, itself included; rows by user and rank. Shape: (R,)"""
    order = np.lexsort((document, user))  # stable, so the ranks keep their order inside
    new = np.ones(len(user), dtype=bool)
    new[1:] = (user[order][1:] != user[order][:-1]) | (document[order][1:] != document[order][:-1])
    place = np.arange(len(user))
    times = np.empty(len(user), dtype=np.int64)
    times[order] = place - np.maximum.accumulate(np.where(new, place, 0)) + 1
    return times


def _relevant(users: Int, targets: Int) -> pa.Table:
    """The one relevant document of each user as q_id, doc_id, score."""
    return _table(users, _documents(targets), np.ones(len(users), dtype=np.int64))


def _table(users: Int, documents: pa.Array, scores: np.ndarray) -> pa.Table:
    return pa.table({"q_id": pa.array(users), "doc_id": documents, "score": scores})


Write = Callable[[BinaryIO], object]


def _lines(table: pa.Table) -> Iterator[tuple[str, str, float]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _trec(table: pa.Table, tag: str) -> Write:
    """`q Q0 doc rank score tag` lines of results, or, without a tag, `q 0 doc 1` lines of what is relevant."""
    lines, query, rank = [], None, 0
    for name, document, score in _lines(table):
        query, rank = name, rank + 1 if name == query else 1
        word = "%20".join(name.split())  # fields end at white space, which a user's own id may hold
        lines.append(f"{word} Q0 {document} {rank} {score:g} {tag}" if tag else f"{word} 0 {document} {score}")
    text = "".join(f"{line}\n" for line in lines)
    return lambda file: file.write(text.encode())


def _json(table: pa.Table, tag: str) -> Write:
    """An object of queries; each is an object of documents and scores, best first."""
    queries: dict[str, dict[str, float]] = {}
    for query, document, score in _lines(table):
        queries.setdefault(query, {})[document] = score
    text = json.dumps(queries, indent=1) + "\n"
    return lambda file: file.write(text.encode())


def _parquet(table: pa.Table, tag: str) -> Write:
    """The table itself."""
    import pyarrow.parquet as pq

    return lambda file: pq.write_table(table, file)


_WRITERS: dict[Format, Callable[[pa.Table, str], Write]] = {"trec": _trec, "ranx": _json, "parquet": _parquet}
