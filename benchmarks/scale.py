"""Time what grows with users and items: loading, category tree, run store, metrics, significance.

Run `python benchmarks/scale.py` (minutes; or name some of the parts). Everything is simulated: users have 10 items
each, items 4 SID codes of 256 and a category string, lists 10 results. Each line is a process of its own; it prints

* seconds: processor time of the part, its input ready before;
* ratio: to the line with ten times fewer; 10 is linear;
* MB: the most memory of the process, and how much of it the part added to what its input took.

Users stand beside 100,000 items, items beside 10,000 users. Significance compares two systems over one chunk of 256
resamples in place of 10,000: time is proportional to chunks, and at most as many chunks as there are threads are in
memory at once.
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
from mindrec_bench.experiment.batch_decoder import SHARD_USERS
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from mindrec_bench.store.runs import RunFolder
from mindrec_bench.store.shards import ShardMeta

BEAM, SLOTS, CODES, LENGTH = 10, 4, 256, 10
USERS, ITEMS = (10_000, 100_000, 1_000_000), (100_000, 1_000_000)
FEW_USERS, FEW_ITEMS, RESAMPLES = USERS[0], ITEMS[0], 256

Work = Callable[[], object]


def sids(items: int) -> np.ndarray:
    """Random SIDs. Shape: (N, 4)"""
    return np.random.default_rng(0).integers(0, CODES, size=(items, SLOTS))


def category(item: int) -> str:
    """One of about 7,000 category strings, of 4 names."""
    return f"Root,a{item % 20},a{item % 20} b{item % 340},a{item % 20} b{item % 340} c{item % 6_800}"


def make_files(folder: Path, users: int, items: int) -> None:
    """A data folder, in a process of its own so that its memory is not counted."""
    codes = [[f"<{'abcd'[slot]}_{code}>" for slot, code in enumerate(row)] for row in sids(items).tolist()]
    (folder / f"{folder.name}.index.json").write_text(json.dumps(dict(zip(map(str, range(items)), codes, strict=True))))
    texts = {str(item): {"title": f"item {item}", "categories": category(item)} for item in range(items)}
    (folder / f"{folder.name}.item.json").write_text(json.dumps(texts))
    drawn = np.random.default_rng(1).integers(0, items, size=(users, LENGTH)).tolist()
    (folder / f"{folder.name}.inter.json").write_text(json.dumps(dict(zip(map(str, range(users)), drawn, strict=True))))


def load(users: int, items: int, folder: Path) -> Work:
    """Reading a data folder: sequences, SIDs, categories, the fingerprint, and the test split."""
    from mindrec_bench.data.folder import read_folder

    subprocess.run([sys.executable, __file__, "--files", str(folder), str(users), str(items)], check=True)
    return lambda: read_folder(folder).test()


def tree(users: int, items: int, folder: Path) -> Work:
    """The category tree and every item's codes, from strings."""
    from mindrec_bench.data.category_tree import category_codes

    texts = {str(item): category(item) for item in range(items)}
    return lambda: category_codes(texts, list(texts), 3)


def _dataset(users: int, items: int) -> Dataset:
    drawn = np.random.default_rng(1).integers(0, items, size=users * LENGTH)
    offsets = np.arange(users + 1) * LENGTH
    return Dataset(
        "scale", np.arange(users), offsets, drawn, [str(i) for i in range(items)], sids(items), None, "scale"
    )


def _store(folder: Path, users: int) -> RunFolder:
    spec = RunSpec(
        DataSpec("scale", "scale", "0", users), ModelSpec("none", {}, ""), DecoderSpec("none", {}), "none", beam=BEAM
    )
    return RunFolder(spec, folder, lambda line: None)


def _write(folder: RunFolder, space: CodeSpace, users: int) -> list:
    """All shards of a run, as the runner writes them."""
    folder.start()
    rng, found = np.random.default_rng(2), []
    for index, start in enumerate(range(0, users, SHARD_USERS)):
        some = np.arange(start, min(start + SHARD_USERS, users))
        codes = space.to_numbers(space.item_codes[rng.integers(space.n_items, size=(len(some), BEAM))], space.sid_slots)
        scores = np.sort(rng.random((len(some), BEAM)), axis=1)[:, ::-1]
        table = rankings_table(some, codes, scores, np.full(len(some), BEAM))
        found.append(folder.write_shard(index, table, ShardMeta("cpu", 128, len(some), batch_seconds=(1.0,))))
    return found


