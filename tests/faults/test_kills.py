"""Kills at every write, flush, rename and removal of a command: the same command then ends with the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from .forks import KILLED, content, mrbench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DATA = "arts-sim:users=60,items=50"
SMALL = "arts-sim:users=12,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA, "-q")
FIT = ("fit", "-m", "llada:epochs=3,batch=128", "--size", "tiny", "--data", SMALL, "-q")
FITTED = ("run", "-m", "esasrec:epochs=1,batch=128", "-d", "rank-items", "--size", "tiny", "--data", SMALL, "-q")
IMPORT = ("data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop")
TOKENIZE = ("data", "tokenize", "shop", "--levels", "2", "--codes", "8")
RQVAE = (*TOKENIZE, "-m", "rqvae:epochs=20,batch=24", "--device", "cpu", "-q")

TABLE = f"""
title = "Mine"
data = ["{DATA}"]
metrics = ["HR@5", "NDCG@10"]

[[rows]]
label = "Markov"
model = "markov"
decoder = "bs"
categories = "generate"
"""

SWEEP = f"""
[run]
decoder = "bs"
data = "{DATA}"

[[grid]]
model = "markov"
options.decay = [0.5, 0.8]
"""


def write_sales(folder: Path) -> None:
    """A table of interactions, and one of items."""
    rows = [f"u{user},i{(user * 7 + step * step) % 24},{1000 + user + step}" for user in range(30) for step in range(9)]
    (folder / "sales.csv").write_text("\n".join(["user,item,timestamp", *rows, ""]))
    items = [f'{{"id": "i{item}", "title": "thing {item} of kind {item % 5}"}}' for item in range(24)]
    (folder / "things.jsonl").write_text("\n".join([*items, ""]))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        pytest.param((), RUN, id="run"),
        pytest.param((RUN,), (*RUN, "--fresh", "decode"), id="run-fresh-decode"),
        pytest.param((FITTED,), (*FITTED, "--fresh", "all"), id="run-fresh-all"),
        pytest.param((), FIT, id="fit"),
        pytest.param((), IMPORT, id="import"),
        pytest.param((IMPORT,), (*IMPORT, "--replace"), id="import-replace"),
        pytest.param((IMPORT,), (*TOKENIZE, "-q"), id="tokenize"),
        pytest.param((IMPORT,), (*TOKENIZE, "-q", "--out", "coded"), id="tokenize-out"),
        pytest.param((IMPORT,), RQVAE, id="tokenize-rqvae"),
        pytest.param((), ("sweep", "sweep.toml", "-q"), id="sweep"),
        pytest.param((), ("table", "mine.toml", "--run-missing", "-q"), id="table-run-missing"),
        pytest.param((RUN,), ("table", "mine.toml", "--archive", "kept", "-q"), id="table-archive"),
        pytest.param((FIT,), ("runs", "clean", "--yes"), id="runs-clean"),
    ],
)
def test_a_command_that_is_killed_anywhere_ends_with_the_same_bits(
    tmp_path, warm, tally, before: Sequence[tuple[str, ...]], words: tuple[str, ...]
) -> None:
    start, whole, folder = tmp_path / "start", tmp_path / "whole", tmp_path / "killed"
    start.mkdir()
    write_sales(start)
    (start / "mine.toml").write_text(TABLE)
    (start / "sweep.toml").write_text(SWEEP)
    for earlier in before:
        assert mrbench(earlier, start).code == 0
    shutil.copytree(start, whole)
    undisturbed = mrbench(words, whole)
    assert undisturbed.code == 0, undisturbed.err
    wanted = content(whole)
    assert words not in (FIT, (*FITTED, "--fresh", "all")) or "losses.csv" in {Path(name).name for name in wanted}
    wrong = []
    for kill_at in range(1, undisturbed.changes + 1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        tally["tried"] += 1
        killed = mrbench(words, folder, kill_at=kill_at)
        again = mrbench(words, folder)
        if "--run-missing" in words:
            mrbench(("runs", "clean", "--yes"), folder)  # of shards that a kill after the summary leaves
        if killed.code == KILLED and again.code == 0 and again.is_clean and content(folder) == wanted:
            tally["survived"] += 1
        elif again.is_clean and again.code == 2 and "already" in again.err and content(folder) == wanted:
            tally["named"] += 1  # it was done: what would be replaced is named
        else:
            differs = sorted(dict(content(folder).items() ^ wanted.items()))
            wrong.append(f"change {kill_at}: {killed.code}, {again.code}, {differs[:5]}, {again.err[-300:]}")
    assert not wrong, "\n".join(wrong)
    assert tally["tried"] > 5, "nothing is hooked"
