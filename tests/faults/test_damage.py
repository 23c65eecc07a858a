"""Damage of every stored file, before every command that reads it: the same result, or the file named and refused."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from .forks import KILLED, Done, content, mrbench
from .test_kills import DATA, IMPORT, TABLE, write_sales

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LISTS = ("run", "-m", "markov", "-m", "pop", "-d", "bs", "--data", DATA, "--beam", "12", "-q")
TRACED = ("run", "-m", "markov", "-d", "bs", "--data", DATA, "-q", "--trace", "3")
FITTED = ("run", "-m", "esasrec:epochs=1", "-d", "rank-items", "--size", "tiny", "--data", DATA, "-q")
SHOP = ("run", "-m", "markov", "-d", "bs", "--data", "shop", "-q")
CODES = ("data", "tokenize", "shop", "--levels", "2", "--codes", "8")
FIT = ("fit", "-m", "llada:epochs=3,batch=32", "--size", "tiny", "--data", DATA, "--runs-dir", "half", "-q")
DECODE = ("run", "-m", "pop", "-d", "bs", "--data", DATA, "--runs-dir", "half", "-q")
OUT = "drawn"
FIGURE = f"""
title = "Mine"
kind = "figure"
data = ["{DATA}"]
metrics = ["hr@3"]

[[rows]]
label = "one"
model = "markov"
decoder = "bs"
categories = "generate"
x = 1

