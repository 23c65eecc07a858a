"""What commands print on stdout and on stderr."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mindrec_bench import __version__
from mindrec_bench.cli import main
from mindrec_bench.cli.flags import colour_wanted

from .helpers import DATA, RUN


def test_run_prints_a_result_and_the_command_that_shows_it(call):
    code, out, err = call(*RUN)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"markov x bs on {DATA}, 60 users, categories generate")
    assert lines[-2].startswith("runs/arts-sim/markov/bs/")
    show_command = lines[-1].removeprefix("show it again: mrbench ").split()
    code, shown, _ = call(*show_command)
    assert code == 0
    assert shown.splitlines()[:-2] == lines[:-2]
    assert shown.splitlines()[-2] == f"mrbench run --model markov --decoder bs --data {DATA} --categories generate"


def test_the_hint_names_another_run_store(call):
    _, out, _ = call(*RUN, "--runs-dir", "my runs")
    assert out.splitlines()[-1].endswith("--runs-dir 'my runs'")
    show_command = shlex.split(out.splitlines()[-1].removeprefix("show it again: mrbench "))
    assert call(*show_command)[0] == 0
    assert call(*show_command[:2])[0] == 2, "the run is not in the default store"


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
    assert call.stderr.startswith("decoding: 60 of 60 users (100%) in 00:")
    call(*RUN, "--fresh", "--quiet")
    assert call.stderr == ""


def test_flags_reach_the_experiment(call):
    words = ("--eval-users", "9", "--users", "all", "--exclude-history", "--categories", "history", "--beam", "3")
    summary = json.loads(call(*RUN, *words, "--seed", "7", "--batch-size", "4", "--json")[1])
    assert (summary["eval_users"], summary["users"], summary["exclude_history"]) == (9, 60, True)
    assert (summary["categories"], summary["beam"], summary["seed"], summary["timings"]["batch_size"]) == (
        "history",
        3,
        7,
        4,
    )
    assert json.loads(call(*RUN, "--users", "20", "--json")[1])["users"] == 20


def test_fresh_computes_a_finished_run_again(call):
    (folder,) = [json.loads(call(*RUN, "--json")[1])["path"]]
    written = Path(folder, "summary.json").stat().st_mtime_ns
    assert call(*RUN)[0] == 0
    assert Path(folder, "summary.json").stat().st_mtime_ns == written
    assert call(*RUN, "--fresh")[0] == 0
    assert Path(folder, "summary.json").stat().st_mtime_ns > written


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
    entries = json.loads(call("list", "--json")[1])
    assert list(entries) == ["models", "decoders", "data"]
    assert {"name", "summary", "capability", "origin"} == set(entries["models"][0])


def test_list_of_one_name_shows_its_options(call):
    code, out, err = call("list", "decoders", "n-per-step")
    assert (code, err) == (0, "")
    assert out.startswith("n-per-step  [denoiser]  mindrec_decoders.n_per_step:NPerStep (mindrec-bench)\n")
    assert "options, as --decoder n-per-step:key=value,key=value\n" in out
    assert "\n  n          1|2|3|4, must be given. Slots per step;" in out
    plugin = json.loads(call("list", "models", "markov", "--json")[1])
    assert set(plugin) == {"name", "summary", "capability", "origin", "sizes", "options", "pairs_with"}
    assert plugin["options"][0] == {
        "name": "decay",
        "type": "number",
        "default": "0.8",
        "allowed": [],
        "meaning": "factor on a history item's weight per step of distance, above 0, at most 1 "
        "(1: all weigh the same).",
    }


@pytest.mark.parametrize("words", [(), ("data",)], ids=str)
def test_the_help_of_a_group_has_whole_sentences(call, words):
    group = main.cli
    for word in words:
        group = group.commands[word]
    text = " ".join(call(*words, "--help")[1].split())
    for name, command in group.commands.items():
        sentence = command.help.replace("\f", "").split("\n\n")[0].split(". ")[0].rstrip(".")
        assert f"{name} {' '.join(sentence.split())}." in text


def command_paths(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from command_paths(command, (*path, name))


@pytest.mark.parametrize("words", list(command_paths(main.cli)), ids=" ".join)
def test_help_of_every_command(call, words):
    code, out, _ = call(*words, "--help")
    assert (code, out.splitlines()[0].startswith(f"Usage: mrbench {' '.join(words)}")) == (0, True)


def test_data_show_counts_users(call):
    code, out, _ = call("data", "show", DATA)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "arts-sim")
    assert "paper" not in lines[1], "nothing is published about it"
    assert lines[2].split() == ["users", "60", "60"]
    content = json.loads(call("data", "show", DATA, "--json")[1])
    assert content["whole"]["users"] == 60


def modules_after(code):
    """The modules that a new Python process has imported after some code."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


