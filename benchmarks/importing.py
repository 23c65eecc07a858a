"""Time the import of interactions and measure its memory.

Run `python benchmarks/importing.py 1000000 10000000`. For each number of rows it writes a CSV (a user for every 10 and
an item for every 50 rows, a heavy tail of items, shuffled, with a column that is not read), imports it with a 5-core
filter in a process of its own, and prints the file's size, seconds of wall time, and the peak memory of that process.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv


def write(path: Path, rows: int) -> None:
    """Random interactions, a part at a time."""
    rng = np.random.default_rng(0)
    n_users, n_items = rows // 10, rows // 50
    start = True
    for part in range(0, rows, 1 << 20):
        n = min(1 << 20, rows - part)
        users, items = rng.integers(n_users, size=n), (n_items * rng.random(n) ** 3).astype(np.int64)
        table = pa.table(
            {
                "reviewerID": pa.array([f"A{user:X}" for user in (users * 7_919_317 % 2**40).tolist()]),
                "asin": pa.array([f"B{item:09d}" for item in items.tolist()]),
                "overall": rng.integers(1, 6, n).astype(float),
                "reviewText": pa.array(["neither long nor short, but never read"] * n),
                "unixReviewTime": rng.integers(1_000_000_000, 1_500_000_000, n),
            }
        )
        with path.open("wb" if start else "ab") as file:
            csv.write_csv(table, file, csv.WriteOptions(include_header=start))
        start = False


def child(path: Path, folder: Path) -> None:
    """Import one file and print what it took."""
    from mindrec_bench.data.importing.importer import Import, run_import

    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    _, report = run_import(Import(path, "bench"), data_dir=folder, notify=lambda line: None)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{report['rows']:,} rows, {path.stat().st_size / 1e6:,.0f} MB -> {report['interactions']:,} interactions, "
        f"{report['users']:,} users, {report['items']:,} items: {wall:.1f} s wall, {cpu:.1f} s processor time, "
        f"peak {peak:,.0f} MiB ({begin:,.0f} MiB before it began)"
    )


def main() -> None:
    """Each size in a process of its own, whose peak memory is its own."""
    task, *words = sys.argv[1:]
    if task == "--write":
        write(Path(words[0]), int(words[1]))
    elif task == "--import":
        child(Path(words[0]), Path(words[1]))
    else:
        for rows in (task, *words):
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "rows.csv")
                for step in (["--write", path, rows], ["--import", path, folder]):
                    subprocess.run([sys.executable, __file__, *step], check=True)


if __name__ == "__main__":
    main()
