"""Time the parts whose cost grows with users and items: loading, category tree, run store, metrics, significance.

Run `python benchmarks/scale.py` (minutes; or name some of the parts). Everything is simulated: each user has 10 items,
each item 4 SID codes of 256 and a category string, each list 10 results. Each line is a process of its own; it prints

* seconds: CPU time of the part, not of preparing its input;
* ratio: to the line with a tenth of the users or items; 10 is linear;
* MB: peak memory of the process, and how much of it the part added to that of its input.

The number of users varies with 100,000 items, that of items with 10,000 users. Significance compares two systems over
one chunk of 256 resamples instead of 10,000: time is proportional to the number of chunks, and no more chunks are in
memory at once than there are threads.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import HISTORY, Dataset, Examples, Histories
from mindrec_bench.experiment.config import USERS_PER_SHARD
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from mindrec_bench.store.shards import Shard, ShardMeta

BEAM, SLOTS, CODES, LENGTH = 10, 4, 256, 10
USERS, ITEMS = (10_000, 100_000, 1_000_000), (100_000, 1_000_000)
FEW_USERS, FEW_ITEMS, RESAMPLES = USERS[0], ITEMS[0], 256

Work = Callable[[], object]


def random_sids(n_items: int) -> np.ndarray:
    """Shape: (N, 4)"""
    return np.random.default_rng(0).integers(0, CODES, size=(n_items, SLOTS))


def category_string(item: int) -> str:
    """One of about 7,000 category strings, each with 4 names."""
    return f"Root,a{item % 20},a{item % 20} b{item % 340},a{item % 20} b{item % 340} c{item % 6_800}"


def write_data_folder(folder: Path, n_users: int, n_items: int) -> None:
    """Write a data folder; called in a process of its own, so that its memory is not counted."""
    codes = [[f"<{'abcd'[slot]}_{code}>" for slot, code in enumerate(row)] for row in random_sids(n_items).tolist()]
    texts = {str(item): {"title": f"item {item}", "categories": category_string(item)} for item in range(n_items)}
    sequences = np.random.default_rng(1).integers(0, n_items, size=(n_users, LENGTH)).tolist()
    files = {
        "index": dict(zip(map(str, range(n_items)), codes, strict=True)),
        "item": texts,
        "inter": dict(zip(map(str, range(n_users)), sequences, strict=True)),
    }
    for name, content in files.items():
        (folder / f"{folder.name}.{name}.json").write_text(json.dumps(content))


def load(n_users: int, n_items: int, folder: Path) -> Work:
    """Reading a data folder: sequences, SIDs, categories, the fingerprint, and the test split."""
    from mindrec_bench.data.folder import read_folder

    command = [sys.executable, __file__, "--files", str(folder), str(n_users), str(n_items)]
    subprocess.run(command, check=True)
    return lambda: read_folder(folder).test()


def tree(n_users: int, n_items: int, folder: Path) -> Work:
    """The category tree and every item's codes, from strings."""
    from mindrec_bench.data.category_tree import category_codes

    strings = {str(item): category_string(item) for item in range(n_items)}
    return lambda: category_codes(strings, list(strings), 3)


def _random_dataset(n_users: int, n_items: int) -> Dataset:
    return Dataset(
        name="scale",
        users=np.arange(n_users),
        offsets=np.arange(n_users + 1) * LENGTH,
        items=np.random.default_rng(1).integers(0, n_items, size=n_users * LENGTH),
        item_ids=[str(item) for item in range(n_items)],
        sids=random_sids(n_items),
        categories=None,
        fingerprint="scale",
    )


def _run_folder(folder: Path, n_users: int) -> RunFolder:
    spec = RunSpec(
        DataSpec("scale", "scale", "0", n_users), ModelSpec("none", {}, ""), DecoderSpec("none", {}), "none", beam=BEAM
    )
    return RunFolder(spec, folder)


def _write_shards(folder: RunFolder, space: CodeSpace, n_users: int) -> list[Shard]:
    """Write all shards of a run, as a run writes them."""
    folder.start()
    rng, shards = np.random.default_rng(2), []
    for index, start in enumerate(range(0, n_users, USERS_PER_SHARD)):
        users = np.arange(start, min(start + USERS_PER_SHARD, n_users))
        items = rng.integers(space.n_items, size=(len(users), BEAM))
        codes = space.to_numbers(space.item_codes[items], space.sid_slots)
        scores = np.sort(rng.random((len(users), BEAM)), axis=1)[:, ::-1]
        table = rankings_table(users, codes, scores, np.full(len(users), BEAM))
        shards.append(folder.write_shard(index, table, ShardMeta("cpu", 128, len(users), batch_seconds=(1.0,))))
    return shards


