"""The whole way of own data, by the commands alone: a table of purchases to semantic IDs, runs, a table and exports."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mindrec_bench.cli.main import cli

USERS, ITEMS, KINDS = 60, 36, 4
METHODS = ("rqkmeans", "rqvae:epochs=3,hidden=16,latent=8", "letter:epochs=3,hidden=16,latent=8,clusters=2")
FOLDERS = ("shop", "shop-rqvae", "shop-letter")
TINY = ("--size", "tiny", "--data", "shop")
KIND_NAMES = ("Guitars", "Drums", "Keys", "Flutes")

MANUAL = Path(__file__).parent.parent / "docs" / "own-data.md"

Call = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the purchases lie: a user buys the 9 things of one kind in turn, so the next one can be known."""
    home, rng = tmp_path_factory.mktemp("journey"), np.random.default_rng(0)
    with (home / "purchases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reviewerID", "asin", "unixReviewTime"])
        rows = [
            (f"buyer-{user:02d}", f"B{KINDS * ((user + step) % 9) + user % KINDS:03d}", 1_000 * user + step)
            for user in range(USERS)
            for step in range(8)
        ]
        table.writerows(rows[at] for at in rng.permutation(len(rows)))
    with (home / "things.jsonl").open("w") as file:
        for item in range(ITEMS):
            kind = KIND_NAMES[item % KINDS]
            entry = {"asin": f"B{item:03d}", "title": f"{kind} model {item}", "categories": ["Music", kind, "New"]}
            file.write(json.dumps(entry) + "\n")
    return home


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """call('mrbench', word, ...): what the command prints; it must end well."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("MRBENCH_DATA", str(home / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))

    def run(*words: str) -> str:
        assert words[0] == "mrbench"
        result = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def following(printed: str) -> list[str]:
    """The next command that a command names."""
    (line,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    return shlex.split(line.removeprefix("next: "))


def result(call: Call, *words: str) -> dict[str, Any]:
    return json.loads(call("mrbench", "run", *words, "--json", "-q"))


def test_from_a_table_of_purchases_to_a_table_of_results(call: Call, home: Path) -> None:
    imported = call("mrbench", "data", "import", "purchases.csv", "--items", "things.jsonl", "--name", "shop")
    assert imported.startswith("60 users, 36 items, 480 interactions\n")
    tokenize = following(imported)
    runs = tokenized(call, tokenize)
    names = dict(zip(FOLDERS, runs, strict=True))
    assert len({run["spec"]["data"]["fingerprint"] for run in runs}) == len(METHODS), "each method has its own codes"
    for run in runs:
        assert run["metrics"]["hr@1"] == 1.0, "what follows is certain"
    llada = result(call, "-m", "llada:epochs=1", *TINY, "-d", "dbs-dedup", "--max-minutes", "1")
    idgenrec = "idgenrec:rounds=1,epochs=1,keyword_epochs=2"
    textual = result(call, "-m", idgenrec, *TINY, "-d", "ar-beam", "--constrain", "catalogue")
    assert textual["metrics"]["valid"] == 1.0
    table(call, home, names["shop"], llada)
    compared = call("mrbench", "compare", names["shop"]["run"], textual["run"])
    assert "different kinds of codes" in compared
    assert "Entropy↑" not in compared
    exported(call, home, names["shop"])


def tokenized(call: Call, command: list[str]) -> list[dict[str, Any]]:
    """`markov` on the codes of each method, by the command that the method's report names; checks the report."""
    runs = []
    for method, name in zip(METHODS, FOLDERS, strict=True):
        out = [] if name == "shop" else ["--out", f"data/{name}"]
        printed = call(*command, "--method", method, "--levels", "3", "--codes", "6", "-q", *out)
        assert "items that share their SID" in printed
        examples = [line for line in printed.splitlines() if line.startswith("B0")]
        assert len(examples) == 5, "items have their own ids"
        assert all(" model " in line for line in examples)
        again = following(printed)
        assert again[:2] == ["mrbench", "run"]
        runs.append(result(call, *again[2:]))
        assert name in call("mrbench", "list", "data")
    return runs


def table(call: Call, home: Path, *runs: dict[str, Any]) -> None:
    """The table of the manual, with a row for each run more, has all values."""
    rows = [
        f'[[rows]]\nlabel = "{run["model"]}"\nmodel = "{run["model"]}"\ndecoder = "{run["decoder"]}"\n'
        f'categories = "{run["categories"]}"\n'
        for run in runs
    ]
    manual = MANUAL.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    (home / "mine.toml").write_text("\n".join([manual, *rows]))
    (printed,) = json.loads(call("mrbench", "table", "mine.toml", "--run-missing", "--format", "json"))
    values = {
        row["label"]: {cell["metric"]: cell["value"] for cell in row["cells"] if cell["data"] == "shop"}
        for row in printed["rows"]
    }
    assert set(values) == {"Markov, DBS", "Popularity", *(run["model"] for run in runs)}
    for run in runs:
        got = values[run["model"]]
        assert got == pytest.approx({metric: run["metrics"][metric] for metric in got})
    assert values["Popularity"]["hr@1"] < values["Markov, DBS"]["hr@1"]


def exported(call: Call, home: Path, run: dict[str, Any]) -> None:
    """Exports have the buyers' own ids, and what they bought last, by its SID."""
    call("mrbench", "export", run["run"], "--format", "parquet", "--out", "out")
    truth = pq.read_table(home / "out" / f"{run['run']}.qrels.parquet").to_pydict()
    assert truth["q_id"] == [f"buyer-{user:02d}" for user in range(USERS)]
    codes = json.loads((home / "data" / "shop" / "shop.index.json").read_text())
    last = [KINDS * ((user + 7) % 9) + user % KINDS for user in range(USERS)]
    sids = ["-".join(code[3:-1] for code in codes[str(item)]) for item in last]
    assert truth["doc_id"] == sids
