"""Options from a file: their names and types, precedence of the command line, and messages for mistakes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mindrec_bench.cli.config_file import read_config
from mindrec_bench.cli.main import cli
from mindrec_bench.errors import UsageError

RUN = cli.commands["run"]


def write(folder, text):
    path = folder / "cell.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_take_precedence_over_the_file(tmp_path):
    path = write(
        tmp_path,
        'model = "markov"\ndecoder = "rank-items"\ndata = "arts-sim:users=40,items=50"\nbeam = 3\n'
        f'exclude-history = true\nusers = 30\nquiet = true\nruns_dir = "{tmp_path / "runs"}"\n',
    )
    result = CliRunner().invoke(cli, ["run", "--config", str(path), "--beam", "2", "--json"], catch_exceptions=False)
    summary = json.loads(result.stdout)
    assert (summary["model"], summary["decoder"]) == ("markov", "rank-items")
    assert (summary["beam"], summary["users"], summary["exclude_history"]) == (2, 30, True)
    assert "--users 30 --beam 2 --exclude-history" in summary["command"]


def test_values_are_converted_as_flags_are(tmp_path):
    values = read_config(
        write(tmp_path, 'users = "all"\nmax-minutes = 3\nno-wait = true\nseed = [0, 1]\nmodel = "pop"\n'), RUN
    )
    assert values == {"users": None, "max_minutes": 3.0, "wait": False, "seed": (0, 1), "model": ("pop",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beams = 3", r"unknown key 'beams' in .*cell.toml \(did you mean 'beam'\?\); allowed: batch-size, beam,"),
        ('config = "other.toml"', "unknown key 'config'"),
        ("max-minutes = 1\nmax_minutes = 2", "the key 'max_minutes' is given twice"),
        ('beam = "ten"', "'beam' in .* is 'ten': 'ten' is not a valid int"),
        ('constrain = "items"', "'constrain' in .* is 'items': 'items' is not one of 'slots', 'catalogue'"),
        ("beam = 2.7", "'beam' in .* is 2.7: it must be a whole number"),
        ("seed = [0, 1.5]", r"'seed' in .* is \[0, 1.5\]: it must be a whole number"),
        ("users = 2.5", "'users' in .* is 2.5: it must be a whole number"),
        ("beam = true", "'beam' in .* is true; it must be one plain value"),
        ('quiet = "yes"', "'quiet' in .* is 'yes'; it must be true or false"),
        ("[run]\nbeam = 3", "unknown key 'run'"),
        ("beam = [3]", r"'beam' in .* is \[3\]; it must be one plain value"),
        (
            "beam = {a = [1979-05-27, true]}",
            r"'beam' in .* is \{a = \[1979-05-27, true\]\}; it must be one plain value",
        ),
        ("runs_dir = 3", "'runs_dir' in .* is 3: it must be a path, in quotes"),
        ("runs-dir = ''", "'runs-dir' in .* is '': the path is empty; write . for the current folder"),
        ("beam = = 3", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read_config(write(tmp_path, text), RUN, hidden="config")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"nothing.toml can't be read \(No such file or directory\)"):
        read_config(tmp_path / "nothing.toml", RUN)