def store(n_users: int, n_items: int, folder: Path) -> Work:
    """The run store: rankings to shards, shards to one file, the summary with its checksums."""
    space, run = CodeSpace.build(random_sids(n_items)), _run_folder(folder, n_users)
    columns = {"hit_rank": np.zeros(n_users, dtype=np.int32)}
    return lambda: run.finish(_write_shards(run, space, n_users), np.arange(n_users), columns, {})


def metrics(n_users: int, n_items: int, folder: Path) -> Work:
    """All metrics, from the shards of a run."""
    from mindrec_bench.experiment.summary import score_shards

    dataset = _random_dataset(n_users, n_items)
    space = dataset.space(categories=False)
    targets = np.random.default_rng(3).integers(0, n_items, size=n_users)
    examples = Examples(Histories(np.full((n_users, HISTORY), -1), dataset.users), targets)
    shards = _write_shards(_run_folder(folder, n_users), space, n_users)
    return lambda: score_shards(shards, examples, dataset, space, categories="none", beam=BEAM)


def significance(n_users: int, n_items: int, folder: Path) -> Work:
    """The comparison of two systems: accuracy and diversity, tests and intervals."""
    from mindrec_bench.metrics.accuracy import hr_and_ndcg
    from mindrec_bench.metrics.names import RANKING_METRICS
    from mindrec_bench.stats.comparison import System, compare
    from mindrec_bench.stats.diversity_tests import DIVERSITY_METRICS, code_counts

    item_codes = random_sids(n_items) + np.arange(SLOTS) * CODES

    def random_system(seed: int) -> System:
        rng = np.random.default_rng(seed)
        ranks = np.where(rng.random(n_users) < 0.06, rng.integers(1, BEAM + 1, n_users), 0).astype(np.int32)
        items = np.minimum(rng.zipf(1.15, size=(n_users, BEAM)), n_items) - 1
        users = np.repeat(np.arange(n_users), BEAM * SLOTS)
        counts = code_counts(users, item_codes[items].ravel(), n_users, CODES * SLOTS)
        return System(f"system {seed}", np.arange(n_users), hr_and_ndcg(ranks), counts=counts)

    first, second = random_system(0), random_system(1)
    return lambda: compare(first, [second], (*RANKING_METRICS, *DIVERSITY_METRICS), resamples=RESAMPLES)


PARTS = {part.__name__: part for part in (load, tree, store, metrics, significance)}
GROWS_WITH = {
    "load": ("users", "items"),
    "tree": ("items",),
    "store": ("users",),
    "metrics": ("users", "items"),
    "significance": ("users",),
}


def peak_mb() -> float:
    """The peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def time_part(part: str, n_users: int, n_items: int) -> None:
    """Time one part, and print its seconds, the peak memory and what the part added to it."""
    with tempfile.TemporaryDirectory() as folder:
        work = PARTS[part](n_users, n_items, Path(folder))
        input_mb, start = peak_mb(), time.process_time()
        work()
        print(time.process_time() - start, peak_mb(), peak_mb() - input_mb)


def print_line(part: str, n_users: int, n_items: int, previous: float | None) -> float:
    """Print one line of the table, and return its seconds; `previous`: those of a tenth of the users or items."""
    command = [sys.executable, __file__, "--part", part, str(n_users), str(n_items)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, peak, added = map(float, output.split())
    ratio = "" if previous is None else f"{seconds / previous:.1f}"
    print(f"{part:13} {n_users:>9,} {n_items:>9,} {seconds:9.2f} {ratio:>6} {peak:8,.0f} {added:8,.0f}", flush=True)
    return seconds


def main() -> None:
    """Print all lines, or those of the parts that are named."""
    arguments = sys.argv[1:]
    match arguments:
        case ["--files", folder, n_users, n_items]:
            write_data_folder(Path(folder), int(n_users), int(n_items))
            return
        case ["--part", part, n_users, n_items]:
            time_part(part, int(n_users), int(n_items))
            return
    print("part              users     items   seconds  ratio       MB  MB more")
    for part in arguments or PARTS:
        for axis in GROWS_WITH[part]:
            previous = None
            for count in USERS if axis == "users" else ITEMS:
                n_users, n_items = (count, FEW_ITEMS) if axis == "users" else (FEW_USERS, count)
                previous = print_line(part, n_users, n_items, previous)


if __name__ == "__main__":
    main()
