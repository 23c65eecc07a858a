"""The command line: what it prints and where, its exit codes, and what a signal leaves."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mindrec_bench import __version__, cli, runner
from mindrec_bench.decoding import UserDecoder
from mindrec_bench.locks import hold

DATA = "arts-sim:users=60,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """call(word, ...): (exit code, stdout, stderr without progress) of `mrbench word ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MRBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def main(*words):
        monkeypatch.setattr(sys, "argv", ["mrbench", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, main.stderr = capsys.readouterr()
        return stop.value.code or 0, out, without_bars(main.stderr)

    return main


def without_bars(err):
    """Stderr without progress bars, which write over their own line, and empty lines."""
    lines = (line.rpartition("\r")[2] for line in err.split("\n"))
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("decoding:", "training:")))


def test_run_prints_a_result_and_how_to_see_it_again(call):
    code, out, err = call(*RUN)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"markov x bs on {DATA}, 60 users, categories generate")
    assert lines[-2].startswith("runs/arts-sim/markov/bs/")
    again = lines[-1].removeprefix("show it again: mrbench ").split()
    code, shown, _ = call(*again)
    assert code == 0
    assert shown.splitlines()[:-2] == lines[:-2]
    assert shown.splitlines()[-2] == f"mrbench run --model markov --decoder bs --data {DATA} --categories generate"


def test_the_hint_names_another_run_store(call):
    _, out, _ = call(*RUN, "--runs-dir", "my runs")
    assert out.splitlines()[-1].endswith("--runs-dir 'my runs'")
    again = shlex.split(out.splitlines()[-1].removeprefix("show it again: mrbench "))
    assert call(*again)[0] == 0
    assert call(*again[:2])[0] == 2, "not in the usual store"


def test_json_is_one_object_and_nothing_else(call):
    code, out, err = call(*RUN, "--json")
    first = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert {"run", "path", "model", "decoder", "data", "size", "users", "metrics", "seconds"} <= set(first)
    assert {"hr@1", "hr@10", "ndcg@10", "entropy", "ttr", "valid"} <= set(first["metrics"])
    assert {"hr@1", "ndcg@10"} <= set(first["optimum"])
    code, out, err = call(*RUN, "--json")
    assert (code, json.loads(out)) == (0, first)
    assert err == "this run is done already; --fresh computes it again\n"
    assert call(*RUN, "--json", "--quiet")[2] == ""
    assert json.loads(call("show", first["run"][:6], "--json")[1]) == first


def test_progress_is_shown_unless_quiet(call):
    call(*RUN)
    assert "60/60" in call.stderr
    call(*RUN, "--fresh", "--quiet")
    assert call.stderr == ""


def test_flags_reach_the_question(call):
    words = ("--eval-users", "9", "--users", "all", "--exclude-history", "--categories", "history", "--beam", "3")
    found = json.loads(call(*RUN, *words, "--seed", "7", "--batch-size", "4", "--json")[1])
    assert (found["eval_users"], found["users"], found["exclude_history"]) == (9, 60, True)
    assert (found["categories"], found["beam"], found["seed"], found["timings"]["batch_size"]) == ("history", 3, 7, 4)
    assert json.loads(call(*RUN, "--users", "20", "--json")[1])["users"] == 20


def test_fresh(call, monkeypatch):
    call(*RUN)
    monkeypatch.setattr(UserDecoder, "_decode", lambda *arguments: 1 / 0)
    assert call(*RUN)[0] == 0
    assert call(*RUN, "--fresh")[0] == 1


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
        (("-m", "llada", "-d", "rank-items"), "not a score for every item; 'llada' works with "),
        (("--beam", "-1"), "mrbench: --beam is -1; it must be at least 1"),
        (("--beam", "ten"), "Invalid value for '--beam'"),
        (("--users", "0"), "mrbench: --users is 0; it must be at least 1"),
        (("--users", "many"), "'many' is neither a number nor 'all'"),
        (("--eval-users", "0"), "mrbench: --eval-users is 0"),
        (("--max-minutes", "-3"), "mrbench: --max-minutes is -3; it must be a number above 0"),
        (("--batch-size", "0"), "mrbench: --batch-size is 0; it must be from 1 to 512"),
        (("--seed", "-1"), "mrbench: --seed is -1; it must be from 0"),
        (("--size", "tiny"), "mrbench: model 'markov' has no sizes; leave --size out"),
        (("--categories", "some"), "'some' is not one of 'none', 'history', 'generate', 'given'"),
        (("--bream", "3"), "No such option"),
    ],
    ids=str,
)
def test_wrong_usage_ends_with_2(call, tmp_path, words, message):
    code, out, err = call(*RUN, *words)
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
    """shop(inter=...): a folder of one's own with one file replaced."""

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
        ({"index": None}, "Shop.index.json"),
        ({"inter": '{"1": [0, 1, 99]}'}, "99"),
        ({"inter": '{"1": [0, 1, 2], "1": [2, 1, 3]}'}, "the key '1' stands twice in Shop/Shop.inter.json"),
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


def test_good_data_of_ones_own(call, shop):
    found = json.loads(call("run", "-m", "pop", "-d", "rank-items", "--data", shop(), "--json")[1])
    assert (found["users"], found["categories"], found["metrics"]["valid"]) == (2, "none", 1.0)
    assert "optimum" not in found


def test_missing_data_ends_with_3(call, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # before the variable: importing reads it
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
        patch.setattr("mindrec_bench.storage.os.fsync", full)
        code, out, err = call(*RUN)
    assert (code, out) == (1, "")
    assert err.startswith("mrbench: the disk is full, so runs/")
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".json", ".parquet")] == []
    assert call(*RUN)[0] == 0


def test_no_wait_ends_with_1_on_a_locked_run(call):
    path = Path(json.loads(call(*RUN, "--json")[1])["path"])
    with hold(path, wait=False, notify=pytest.fail):
        code, out, err = call(*RUN, "--no-wait")
    assert (code, out) == (1, "")
    assert f"mrbench: {path} is being computed by process {os.getpid()} on" in err


def fail(*arguments):
    raise RuntimeError("the decoder broke")


def test_an_unexpected_error_is_one_line(call, monkeypatch):
    monkeypatch.setattr(UserDecoder, "_decode", fail)
    code, out, err = call(*RUN)
    assert (code, out) == (1, "")
    assert err == "mrbench: unexpected error (repeat with --debug for the details): the decoder broke\n"


@pytest.mark.parametrize("place", [0, 1, -1])
def test_debug_anywhere_shows_the_traceback(call, monkeypatch, place):
    monkeypatch.setattr(UserDecoder, "_decode", fail)
    words = list(RUN)
    words.insert(place % (len(words) + 1), "--debug")
    code, _, err = call(*words)
    assert code == 1
    assert err.startswith("Traceback")
    assert "in fail" in err
    assert err.endswith("mrbench: unexpected error: the decoder broke\n")


def test_debug_of_a_wrong_name(call):
    code, _, err = call(*RUN, "-m", "x", "--debug")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("mrbench: unknown model 'x'")


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(call, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UserDecoder, "_decode", interrupt)
        code, out, err = call(*RUN)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted; the same command continues from what is done"
    assert "Traceback" not in err


def test_help_version_and_list(call):
    code, out, _ = call("--help")
    assert code == 0
    assert all(command in out for command in ("run", "list", "show", "data", "Exit codes: 0 done"))
    assert call("--version")[1] == f"mrbench, version {__version__}\n"
    _, out, err = call("list")
    assert err == ""
    assert all(f"\n  {name}" in out for name in ("markov ", "dbs-penalty ", "arts-sim "))
    assert "[items] " in out
    assert call("list", "decoders")[1].splitlines()[0] == "decoders"
    found = json.loads(call("list", "--json")[1])
    assert list(found) == ["models", "decoders", "data"]
    assert {"name", "summary", "capability", "origin"} == set(found["models"][0])


def test_list_of_one_name_has_its_options(call):
    code, out, err = call("list", "decoders", "n-per-step")
    assert (code, err) == (0, "")
    assert out.startswith("n-per-step  [denoiser]  mindrec_decoders.n_per_step:NPerStep (mindrec-bench)\n")
    assert "options, as --decoder n-per-step:key=value,key=value\n" in out
    assert "\n  n          1|2|3|4, must be given. Slots a step;" in out
    found = json.loads(call("list", "models", "markov", "--json")[1])
    assert set(found) == {"name", "summary", "capability", "origin", "sizes", "options", "pairs_with"}
    assert found["options"][0] == {
        "name": "decay",
        "type": "number",
        "default": "0.8",
        "allowed": [],
        "meaning": "weight of a history item per step of distance, above 0, at most 1 (1: all weigh the same).",
    }


@pytest.mark.parametrize("words", [(), ("data",)], ids=str)
def test_the_help_of_a_group_has_whole_sentences(call, words):
    group = cli.cli
    for word in words:
        group = group.commands[word]
    text = " ".join(call(*words, "--help")[1].split())
    for name, command in group.commands.items():
        sentence = command.help.replace("\f", "").split("\n\n")[0].split(". ")[0].rstrip(".")
        assert f"{name} {' '.join(sentence.split())}." in text


def test_help_of_every_command(call):
    for words in (
        ("run",),
        ("list",),
        ("show",),
        ("data",),
        ("data", "show"),
        ("data", "fetch"),
        ("data", "import"),
        ("data", "validate"),
    ):
        code, out, _ = call(*words, "--help")
        assert (code, out.splitlines()[0].startswith(f"Usage: mrbench {' '.join(words)}")) == (0, True)


def test_data_show(call):
    code, out, _ = call("data", "show", DATA)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "arts-sim")
    assert "paper" not in lines[1], "nothing is published about it"
    assert lines[2].split() == ["users", "60", "60"]
    found = json.loads(call("data", "show", DATA, "--json")[1])
    assert found["whole"]["users"] == 60


# Signals, in a process of its own: it stops before the n-th renaming into a path with `part` in it, and says so.

PAUSED = """
import os, signal, sys, time
from mindrec_bench import cli, runner

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
part, left = sys.argv.pop(1), int(sys.argv.pop(1))
runner.SHARD_USERS = 16
replace = os.replace

def pausing(source, target):
    global left
    left -= part in str(target)
    if part in str(target) and left == 0:
        print("paused", flush=True)
        time.sleep(120)
    replace(source, target)

os.replace = pausing
cli.main()
"""


def stop(words, part, count, with_signal):
    """Run `mrbench`, stop it before the `count`-th renaming to a path that holds `part`; its exit code and stderr."""
    command = [sys.executable, "-c", PAUSED, part, str(count), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.send_signal(with_signal)
        _, err = process.communicate(timeout=60)
    assert line == "paused\n", err
    return process.returncode, without_bars(err)


def contents(root):
    """The bytes of rankings and metrics of the only run below."""
    (rankings,) = root.glob("*/*/*/*/rankings.parquet")
    return rankings.read_bytes(), rankings.with_name("metrics.parquet").read_bytes()


@pytest.mark.parametrize(
    ("part", "count", "with_signal"),
    [
        ("/shards/", 3, signal.SIGINT),
        ("/shards/", 3, signal.SIGKILL),
        ("metrics.parquet", 1, signal.SIGKILL),
        ("summary.json", 1, signal.SIGINT),
    ],
)
def test_stopped_while_decoding(call, monkeypatch, tmp_path, part, count, with_signal):
    monkeypatch.setattr(runner, "SHARD_USERS", 16)
    words = (*RUN, "--batch-size", "8")
    code, err = stop(words, part, count, with_signal)
    if with_signal == signal.SIGINT:
        assert (code, err) == (130, "interrupted; the same command continues from what is done\n")
    else:
        assert code == -signal.SIGKILL
        assert len(list(tmp_path.rglob("*.tmp"))) == 1, "killed in the middle of writing"
    assert list(tmp_path.rglob("summary.json")) == []
    whole = sorted(path.name[:5] for path in tmp_path.rglob("shards/*.parquet"))
    assert whole == [f"{index:05d}" for index in range(2 if part == "/shards/" else 4)]
    assert call(*words)[0] == 0
    assert list(tmp_path.rglob("*.tmp")) == []
    assert call(*words, "--runs-dir", "straight")[0] == 0
    assert contents(tmp_path / "runs") == contents(tmp_path / "straight")


def test_stopped_while_training(call, tmp_path):
    run = ("run", "-m", "llada:epochs=2", "-d", "dbs-dedup", "--data", DATA, "--categories", "none", "--runs-dir")
    assert call(*run, "straight")[0] == 0
    for with_signal, expected in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        root = tmp_path / with_signal.name
        code, err = stop((*run, root), "progress.json", 2, with_signal)
        assert code == expected
        assert "Traceback" not in err
        assert len(list(root.rglob("progress.json"))) == 1, "a whole checkpoint, and one without its last file"
        code, _, err = call(*run, str(root))
        assert code == 0
        assert "training continues at step" in err
        assert contents(root) == contents(tmp_path / "straight")
        assert {path.name for path in root.rglob("fit/*/*")} == {"model.json", "report.json", "weights.safetensors"}


def modules_after(code):
    """The modules that a fresh Python has imported after some code."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


COMMAND = """
from mindrec_bench import cli
sys.argv = ['mrbench', *{words!r}]
try:
    cli.main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""

EVERY_PLUGIN = """
from mindrec_bench import registry
for kind in registry.GROUPS:
    for name in registry.names(kind):
        registry.load(kind, name)
"""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["show"], None], ids=str)
def test_quick_commands_import_nothing_slow(call, words):
    if words == ["show"]:
        words = ["show", json.loads(call(*RUN, "--json")[1])["run"]]
    found = modules_after(EVERY_PLUGIN if words is None else COMMAND.format(words=words))
    assert "mindrec_bench.errors" in found
    assert found & {"torch", "transformers", "pandas", "scipy", "huggingface_hub", "pyarrow"} == set()
