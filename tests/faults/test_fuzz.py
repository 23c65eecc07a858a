"""Seeded malformed inputs: each is done or refused in one sentence; no traceback, and nothing half-written."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mindrec_bench.cli.main import cli
from mindrec_bench.errors import MrbenchError

from .test_kills import DATA, TABLE, write_sales

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 60
TOKENS = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\xef\xbb\xbf",
        "\u202e".encode(),
        b"\x1b[31m",
        b"\r",
        b"\n\n",
    ),
    *(b"-1", b"0", b"1e999", b"NaN", b"inf", b"9" * 25, b"0.5", b"1e-9", b"null", b"true", b"[]", b"{}", b'""', b"'"),
    *(b'"', b",", b":", b"=", b"[", b"]", b"{", b"}", b"[" * 300, b'{"a":' * 300, b"a." * 300, b"# ", b"1979-05-27"),
    *(b"07:32:00", b"[[rows]]\n", b"[rows]\n", b"..", b"/", b"\\", b"%s", b"=1+1", b"<a_0>", b"<z_99>", b"all"),
)


def mutated(rng: random.Random, data: bytes, times: int) -> bytes:
    """Some bytes of a valid input changed, cut, doubled or swapped."""
    for _ in range(times):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 4, 16, 64)))
        match rng.randrange(6):
            case 0:
                data = data[:at] + rng.choice(TOKENS) + data[at:]
            case 1:
                data = data[:at] + rng.choice(TOKENS) + data[end:]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:end] + data[at:end] + data[end:]
            case 4:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case _:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = b"\n".join(lines)
    return data


def overtime(*_: object) -> None:
    raise TimeoutError(f"takes more than {SECONDS} seconds")


def finding(words: list[str]) -> tuple[int, str]:
    """The exit code of a command; and what it did wrong, or ''."""
    signal.alarm(SECONDS)
    try:
        result = CliRunner().invoke(cli, words, prog_name="mrbench")
    finally:
        signal.alarm(0)
    error = result.exception
    if isinstance(error, MrbenchError):
        text = str(error)
        if not text or len(text) > 4000:
            return error.exit_code, f"no sentence of a usual length: {text[:200]!r}"
        return error.exit_code, ""
    if isinstance(error, click.exceptions.Exit | SystemExit) or error is None:
        return result.exit_code, "" if result.exit_code in (0, 2, 3) else f"exit code {result.exit_code}"
    return 99, f"{type(error).__name__}: {str(error)[:300]}"


def is_text(data: bytes) -> str | None:
    """Data as an argument of a command, which holds no NUL; None where it can't be one."""
    text = data.decode(errors="surrogateescape")
    return None if "\0" in text else text


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty current folder, and an alarm for what takes too long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    signal.signal(signal.SIGALRM, overtime)
    return tmp_path


def half_written(folder: Path) -> list[Path]:
    """Temporary files, and runs and data folders that a refused command began."""
    left = [path for path in folder.rglob("*") if path.suffix == ".tmp"]
    return left + [
        path for path in folder.glob("runs/*/*/*/*/spec.json") if not path.with_name("summary.json").exists()
    ]


def fuzz(tally, seed: int, count: int, one: Callable[[random.Random], list[str] | None]) -> None:
    """Make and run `count` inputs; `one` writes an input and returns the command that reads it."""
    wrong = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        words = one(rng)
        if words is None:
            continue
        tally["tried"] += 1
        code, text = finding(words)
        tally["survived" if code == 0 else "named"] += 1
        if text:
            wrong.append(f"input {number}: {text}")
        if left := half_written(Path()):
            wrong.append(f"input {number}: left {left}")
            break
    assert not wrong, f"{len(wrong)} findings\n" + "\n".join(wrong[:40])
    assert tally["survived"] > 0
    assert tally["named"] > 0


