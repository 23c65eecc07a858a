"""`mrbench data show`."""

from __future__ import annotations

import json

DATA = "arts-sim:users=20,items=50"


def test_samples_of_the_simulation(call):
    code, out, _ = call("data", "show", DATA, "--samples", "2")
    lines = out.splitlines()
    assert code == 0
    assert [line.partition(",")[0] for line in lines if line.startswith("user ")] == ["user 0", "user 1"]
    assert len(lines[-1].split()) > 5, "item, categories, SID, part and words"
    assert "user 0," not in call("data", "show", DATA, "--samples", "0")[1]
    assert len(json.loads(call("data", "show", DATA, "--json")[1])["samples"]) == 3


def test_samples_of_imported_data_have_external_ids(call, tokenized_shop):
    _, out, _ = call("data", "show", "shop", "--samples", "1")
    assert "user user 0, the latest 5 of 9 items" in out
    assert "Thing " in out