RUN_COMMANDS = """
from mindrec_bench.cli import main as cli
for words in {commands!r}:
    sys.argv = ['mrbench', *words]
    try:
        cli.main()
    except SystemExit as stop:
        assert not stop.code, stop.code
"""

LOAD_ALL_PLUGINS = """
from mindrec_bench.plugins import registry
for kind in registry.GROUPS:
    for name in registry.names(kind):
        registry.load(kind, name)
"""


def test_quick_commands_import_nothing_slow(call):
    run = json.loads(call(*RUN, "--json")[1])["run"]
    commands = [["--help"], ["run", "--help"], ["list"], ["show", run], ["runs"]]
    modules = modules_after(RUN_COMMANDS.format(commands=commands) + LOAD_ALL_PLUGINS)
    assert {f"mindrec_bench.cli.{name}" for name in ("run", "list_", "show", "runs")} <= modules
    assert modules & {"torch", "transformers", "pandas", "scipy", "huggingface_hub", "pyarrow"} == set()


def test_tables_without_names_are_those_that_have_runs(call):
    code, out, err = call("table")
    assert (code, out) == (0, "")
    assert err.startswith("without runs: adaptive, ")
    assert len(err.splitlines()) == 1
    assert call("table", "--format", "json")[1] == "[]\n"
    assert "simulated" not in call("table", "table6")[1]


def test_reports_import_no_torch(call):
    modules = modules_after(RUN_COMMANDS.format(commands=[["table", "table2"], ["audit"]]))
    assert "mindrec_bench.report.table_spec" in modules
    assert modules & {"torch", "transformers", "pandas", "huggingface_hub"} == set()


def test_the_width_of_sentences_is_that_of_columns(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    lines = call("table", "table3")[1].split("\n\n")[0].splitlines()
    assert 60 < max(map(len, lines)) <= 70
    monkeypatch.delenv("COLUMNS")
    assert max(map(len, call("table", "table3")[1].split("\n\n")[0].splitlines())) > 90


def test_lists_and_sentences_fit_columns(call, monkeypatch):
    """A file or a pipe gets whole lines; commands that make a run again stay whole too, so that they can be copied."""
    ids = [call("run", "-m", model, "-d", "bs", "--data", DATA)[1].split("bs/")[1][:12] for model in ("markov", "pop")]
    commands = (["list"], ["list", "decoders", "adaptive"], ["show", ids[0]], ["show"], ["runs"], ["compare", *ids])
    whole = [call(*words)[1] for words in commands]
    monkeypatch.setenv("COLUMNS", "90")
    for words, before in zip(commands, whole, strict=True):
        lines, table = call(*words)[1].splitlines(), words[0] == "compare"
        assert [line for line in lines if len(line) > 90 and "mrbench run" not in line and not table] == [], words
        if words[1:2] != ["decoders"]:
            assert max(map(len, before.splitlines())) > max(map(len, lines)), words
    monkeypatch.delenv("COLUMNS")
    assert [call(*words)[1] for words in commands[:3]] == whole[:3]


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_no_color_is_honoured(monkeypatch, no_color, coloured):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert colour_wanted() == coloured
