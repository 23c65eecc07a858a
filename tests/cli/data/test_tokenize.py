"""`mrbench data tokenize` from the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mindrec_bench.cli.main import cli
from mindrec_bench.errors import DataError, UsageError


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "Shop"
    folder.mkdir()
    users = {str(user): [(user + position * position) % 12 for position in range(6)] for user in range(20)}
    (folder / "Shop.inter.json").write_text(json.dumps(users))
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", "tokenize", *map(str, arguments)])


def test_report_and_the_next_command(shop: Path) -> None:
    result = call(shop, "--levels", 2, "--codes", 4, "--quiet")
    assert result.exit_code == 0, result.output
    assert "rqkmeans, 2 levels of 4 codes, vectors cooc, seed 42: 12 items" in result.output
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("next: mrbench run ")
    arguments = shlex.split(line.removeprefix("next: mrbench"))
    run = CliRunner().invoke(cli, [*arguments, "--runs-dir", str(shop.parent / "runs"), "--quiet"])
    assert run.exit_code == 0, run.output


def test_json(shop: Path) -> None:
    result = call(
        shop, "--levels", 2, "--codes", 4, "--json", "--out", shop.parent / "New", "--method", "rqkmeans:rounds=3"
    )
    meta = json.loads(result.stdout)
    assert meta["folder"] == str(shop.parent / "New")
    assert meta["options"] == {"rounds": 3}
    assert meta["report"]["after"]["distinct_sids"] == 12


def test_invalid_arguments_are_errors(shop: Path) -> None:
    assert isinstance(call("arts-sim").exception, UsageError)
    assert "has no folder" in str(call("arts-sim").exception)
    assert isinstance(call(shop / "absent").exception, DataError)
    assert "unknown method" in str(call(shop, "--method", "pq").exception)
    for arguments in (("--preset", "lcrec"), ("--seed", -1), ("--max-minutes", 0)):
        assert call(shop, *arguments).exit_code == 2


def test_a_known_dataset_gets_its_ids_in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere" / "Toys"
    folder.mkdir(parents=True)
    lines = [" ".join(map(str, [user, *((user + step) % 12 for step in range(6))])) for user in range(20)]
    (folder / "user_sequence.txt").write_text("\n".join(lines))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("MRBENCH_DATA", str(folder.parent))
    result = call("toys", "--levels", 2, "--codes", 4, "--quiet")
    assert result.exit_code == 0, result.output
    *_, path, line = result.output.strip().splitlines()
    assert path == "./data/Toys"
    assert [file.name for file in folder.iterdir()] == ["user_sequence.txt"], "the original is only read"
    words = shlex.split(line.removeprefix("next: mrbench"))
    assert words[-2:] == ["--data", "toys"]
    run = CliRunner().invoke(cli, [*words, "--quiet", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["slots"]["sid"] == 2
    again = call("toys", "--quiet").exception
    assert isinstance(again, UsageError)
    assert "data/Toys/Toys.index.json holds semantic IDs already" in str(again)
