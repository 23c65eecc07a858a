"""Time the import of interactions and measure its memory.

Run `python benchmarks/importing.py 1000000 10000000`. For each number of rows it writes a CSV file (one user per 10
rows, one item per 50 rows, a heavy tail of items, shuffled, with a column that is not read), imports it with a 5-core
filter in a process of its own, and prints the file's size, the wall time and the CPU time, and the peak memory of that
process.
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

CHUNK_ROWS = 1 << 20


def write_csv(path: Path, n_rows: int) -> None:
    """Write random interactions, one chunk at a time."""
    rng = np.random.default_rng(0)
    n_users, n_items = n_rows // 10, n_rows // 50
    for start in range(0, n_rows, CHUNK_ROWS):
        n = min(CHUNK_ROWS, n_rows - start)
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
        with path.open("ab" if start else "wb") as file:
            csv.write_csv(table, file, csv.WriteOptions(include_header=not start))


def import_file(path: Path, folder: Path) -> None:
    """Import one file and print what it took."""
    from mindrec_bench.data.importing.importer import ImportOptions, import_dataset

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    _, report = import_dataset(ImportOptions(path, "bench"), data_dir=folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{report['rows']:,} rows, {path.stat().st_size / 1e6:,.0f} MB -> {report['interactions']:,} interactions, "
        f"{report['users']:,} users, {report['items']:,} items: {wall:.1f} s wall time, {cpu:.1f} s CPU time, "
        f"peak {peak:,.0f} MiB ({before:,.0f} MiB before the import)"
    )


def main() -> None:
    """Run each number of rows in new processes, so that the peak memory is that of the import."""
    command, *arguments = sys.argv[1:]
    if command == "--write":
        write_csv(Path(arguments[0]), int(arguments[1]))
    elif command == "--import":
        import_file(Path(arguments[0]), Path(arguments[1]))
    else:
        for n_rows in (command, *arguments):
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "rows.csv")
                for step in (["--write", path, n_rows], ["--import", path, folder]):
                    subprocess.run([sys.executable, __file__, *step], check=True)


if __name__ == "__main__":
    main()
