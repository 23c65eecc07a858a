"""Errors of the command line are one sentence with a documented exit code."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from mindrec_bench.io.locks import folder_lock

from .helpers import RUN, Broken, replaced


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-m", "markof"), "mrbench: unknown model 'markof' (did you mean 'markov'?); known: "),
        (("-d", "dbs-penalti"), "mrbench: unknown decoder 'dbs-penalti' (did you mean 'dbs-penalty'?)"),
        (("--data", "art"), "mrbench: unknown data 'art' (did you mean 'arts'?)"),
        (("-m", "markov:deccay=1"), "'markov' has no option 'deccay' (did you mean 'decay'?); it takes decay, mix"),
        (("-m", "markov:decay=x"), "option 'decay' of 'markov' is 'x'; it must be a number"),
        (("-d", "dbs-penalty:variant=relesed"), "(did you mean 'released'?); allowed: printed, released"),
        (("-m", "markov:decay"), "'decay' in 'markov:decay' is not an option; write markov:key=value"),
        (("-m", "llama3", "-d", "bs"), "not any masked slot; 'llama3' works with ar-beam, rank-items"),
        (("--beam", "-1"), "mrbench: --beam is -1; it must be at least 1"),
        (("--beam", "ten"), "Invalid value for '--beam'"),
        (("--users", "0"), "mrbench: --users is 0; it must be at least 1"),
        (("--users", "many"), "'many' is neither a number nor 'all'"),
        (("--eval-users", "0"), "mrbench: --eval-users is 0"),
        (("--max-minutes", "-3"), "mrbench: --max-minutes is -3.0; it must be above 0"),
        (("--batch-size", "0"), "mrbench: --batch-size is 0; it must be at least 1"),
        (("--seed", "-1"), "mrbench: --seed is -1; it must be at least 0"),
        (("--size", "tiny"), "mrbench: model 'markov' has no sizes; leave --size out"),
        (("--categories", "some"), "'some' is not one of 'none', 'history', 'generate', 'given'"),
        (("--bream", "3"), "No such option"),
        (("--trace", ""), "'' has an empty id"),
        (("--trace", "1,,2"), "'1,,2' has an empty id"),
    ],
    ids=str,
)
def test_wrong_usage_ends_with_2(call, tmp_path, words, message):
    code, out, err = call(*replaced(RUN, words))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run",), "Missing option '--model'"),
        (("rnu",), "No such command 'rnu'"),
        (("show", "abc"), "mrbench: no run 'abc' under runs; it holds no runs"),
        (("list", "decoder"), "'decoder' is not one of 'models', 'decoders', 'data'"),
        (("list", "models", "lada"), "mrbench: unknown model 'lada' (did you mean 'llada'?)"),
        (("data", "fetch", "arts-sim"), "there is nothing to download for 'arts-sim'"),
    ],
    ids=str,
)
def test_wrong_usage_of_other_commands(call, words, message):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.fixture
def shop(tmp_path):
    """`shop(inter=...)` writes a data folder with one file replaced, and returns its path."""

    def write(**files):
        folder = tmp_path / "Shop"
        folder.mkdir()
        sids = {str(item): ["<a_1>", f"<b_{item}>"] for item in range(4)}
        contents = {"inter": json.dumps({"1": [0, 1, 2], "2": [2, 1, 3]}), "index": json.dumps(sids)} | files
        for kind, text in contents.items():
            if text is not None:
                (folder / f"Shop.{kind}.json").write_text(text)
        return "./Shop"

    return write


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"inter": '{"1": [0, 1'}, "Shop/Shop.inter.json is not valid JSON at line 1"),
        ({"inter": None}, "Shop.inter.json"),
        ({"index": None}, "`mrbench data tokenize ./Shop`"),
        ({"inter": '{"1": [0, 1, 99]}'}, "99"),
        ({"inter": '{"1": [0, 1, 2], "1": [2, 1, 3]}'}, "the key '1' occurs twice in Shop/Shop.inter.json"),
        ({"inter": '{"1": [0, 1]}'}, "3 interactions"),
        ({"index": '{"0": ["<a_1>"], "1": ["<a_1>", "<b_1>"]}'}, "Shop.index.json"),
    ],
    ids=str,
)
def test_broken_data_ends_with_3(call, shop, files, message):
    code, out, err = call("run", "-m", "pop", "-d", "bs", "--data", shop(**files))
    assert (code, out) == (3, "")
    assert err.startswith("mrbench: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("runs").exists()


def test_a_valid_data_folder_can_be_run(call, shop):
    summary = json.loads(call("run", "-m", "pop", "-d", "rank-items", "--data", shop(), "--json")[1])
    assert (summary["users"], summary["categories"], summary["metrics"]["valid"]) == (2, "none", 1.0)
    assert summary["optimum"] is None


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_missing_gpu_ends_with_2(call, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, out, err = call(*RUN, "--device", device)
    assert (code, out) == (2, "")
    assert f"mrbench: --device is {device}, but torch finds no " in err


def test_missing_data_ends_with_3(call, monkeypatch):
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # first: importing the package reads the variable
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert call("run", "-m", "pop", "-d", "bs", "--data", "no/where")[0] == 3
    code, out, err = call("run", "-m", "pop", "-d", "bs", "--data", "arts")
    assert (code, out) == (3, "")
    assert "Arts is not on this machine" in err
    assert "arts-sim" in err


def test_a_runs_dir_that_cannot_be_written_ends_with_1(call, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = call(*RUN, "--runs-dir", "file")
    assert (code, out) == (1, "")
    assert err.startswith("mrbench: can't write file/arts-sim/markov/bs/")
    assert err.endswith("choose a folder that can be written with --runs-dir\n")


def test_a_full_disk_ends_with_1_and_the_run_continues(call, monkeypatch, tmp_path):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.io.atomic.os.fsync", full)
        code, out, err = call(*RUN)
    assert (code, out) == (1, "")
    assert err.startswith("mrbench: the disk is full, so runs/")
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".json", ".parquet")] == []
    assert call(*RUN)[0] == 0


def test_no_wait_ends_with_1_on_a_locked_run(call):
    path = Path(json.loads(call(*RUN, "--json")[1])["path"])
    with folder_lock(path, wait=False):
        assert call(*RUN, "--no-wait")[0] == 0, "what is finished is shown"
        code, out, err = call(*RUN, "--no-wait", "--fresh")
    assert (code, out) == (1, "")
    assert f"mrbench: {path} is being computed by process {os.getpid()} on" in err


def test_an_unexpected_error_is_one_line(call, register):
    register("decoder", "broken", Broken)
    code, out, err = call(*replaced(RUN, ("-d", "broken")))
    assert (code, out) == (1, "")
    package = Broken.__module__.partition(".")[0]
    details = "(repeat with --debug for the details)"
    assert err == f"mrbench: unexpected error in the plugin package '{package}' {details}: the decoder broke again\n"


@pytest.mark.parametrize("position", [0, 1, -1])
def test_debug_anywhere_shows_the_traceback(call, register, position):
    register("decoder", "broken", Broken)
    words = replaced(RUN, ("-d", "broken"))
    words.insert(position % (len(words) + 1), "--debug")
    code, _, err = call(*words)
    assert code == 1
    assert err.startswith("Traceback")
    assert "in decode" in err
    assert err.splitlines()[-1].endswith(": the decoder broke again")


def test_debug_shows_the_traceback_of_a_wrong_name(call):
    code, _, err = call(*replaced(RUN, ("-m", "x")), "--debug")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("mrbench: unknown model 'x'")


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet"])
def test_damage_of_a_run_is_named_by_what_prints_its_numbers(call, name):
    run = json.loads(call(*RUN, "--json")[1])
    file = Path(run["path"]) / name
    file.write_bytes(file.read_bytes()[:-1])
    code, _, err = call("show", run["run"])
    assert code == 0
    assert f"{file} is damaged" in err
    code, out, err = call("audit", "--all")
    assert code == 0
    assert f"left out: {file} is damaged" in err
    assert run["run"] not in out
    code, _, err = call("report", "--out", "pages")
    assert code == 2
    assert f"left out: {file} is damaged" in err
    assert "damaged" in call("runs")[1]


@pytest.mark.parametrize(
    "words", [("--history", "9" * 30), ("--seed", "9" * 30), ("--beam", "9" * 30), ("--eval-users", "0")]
)
def test_a_number_without_bounds_is_wrong_usage(call, words):
    code, out, err = call(*RUN, *words)
    assert (code, out) == (2, "")
    assert f"{words[0]} is {words[1]}; it must be " in err


def test_seeds_of_tables_have_the_bounds_of_seeds(call, tmp_path):
    head = 'title = "t"\ndata = ["arts"]\nmetrics = ["HR@10"]\n'
    row = '[[rows]]\nlabel = "a"\nmodel = "markov"\ndecoder = "bs"\n'
    for seed in ("-1", "9" * 30):
        (tmp_path / "own.toml").write_text(f"{head}seeds = [{seed}]\n{row}")
        code, _, err = call("table", "own.toml")
        assert code == 2
        assert "'seeds' in own.toml" in err
        (tmp_path / "own.toml").write_text(f"{head}{row}")
        code, _, err = call("table", "own.toml", "--seeds", seed)
        assert code == 2
        assert "--seeds is" in err


@pytest.mark.parametrize(
    "words",
    [
        ("score", "{}.parquet", "--name", "a"),
        ("table", "{}.toml"),
        ("recommend", "RUN", "--histories", "{}.json"),
        ("runs", "--runs-dir", "{}"),
        (*RUN, "--runs-dir", "{}"),
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_is_too_long_ends_with_2(call, words):
    values = {"RUN": json.loads(call(*RUN, "--json")[1])["run"] if "RUN" in words else ""}
    code, out, err = call(*(values.get(word, word.format("x" * 300)) for word in words))
    assert (code, out) == (2, "")
    assert "is too long for this file system; give a shorter one" in err
