"""`mrbench show --user`, and `mrbench run --trace`."""

from __future__ import annotations

import json
from pathlib import Path

from .helpers import RUN


def test_a_user_in_words_and_as_json(call):
    run = json.loads(call(*RUN, "--json", "-q")[1])["run"]
    code, out, err = call("show", run, "--user", "3")
    assert (code, err) == (0, "")
    assert out.startswith("user 3, markov x bs on arts-sim")
    for words in (
        "history, the latest last",
        "the true next item: ",
        "without a search: ",
        "category 1 = ",
        "items left",
    ):
        assert words in out
    code, shown, _ = call("show", run, "--user", "3", "--json")
    value = json.loads(shown)
    assert (code, value["user"], len(value["results"])) == (0, "3", 10)
    code, _, err = call("show", run, "--user", "nobody")
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_kept_trace_is_shown_without_the_model(call, monkeypatch):
    run = json.loads(call(*RUN, "--json", "-q", "--trace", "3,5")[1])
    assert set(json.loads((Path(run["path"]) / "traces.json").read_text())["traces"]) == {"3", "5"}
    fresh = call("show", run["run"], "--user", "7")[1]

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr("mindrec_bench.experiment.user_trace.trace_users", refuse)
    code, out, _ = call("show", run["run"], "--user", "5")
    assert code == 0
    assert out.startswith("user 5, markov x bs on")
    assert fresh.startswith("user 7, markov x bs on")


def test_cut_offs_beyond_the_lists_end_with_2(call):
    code, out, err = call(*RUN, "--k", "999999999999")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "--k 999999999999 is beyond the 10 results of a run (--beam); name a k of at most 10" in err
    assert not Path("runs").exists()
    runs = [
        json.loads(call(*RUN[:3], "-d", decoder, *RUN[5:], "--json", "-q")[1])["run"] for decoder in ("bs", "dbs-dedup")
    ]
    for words in (("show", runs[0]), ("compare", *runs)):
        code, out, err = call(*words, "--k", "11,20")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "--k 11,20 is beyond the 10 results of" in err
    assert " - " in call("show", runs[0], "--k", "5,11,20")[1]