def store(users: int, items: int, folder: Path) -> Work:
    """The run store: rankings to shards, shards to one file, the summary with its checksums."""
    space, run = CodeSpace.build(sids(items)), _store(folder, users)
    columns = {"hit_rank": np.zeros(users, dtype=np.int32)}
    return lambda: run.finish(_write(run, space, users), np.arange(users), columns, {})


def metrics(users: int, items: int, folder: Path) -> Work:
    """Every metric, from the shards of a run."""
    from mindrec_bench.experiment.scoring import score_shards

    dataset = _dataset(users, items)
    space = dataset.space(categories=False)
    rng = np.random.default_rng(3)
    targets = Examples(Histories(np.full((users, HISTORY), -1), dataset.users), rng.integers(0, items, size=users))
    shards = _write(_store(folder, users), space, users)
    return lambda: score_shards(shards, targets, dataset, space, categories="none", beam=BEAM)


def significance(users: int, items: int, folder: Path) -> Work:
    """The comparison of two systems: accuracy and diversity, tests and intervals."""
    from mindrec_bench.metrics.accuracy import RANKING_METRICS, per_user
    from mindrec_bench.stats.comparison import System, compare
    from mindrec_bench.stats.diversity_tests import DIVERSITY, code_counts

    catalogue = sids(items) + np.arange(SLOTS) * CODES

    def system(seed: int) -> System:
        rng = np.random.default_rng(seed)
        ranks = np.where(rng.random(users) < 0.06, rng.integers(1, BEAM + 1, users), 0).astype(np.int32)
        found = np.minimum(rng.zipf(1.15, size=(users, BEAM)), items) - 1
        owner = np.repeat(np.arange(users), BEAM * SLOTS)
        counts = code_counts(owner, catalogue[found].ravel(), users, CODES * SLOTS)
        return System(f"system {seed}", np.arange(users), per_user(ranks), counts=counts)

    first, second = system(0), system(1)
    return lambda: compare(first, [second], (*RANKING_METRICS, *DIVERSITY), resamples=RESAMPLES)


PARTS = {part.__name__: part for part in (load, tree, store, metrics, significance)}
GROWS_WITH = {"load": ("users", "items"), "tree": ("items",), "store": ("users",), "metrics": ("users", "items")}


def peak_mb() -> float:
    """The most memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def child(part: str, users: int, items: int) -> None:
    """Time one part and print seconds, peak and what the part added to it."""
    with tempfile.TemporaryDirectory() as folder:
        work = PARTS[part](users, items, Path(folder))
        before, start = peak_mb(), time.process_time()
        work()
        print(time.process_time() - start, peak_mb(), peak_mb() - before)


def line(part: str, users: int, items: int, before: float | None) -> float:
    """One line of the table; returns its seconds. `before`: those of the line with ten times fewer."""
    command = [sys.executable, __file__, "--child", part, str(users), str(items)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, peak, added = map(float, output.split())
    ratio = "" if before is None else f"{seconds / before:.1f}"
    print(f"{part:13} {users:>9,} {items:>9,} {seconds:9.2f} {ratio:>6} {peak:8,.0f} {added:8,.0f}", flush=True)
    return seconds


def main() -> None:
    """All lines, or those of the parts that are named."""
    task, *words = [*sys.argv[1:], ""]
    if task == "--files":
        make_files(Path(words[0]), int(words[1]), int(words[2]))
        return
    if task == "--child":
        child(words[0], int(words[1]), int(words[2]))
        return
    print("part              users     items   seconds  ratio       MB  MB more")
    for part in [word for word in (task, *words) if word] or PARTS:
        for axis in GROWS_WITH.get(part, ("users",)):
            before = None
            for count in USERS if axis == "users" else ITEMS:
                sizes = (count, FEW_ITEMS) if axis == "users" else (FEW_USERS, count)
                before = line(part, *sizes, before)


if __name__ == "__main__":
    main()
