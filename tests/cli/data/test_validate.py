"""`mrbench data validate`."""

from __future__ import annotations

import json


def test_remarks_alone_end_with_0(call, shop):
    code, out, err = call("data", "validate", "shop")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "data/shop: 30 users, 24 items, 270 interactions",
        "remark: missing file of semantic IDs; make it with `mrbench data tokenize shop` before a run "
        "(shop.index.json)",
    ]


def test_all_errors_are_named(call, tokenized_shop):
    assert call("data", "validate", "shop")[0] == 0
    (tokenized_shop / "shop.inter.json").write_text('{"0": [1, 99, 2], "x": [1]}')
    code, out, err = call("data", "validate", "data/shop")
    assert code == 3
    assert len([line for line in out.splitlines() if line.startswith("error: ")]) == 2
    assert (
        err == "mrbench: data/shop can't be used: 2 kinds of errors, listed above; correct them and validate it again\n"
    )
    code, out, _ = call("data", "validate", "shop", "--json")
    assert (code, len(json.loads(out)["errors"])) == (3, 2)


def test_remarks_have_external_ids(call, tokenized_shop):
    path = tokenized_shop / "shop.inter.json"
    users = json.loads(path.read_text())
    path.write_text(json.dumps({**users, "1": users["1"][:2]}))
    (tokenized_shop / "shop.times.parquet").unlink()
    code, out, _ = call("data", "validate", "shop")
    assert code == 0
    assert "remark: users with fewer than 3 interactions, who are skipped (user user 1)" in out
