"""Kills at every write, flush, rename and removal of a command: the same command then ends with the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from .forks import KILLED, content, mrbench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATA = "arts-sim:users=60,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA, "-q")
IMPORT = ("data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop")

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
        pytest.param((), IMPORT, id="import"),
        pytest.param((IMPORT,), (*IMPORT, "--replace"), id="import-replace"),
    ],
)
def test_a_command_that_is_killed_anywhere_ends_with_the_same_bits(
    tmp_path, warm, tally, before: Sequence[tuple[str, ...]], words: tuple[str, ...]
) -> None:
    start, whole, folder = tmp_path / "start", tmp_path / "whole", tmp_path / "killed"
    start.mkdir()
    write_sales(start)
    (start / "mine.toml").write_text(TABLE)
    for earlier in before:
        assert mrbench(earlier, start).code == 0
    shutil.copytree(start, whole)
    undisturbed = mrbench(words, whole)
    assert undisturbed.code == 0, undisturbed.err
    wanted = content(whole)
    wrong = []
    for kill_at in range(1, undisturbed.changes + 1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        tally["tried"] += 1
        killed = mrbench(words, folder, kill_at=kill_at)
        again = mrbench(words, folder)
        if killed.code == KILLED and again.code == 0 and again.is_clean and content(folder) == wanted:
            tally["survived"] += 1
        elif again.is_clean and again.code == 2 and "already" in again.err and content(folder) == wanted:
            tally["named"] += 1  # it was done: what would be replaced is named
        else:
            differs = sorted(dict(content(folder).items() ^ wanted.items()))
            wrong.append(f"change {kill_at}: {killed.code}, {again.code}, {differs[:5]}, {again.err[-300:]}")
    assert not wrong, "\n".join(wrong)
    assert tally["tried"] > 5, "nothing is hooked"
