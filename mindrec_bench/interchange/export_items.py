"""Write the recommendations of a run in the user's own terms: their ids of users and items, with titles.

One row per recommendation: `user`, `rank`, `item`, `title`, `score`, `shared_with`. A result whose semantic ID (SID)
several items have names the one that was ranked, or the first of them where the run ranks SIDs, and the others in
`shared_with`. A SID that no item has is a row without item. `mrbench score` reads the CSV and Parquet files back where
every row has an item; from the CSV file the ids that begin as a formula only where it was written with `--plain-csv`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from ..core.dataset import Dataset
from ..data.item_names import ItemNames
from ..experiment.result_items import result_items
from ..experiment.stored_data import load_run_data
from ..io.atomic import atomic_write
from ..io.printable import quote_formula
from ..store.runs import Run

ItemsFormat = Literal["items-csv", "items-parquet", "items-jsonl"]

SEPARATOR = " "
"""Between the ids in `shared_with` of a CSV file, where JSON and Parquet have lists."""


def export_items(
    run: Run,
    items_format: ItemsFormat,
    folder: Path,
    *,
    data_dir: Path | None = None,
    quote_formulas: bool = True,
) -> Path:
    """Write the recommendations of a run.

    Args:
        run: the run.
        items_format: of the file.
        folder: where `<run>.items.<ending>` is written.
        data_dir: where data folders are.
        quote_formulas: in CSV, put a ' before a text that a spreadsheet would compute as a formula.

    Returns:
        The path of the file.

    Raises:
        DataError: the run's data is missing or has changed, or the run is compact, or a file of it can't be read.
        MrbenchError: the folder can't be written.
    """
    table = items_table(run, load_run_data(run, data_dir))
    if items_format == "items-csv":
        table = _flat(table)
        table = _without_formulas(table) if quote_formulas else table
    ending = items_format.removeprefix("items-")
    path = folder / f"{run.id}.items.{ending}"
    atomic_write(path, _WRITERS[items_format](table), option="--out")
    return path


def items_table(run: Run, dataset: Dataset) -> pa.Table:
    """The recommendations of a run, sorted by user and rank.

    Args:
        run: the run.
        dataset: its data.

    Returns:
        Columns `user` (string), `rank` (int32), `item` and `title` (string; null where no item has the codes), `score`
        (float64) and `shared_with` (list of strings).
    """
    columns = ["user", "rank", "codes", "score", "item"]
    rankings = run.rankings(columns).sort_by([("user", "ascending"), ("rank", "ascending")])
    names = ItemNames(dataset)
    items = result_items(rankings, run.summary.slots, dataset)
    known = items >= 0
    shared = {item: [names.ids[other] for other in names.sharing(item)] for item in np.unique(items[known]).tolist()}
    rows = items.tolist()
    return pa.table(
        {
            "user": pa.array(names.users(rankings["user"].to_numpy()), pa.string()),
            "rank": rankings["rank"],
            "item": pa.array([names.ids[item] if item >= 0 else None for item in rows], pa.string()),
            "title": pa.array([names.titles[item] if item >= 0 else None for item in rows], pa.string()),
            "score": rankings["score"],
            "shared_with": pa.array([shared.get(item, []) for item in rows], pa.list_(pa.string())),
        }
    )


FileWriter = Callable[[BinaryIO], object]


def _flat(table: pa.Table) -> pa.Table:
    """The table with `shared_with` as one text."""
    shared = [SEPARATOR.join(ids) for ids in table["shared_with"].to_pylist()]
    return table.set_column(table.column_names.index("shared_with"), "shared_with", pa.array(shared, pa.string()))


def _without_formulas(table: pa.Table) -> pa.Table:
    for index, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.field(name).type):
            texts = pa.array(map(quote_formula, table[name].to_pylist()), pa.string())
            table = table.set_column(index, name, texts)
    return table


def _csv(table: pa.Table) -> FileWriter:
    return lambda file: csv.write_csv(table, file)


def _parquet(table: pa.Table) -> FileWriter:
    return lambda file: pq.write_table(table, file, compression="zstd")


def _jsonl(table: pa.Table) -> FileWriter:
    def write(file: BinaryIO) -> None:
        for batch in table.to_batches(max_chunksize=1 << 16):
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist()).encode())

    return write


_WRITERS: dict[ItemsFormat, Callable[[pa.Table], FileWriter]] = {
    "items-csv": _csv,
    "items-parquet": _parquet,
    "items-jsonl": _jsonl,
}
