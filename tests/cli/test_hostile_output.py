"""Streams that are full or know few letters, names with control characters, and files that are hostile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "mindrec_bench"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("list",), ("list", "--json")], ids=" ".join)
def test_a_full_stdout_is_one_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "mrbench: the output can't be written (No space left on device); free some space, or write it elsewhere"
    ]


def test_a_terminal_with_few_letters_gets_them_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*COMMAND, "table", "table2"], capture_output=True, env=environment, timeout=100)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\\u2191" in done.stdout.decode("latin-1"), "the arrow behind HR@1"


@pytest.mark.parametrize(
    ("model", "decoder", "data"), [("pop", "bs", "a\x08b"), ("x\x9bm", "bs", "arts"), ("pop", "\x1b]0;x\x07", "arts")]
)
def test_names_reach_no_terminal_raw(call, model, decoder, data) -> None:
    code, out, err = call("run", "--model", model, "--decoder", decoder, "--data", data)
    assert (code, out) == (2, "")
    assert "\\u00" in err
    assert err.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a." * 100_000 + "b = 1", "nests keys, lists or tables more than 20 deep"),
        ("a = " + "[" * 5000 + "]" * 5000, "nests keys, lists or tables more than 20 deep"),
        ("a = " + "{b=" * 300 + "1" + "}" * 300, "nests keys, lists or tables more than 20 deep"),
        ("a = " + "9" * 5000, "is not valid TOML"),
        ("a = 1\n" * 300_000, "it may have 1,000,000: split it"),
        ('model = "pop"\nbeam = 12:00:00', "beam.* is 12:00:00; it must be one plain value"),
        ('model = "pop"\nbeam = {a = 1}', "beam.* is "),
        ('model = "pop"\nseed = [{a = 1}]', "seed.* is .*a = 1.*; it must be one plain value"),
        ('model = "pop"\nseed = [1, true]', "seed.* it must be one plain value"),
        ('model = "pop"\nbeam = 99999999999999999999999', "--beam is 9+; it must be at most 1000"),
    ],
    ids=["dots", "lists", "tables", "digits", "long", "time", "table", "table in a list", "truth in a list", "huge"],
)
def test_hostile_toml_is_one_sentence(call, tmp_path, text, message) -> None:
    (tmp_path / "config.toml").write_text(text)
    code, out, err = call("run", "--config", "config.toml", "--decoder", "bs")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert re.search(message, err), err