def test_data_folders(here, tally) -> None:
    items = 12
    users = {str(user): [(user + step * step) % items for step in range(6)] for user in range(20)}
    texts = {str(item): {"title": f"t{item}", "description": "d", "categories": "A,B"} for item in range(items)}
    files = {
        "Shop.inter.json": json.dumps(users),
        "Shop.index.json": json.dumps({str(item): [f"<a_{item % 4}>", f"<b_{item // 4}>"] for item in range(items)}),
        "Shop.item.json": json.dumps(texts),
    }
    folder = here / "Shop"
    folder.mkdir()

    def one(rng: random.Random) -> list[str]:
        changed = rng.choice(list(files))
        for name, text in files.items():
            data = text.encode()
            (folder / name).write_bytes(mutated(rng, data, rng.randint(1, 3)) if name == changed else data)
        return ["data", rng.choice(("validate", "validate", "show")), "Shop"]

    fuzz(tally, 1, 2500, one)


def test_tables_to_import(here, tally) -> None:
    write_sales(here)
    files = {name: (here / name).read_bytes() for name in ("sales.csv", "things.jsonl")}

    def one(rng: random.Random) -> list[str]:
        changed = rng.choice(list(files))
        for name, data in files.items():
            (here / name).write_bytes(mutated(rng, data, rng.randint(1, 3)) if name == changed else data)
        return ["data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop", "--replace"]

    fuzz(tally, 2, 1000, one)


def test_rankings(here, tally) -> None:
    rows = [f"{user},{rank},{(user + rank) % 50},{1 - rank / 20}" for user in range(60) for rank in range(1, 6)]
    data = "\n".join(["user,rank,item,score", *rows, ""]).encode()

    def one(rng: random.Random) -> list[str]:
        (here / "lists.csv").write_bytes(mutated(rng, data, rng.randint(1, 3)))
        return ["score", "lists.csv", "--name", "mine", "--data", DATA]

    fuzz(tally, 3, 1500, one)


def test_options(here, tally) -> None:
    commands = (
        ["run", "-m", "markov:half_life=2", "-d", "dbs-penalty:normalise=all", "--data", DATA, "--dry-run"],
        ["run", "-m", "markov", "-d", "bs", "--data", DATA, "--beam", "5", "--holdout", "time:0.9", "--dry-run"],
        ["run", "-m", "pop", "-d", "bs", "--data", DATA, "--users", "20", "--seed", "3", "--dry-run"],
        ["show", "abc", "--k", "1,5"],
        ["compare", "abc", "abd", "--k", "1,5", "--by", "history"],
        ["list", "models", "markov"],
    )

    def one(rng: random.Random) -> list[str] | None:
        words = list(rng.choice(commands))
        at = rng.randrange(1, len(words))
        if words[at].startswith("-") or DATA in words[at]:  # a larger simulation only takes time
            at -= words[at] == DATA and rng.random() < 0.9
        text = is_text(mutated(rng, words[at].encode(), rng.randint(1, 2)))
        if text is None or "sim:" in text:
            return None
        return [*words[:at], text, *words[at + 1 :]]

    fuzz(tally, 4, 3500, one)


def test_table_files(here, tally) -> None:
    text = (
        TABLE.replace('"NDCG@10"', '"NDCG@10", "entropy"') + '\n[[rows]]\nlabel = "b"\nmodel = "pop"\ndecoder = "bs"\n'
    )

    def one(rng: random.Random) -> list[str]:
        (here / "mine.toml").write_bytes(mutated(rng, text.encode(), rng.randint(1, 3)))
        return ["table", "mine.toml", "--format", rng.choice(("text", "latex", "github", "csv", "json", "html"))]

    fuzz(tally, 5, 2500, one)


def test_configurations(here, tally) -> None:
    config = f'model = ["markov"]\ndecoder = "bs"\ndata = "{DATA}"\nbeam = 5\nseed = [1, 2]\nquiet = true\n'
    sweep = f'[run]\ndecoder = "nope"\ndata = "{DATA}"\n[[grid]]\nmodel = "markov"\nseed = [0, 1]\n'

    def one(rng: random.Random) -> list[str] | None:
        is_sweep = rng.random() < 0.4
        data = mutated(rng, (sweep if is_sweep else config).encode(), rng.randint(1, 3))
        (here / "file.toml").write_bytes(data)
        return ["sweep", "file.toml"] if is_sweep else ["run", "--config", "file.toml", "--dry-run"]

    fuzz(tally, 6, 2500, one)
