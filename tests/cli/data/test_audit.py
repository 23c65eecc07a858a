"""`mrbench data audit` from the command line."""

from __future__ import annotations

import json

DATA = "arts-sim:users=60,items=50"


def test_page_and_json(call):
    code, out, err = call("data", "audit", DATA, "-q")
    assert (code, err) == (0, "")
    assert out.startswith("arts-sim: 60 test users, 50 items, ")
    assert out.count("=> ") == 5
    code, out, _ = call("data", "audit", DATA, "-q", "--json", "--users", "20", "--history", "3")
    value = json.loads(out)
    assert (code, value["users"], value["history"]) == (0, 20, 3)
    assert set(value["conclusions"]) == {"times", "repeats", "unseen", "sids", "memorisable"}


def test_imported_data_by_name(call, shop):
    code, out, _ = call("data", "audit", "shop", "-q", "--json")
    value = json.loads(out)
    assert (code, value["users"], value["items"], value["sids"]) == (0, 30, 24, {"known": False})


def test_wrong_values_are_refused(call):
    for words, message in (
        (("--holdout", "time:2"), "the share must be above 0.5 and below 1"),
        (("--history", "0"), "--history is 0; it must be at least 1"),
        (("--users", "0"), "--users is 0"),
    ):
        code, out, err = call("data", "audit", DATA, *words)
        assert (code, out) == (2, "")
        assert message in err
    code, _, err = call("data", "audit", DATA, "--holdout", "time:0.9")
    assert code == 3
    assert "arts-sim has only their order" in err
