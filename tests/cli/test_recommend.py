"""`mrbench recommend` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from .helpers import DATA


def run_id(call, *words):
    return json.loads(call("run", "-m", "markov", "-d", "rank-items", "--data", DATA, "--json", "-q", *words)[1])["run"]


def test_text_and_json(call):
    run = run_id(call)
    code, out, err = call("recommend", run[:6], "--history", "3,7", "--k", "2")
    assert (code, err) == (0, "")
    heading, columns, *rows = out.splitlines()
    assert heading == "history of 2 items, the latest 7"
    assert columns.split() == ["item", "title", "score"]
    assert len(rows) == 2
    code, out, _ = call("recommend", run, "--history", "3,7", "--k", "2", "--json")
    value = json.loads(out)
    assert (code, value["history"], len(value["items"])) == (0, ["3", "7"], 2)
    assert set(value["items"][0]) == {"rank", "item", "title", "score", "shared_with"}
    assert rows[0].split()[:2] == ["1", value["items"][0]["item"]]
    assert value["items"][0]["title"], "simulated items have titles"
    code, out, _ = call("recommend", run, "--user", "5", "--json")
    assert (code, json.loads(out)["user"]) == (0, "5")


def test_a_file_of_histories(call):
    run = run_id(call)
    Path("h.json").write_text(json.dumps({"anna": [1, 2], "bob": ["4"]}))
    code, out, _ = call("recommend", run, "--histories", "h.json", "--json")
    values = json.loads(out)
    assert (code, [value["user"] for value in values]) == (0, ["anna", "bob"])
    alone = json.loads(call("recommend", run, "--history", "1,2", "--json")[1])
    assert values[0]["items"] == alone["items"]
    code, out, _ = call("recommend", run, "--histories", "h.json")
    assert code == 0
    assert "anna: history of 2 items, the latest 2" in out


def test_refusals_are_one_sentence(call):
    run = run_id(call)
    Path("h.json").write_text(json.dumps({"anna": ["1", "x"]}))
    for words, message in (
        ((), "give one of --user, --history and --histories"),
        (("--user", "1", "--history", "2"), "give one of --user, --history and --histories"),
        (("--history", "4x"), "no item '4x' in arts-sim (did you mean '4'?), in --history; items are named by"),
        (("--histories", "h.json"), "no item 'x' in arts-sim, in the history of 'anna' in h.json"),
        (("--user", "600"), "no user '600' in arts-sim"),
    ):
        code, out, err = call("recommend", run, *words)
        assert (code, out, len(err.splitlines())) == (2, "", 1), words
        assert message in err
    for ids in (",", "1,,2", "1,", ""):
        code, out, err = call("recommend", run, "--history", ids)
        assert (code, out) == (2, ""), ids
        assert f"'{ids}' has an empty id" in err
