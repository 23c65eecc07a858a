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
    users = {str(user): [(user + step * step) % 12 for step in range(6)] for user in range(20)}
    (folder / "Shop.inter.json").write_text(json.dumps(users))
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", "tokenize", *map(str, arguments)])


def test_report_and_the_next_command(shop: Path) -> None:
    found = call(shop, "--levels", 2, "--codes", 4, "--quiet")
    assert found.exit_code == 0, found.output
    assert "rqkmeans, 2 levels of 4 codes, vectors cooc, seed 42: 12 items" in found.output
    line = found.output.strip().splitlines()[-1]
    assert line.startswith("next: mrbench run ")
    words = shlex.split(line.removeprefix("next: mrbench"))
    again = CliRunner().invoke(cli, [*words, "--runs-dir", str(shop.parent / "runs"), "--quiet"])
    assert again.exit_code == 0, again.output


def test_json(shop: Path) -> None:
    found = call(
        shop, "--levels", 2, "--codes", 4, "--json", "--out", shop.parent / "New", "--method", "rqkmeans:rounds=3"
    )
    value = json.loads(found.stdout)
    assert value["folder"] == str(shop.parent / "New")
    assert value["options"] == {"rounds": 3}
    assert value["report"]["after"]["distinct_sids"] == 12


def test_errors_say_what_to_do(shop: Path) -> None:
    assert isinstance(call("arts-sim").exception, UsageError)
    assert "has no folder" in str(call("arts-sim").exception)
    assert isinstance(call(shop / "absent").exception, DataError)
    assert "unknown method" in str(call(shop, "--method", "pq").exception)
    for wrong in (("--preset", "lcrec"), ("--seed", -1), ("--max-minutes", 0)):
        assert call(shop, *wrong).exit_code == 2