[[rows]]
label = "two"
model = "pop"
decoder = "bs"
categories = "generate"
x = 2
"""


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (flip, truncate, empty, Path.unlink, folder_in_its_place)


@pytest.fixture(scope="module")
def store(tmp_path_factory, warm) -> Path:
    """A folder with runs, a compact run, a fitted model, an imported dataset, a half-trained and a half-decoded model.

    Damage of the run of `markov` stands for that of any run.
    """
    folder = tmp_path_factory.mktemp("damage") / "whole"
    folder.mkdir()
    (folder / "table.toml").write_text(TABLE.replace('"NDCG@10"', '"NDCG@10", "entropy"'))
    (folder / "figure.toml").write_text(FIGURE)
    write_sales(folder)
    plain = ("run", "-m", "pop", "-d", "bs", "--data", DATA, "-q")
    archive = ("table", "table.toml", "--archive", "kept")
    for words in (LISTS, (*LISTS, "--split", "valid"), plain, TRACED, FITTED, archive, IMPORT, CODES, SHOP):
        done = mrbench(words, folder)
        assert done.code == 0, done.err
    assert mrbench(DECODE, folder, kill_at=".metrics.parquet.tmp").code == KILLED
    assert mrbench(FIT, folder, kill_at="model.json").code == KILLED
    assert len(list(folder.glob("half/*/llada/fit/*/checkpoints/*/progress.json"))) == 2
    return folder


def commands(store: Path) -> dict[str, tuple[str, ...]]:
    """The commands that read what is stored."""

    def run(pattern: str, *words: str) -> str:
        """The id of the one run whose spec has these words."""
        specs = {path.parent.name: path.read_text() for path in store.glob(f"runs/{pattern}/*/spec.json")}
        (found,) = (run for run, spec in specs.items() if all(word in spec for word in words))
        return found

    one, two = run("*/markov/bs", "arts-sim", '"beam": 10'), run("*/pop/bs", '"beam": 10')
    fitted, shop = run("*/esasrec/rank-items"), run("shop/*/*")
    longer = [run(f"*/{model}/bs", '"beam": 12', '"split": "test"') for model in ("markov", "pop")]
    return {
        "show": ("show", one),
        "show at a k": ("show", one, "--k", "2,7"),
        "show a user": ("show", one, "--user", "3"),
        "show a fitted run": ("show", fitted),
        "show a compact run": ("show", one, "--runs-dir", "kept", "--k", "2"),
        "runs": ("runs",),
        "compare": ("compare", one, two),
        "blend": ("blend", *longer),
        "table": ("table", "table.toml"),
        "table of compact runs": ("table", "table.toml", "--runs-dir", "kept"),
        "figure": ("figure", "figure.toml", "--out", OUT),
        "curve": ("figure", "curve", fitted, "--out", OUT),
        "export": ("export", one, "--out", OUT),
        "export items": ("export", shop, "--format", "items-csv", "--out", OUT),
        "recommend": ("recommend", shop, "--user", "u3"),
        "recommend by a fitted model": ("recommend", fitted, "--user", "3"),
        "audit": ("audit", "--all"),
        "report": ("report", "--out", OUT),
        "run again": TRACED,
        "run a fitted one again": FITTED,
        "run on own data again": SHOP,
        "decode on": DECODE,
        "train on": FIT,
        "tokenize again": (*CODES, "--force"),
        "data show": ("data", "show", "shop"),
        "data validate": ("data", "validate", "shop"),
    }


@dataclass(frozen=True)
class Outcome:
    """A command in a copy of the store: how it ended, and what it wrote."""

    done: Done
    text: str
    written: dict[str, str]

    @classmethod
    def of(cls, words: tuple[str, ...], folder: Path) -> Outcome:
        done = mrbench(words, folder)
        text = re.sub(r"[\d.,]+ (users/s|s|ms|min|h|minutes|MiB|kB)\b", "-", " ".join(done.out.split()))
        written = content(folder / OUT)
        if words[0] in ("run", "fit"):
            stores = ("half",) if "half" in words else ("runs",)
            written |= {f"{name}/{key}": text for name in stores for key, text in content(folder / name).items()}
        return cls(done, text, written)

    def is_same(self, other: Outcome) -> bool:
        return self.done.is_clean and (self.done.code, self.text, self.written) == (0, other.text, other.written)

    def is_of_that_data(self) -> bool:
        """Whether it is refused, or tells of the data as it is now: a data folder is the user's to edit.

        A result that is stored never changes with it.
        """
        refused = self.done.code in (1, 2, 3) and self.done.err.startswith("mrbench: ")
        return self.done.is_clean and (refused or self.done.code == 0)

    def is_named(self, file: Path, before: Outcome) -> bool:
        """Whether it says what is damaged: the file, its run or its model, which is left out; no number is another one.

        Nothing says that there was a summary, without which a run is unfinished, or that there were traces.
        """
        words = self.done.out + self.done.err
        told = any(name in words for name in (file.name, file.parent.name, "whole fitted model"))
        if not self.done.is_clean or not (told or file.name in ("summary.json", "traces.json")):
            return False
        unchanged = _numbers(self.text) <= _numbers(before.text)
        return self.done.names_what_to_do or (self.done.code == 0 and unchanged)


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+\.\d+", text))


@pytest.fixture(scope="module")
def wanted(store, tmp_path_factory) -> dict[str, Outcome]:
    """What the commands make of the whole store."""
    folder = tmp_path_factory.mktemp("wanted") / "whole"
    outcomes = {name: Outcome.of(words, _copy(store, folder)) for name, words in commands(store).items()}
    assert {name: outcome.done.err for name, outcome in outcomes.items() if outcome.done.code} == {}
    return outcomes


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_damaged_is_named_or_makes_no_difference(tmp_path, tally, store, wanted, damage) -> None:
    files = stored_files(store)
    assert {"losses.csv", "report.json", "weights.safetensors", "traces.json"} <= {file.name for file in files}
    wrong = []
    for file in files:
        for name, words in commands(store).items():
            if file.parent.as_posix() not in wanted[name].done.read:
                continue
            folder = _copy(store, tmp_path / "damaged")
            damage(folder / file)
            outcome = Outcome.of(words, folder)
            tally["tried"] += 1
            if outcome.is_same(wanted[name]):
                tally["survived"] += 1
            elif outcome.is_named(file, wanted[name]) or (file.parts[0] == "data" and outcome.is_of_that_data()):
                tally["named"] += 1
            else:
                wrong.append(f"{name}, {file}: exit code {outcome.done.code}: {outcome.done.err[-400:]}")
    assert not wrong, "\n".join(wrong)


def stored_files(store: Path) -> list[Path]:
    """One file of each kind, relative to the store."""
    (run,) = (path.parent for path in store.glob("runs/*/markov/bs/*/traces.json"))
    fits = ("runs/*/esasrec/fit/*/*", "half/*/llada/fit/*/checkpoints/*/*", "half/*/llada/fit/*/*")
    patterns = ("kept/*/*/*/*/*", "half/*/pop/bs/*/*", "half/*/pop/bs/*/shards/*", "data/shop/*", *fits)
    files = [*run.iterdir(), *(path for pattern in patterns for path in store.glob(pattern))]
    return sorted(path.relative_to(store) for path in files if path.is_file())


def _copy(store: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(store, folder)
