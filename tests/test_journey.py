"""Imported data from end to end, by commands alone: purchases to semantic IDs, runs, a results table and exports."""

from __future__ import annotations

import csv
import importlib.util
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

USERS, ITEMS = 60, 36
KINDS = ("Guitars", "Drums", "Keys", "Flutes")
N_KINDS = len(KINDS)
METHODS = ("rqkmeans", "rqvae:epochs=3,hidden=16,latent=8", "letter:epochs=3,hidden=16,latent=8,clusters=2")
FOLDERS = ("shop", "shop-rqvae", "shop-letter")
TINY = ("--size", "tiny", "--data", "shop")

GUIDE = Path(__file__).parent.parent / "docs" / "own-data.md"

Call = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with purchases: a user buys the 9 items of one kind in turn, so the next one is certain."""
    folder, rng = tmp_path_factory.mktemp("journey"), np.random.default_rng(0)
    with (folder / "purchases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reviewerID", "asin", "unixReviewTime"])
        rows = [
            (f"buyer-{user:02d}", f"B{item_of(user, step):03d}", 1_000 * user + step)
            for user in range(USERS)
            for step in range(8)
        ]
        table.writerows(rows[row] for row in rng.permutation(len(rows)))
    with (folder / "things.jsonl").open("w") as file:
        for item in range(ITEMS):
            kind = KINDS[item % N_KINDS]
            entry = {"asin": f"B{item:03d}", "title": f"{kind} model {item}", "categories": ["Music", kind, "New"]}
            file.write(json.dumps(entry) + "\n")
    return folder


def item_of(user: int, step: int) -> int:
    """What a user buys at a step."""
    return N_KINDS * ((user + step) % 9) + user % N_KINDS


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """call('mrbench', word, ...): what the command prints; it must succeed."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MRBENCH_DATA", str(folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def run(*words: str) -> str:
        assert words[0] == "mrbench"
        result = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def next_command(printed: str) -> list[str]:
    """The next command, as a command names it."""
    (line,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    return shlex.split(line.removeprefix("next: "))


def run_summary(call: Call, *words: str) -> dict[str, Any]:
    return json.loads(call("mrbench", "run", *words, "--json", "-q"))


@pytest.mark.usefixtures("small_networks")
def test_from_purchases_to_a_table_of_results(call: Call, folder: Path) -> None:
    imported = call("mrbench", "data", "import", "purchases.csv", "--items", "things.jsonl", "--name", "shop")
    assert imported.startswith("60 users, 36 items, 480 interactions\n")
    runs = run_on_each_tokenizer(call, next_command(imported))
    run_of_folder = dict(zip(FOLDERS, runs, strict=True))
    assert len({run["spec"]["data"]["fingerprint"] for run in runs}) == len(METHODS), "each method has its own codes"
    for run in runs:
        assert run["metrics"]["hr@1"] == 1.0, "the next item is certain"
    llada = run_summary(call, "-m", "llada:epochs=1", *TINY, "-d", "dbs-dedup", "--max-minutes", "1")
    idgenrec = "idgenrec:rounds=1,epochs=1,keyword_epochs=2"
    textual = run_summary(call, "-m", idgenrec, *TINY, "-d", "ar-beam", "--constrain", "catalogue")
    assert textual["metrics"]["valid"] == 1.0
    check_table(call, folder, run_of_folder["shop"], llada)
    compared = call("mrbench", "compare", run_of_folder["shop"]["run"], textual["run"])
    assert "different kinds of codes" in compared
    assert "Entropy↑" not in compared
    check_export(call, folder, run_of_folder["shop"])


def run_on_each_tokenizer(call: Call, command: list[str]) -> list[dict[str, Any]]:
    """Run `markov` on the semantic IDs of each method, by the command that its report names; checks the report."""
    runs = []
    for method, name in zip(METHODS, FOLDERS, strict=True):
        out = [] if name == "shop" else ["--out", f"data/{name}"]
        printed = call(*command, "--method", method, "--levels", "3", "--codes", "6", "-q", *out)
        assert "items that share their SID" in printed
        examples = [line for line in printed.splitlines() if line.startswith("B0")]
        assert len(examples) == 5, "items have external ids"
        assert all(" model " in line for line in examples)
        run_command = next_command(printed)
        assert run_command[:2] == ["mrbench", "run"]
        runs.append(run_summary(call, *run_command[2:]))
        assert name in call("mrbench", "list", "data")
    return runs


def check_table(call: Call, folder: Path, *runs: dict[str, Any]) -> None:
    """The table of the guide, with one more row for each run, has all values."""
    rows = [
        f'[[rows]]\nlabel = "{run["model"]}"\nmodel = "{run["model"]}"\ndecoder = "{run["decoder"]}"\n'
        f'categories = "{run["categories"]}"\n'
        for run in runs
    ]
    table = GUIDE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    (folder / "mine.toml").write_text("\n".join([table, *rows]))
    (printed,) = json.loads(call("mrbench", "table", "mine.toml", "--run-missing", "--format", "json"))
    values = {
        row["label"]: {cell["metric"]: cell["value"] for cell in row["cells"] if cell["data"] == "shop"}
        for row in printed["rows"]
    }
    assert set(values) == {"Markov, DBS", "Popularity", *(run["model"] for run in runs)}
    for run in runs:
        row = values[run["model"]]
        assert row == pytest.approx({metric: run["metrics"][metric] for metric in row})
    assert values["Popularity"]["hr@1"] < values["Markov, DBS"]["hr@1"]


def check_export(call: Call, folder: Path, run: dict[str, Any]) -> None:
    """Exports have the buyers' external ids, and the SIDs of what they bought last."""
    call("mrbench", "export", run["run"], "--format", "parquet", "--out", "out")
    truth = pq.read_table(folder / "out" / f"{run['run']}.qrels.parquet").to_pydict()
    assert truth["q_id"] == [f"buyer-{user:02d}" for user in range(USERS)]
    codes = json.loads((folder / "data" / "shop" / "shop.index.json").read_text())
    sids = ["-".join(code[3:-1] for code in codes[str(item_of(user, 7))]) for user in range(USERS)]
    assert truth["doc_id"] == sids


def movielens_commands() -> list[list[str]]:
    """The commands of the guide's section about MovieLens."""
    section = GUIDE.read_text(encoding="utf-8").partition("## MovieLens")[2].partition("\n## ")[0]
    return [shlex.split(line, comments=True) for line in section.splitlines() if line.startswith("mrbench ")]


@pytest.fixture
def movielens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """As `call`, in a folder with MovieLens 100K as RecBole's package carries it."""
    recbole = importlib.util.find_spec("recbole")
    if recbole is None or recbole.origin is None:
        pytest.skip("RecBole, which has MovieLens 100K, is not installed: it needs Python 3.11")
    monkeypatch.chdir(tmp_path)
    for name in ("ml-100k.inter", "ml-100k.item"):
        (tmp_path / name).symlink_to(Path(recbole.origin).parent / "dataset_example" / "ml-100k" / name)

    def run(*words: str) -> str:
        result = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_movielens_from_file_to_recommendations(movielens: Call) -> None:
    import_it, run_it, recommend, *_ = movielens_commands()
    imported = movielens(*import_it)
    assert imported.startswith("943 users, 1,349 items, 99,287 interactions\n")
    assert "categories = class:token_seq" in imported
    run = json.loads(movielens(*run_it, "--eval-users", "100", "--json", "-q"))
    assert run["metrics"]["valid"] == 1.0
    printed = movielens(*(run["run"] if word == "RUN" else word for word in recommend))
    assert printed in GUIDE.read_text(encoding="utf-8"), "as the guide shows it, with titles"


@pytest.mark.slow
def test_movielens_with_semantic_ids(movielens: Call) -> None:
    import_it, _, _, tokenize, run_it, recommend, show = movielens_commands()
    movielens(*import_it)
    assert "1,349 items" in movielens(*tokenize, "-q")
    run = json.loads(movielens(*run_it, "--json", "-q"))
    assert run["metrics"]["hr@10"] > 0.05
    printed = movielens(*(run["run"] if word == "RUN" else word for word in recommend))
    assert len(printed.splitlines()) == 2 + 5
    shown = movielens(*(run["run"] if word == "RUN" else word for word in show))
    assert "the true next item: 237, Jerry Maguire" in shown
