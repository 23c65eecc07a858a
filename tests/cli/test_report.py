"""`mrbench report`."""

from __future__ import annotations

import base64
import json
import re

import pytest

from .helpers import RUN


def test_report_prints_the_page_to_open(call, tmp_path):
    call(*RUN)
    code, out, err = call("report", "--out", "pages")
    assert (code, out, err) == (0, "pages/index.html\n", "")
    assert "markov x bs" in (tmp_path / "pages" / "index.html").read_text()


def test_slices_are_counted_from_the_embedded_groups(call, tmp_path):
    call(*RUN)
    code, _, err = call("report", "--out", "pages", "--by", "cold")
    assert (code, err) == (0, "")
    (board,) = (path for path in (tmp_path / "pages").glob("*.html") if path.name != "index.html")
    data = json.loads(re.search(r'id="data">(.*?)</script>', board.read_text(), re.DOTALL)[1])
    (slices,) = data["slices"]
    groups = list(base64.b64decode(slices["groupOf"]))
    assert (slices["by"], slices["groups"], len(groups)) == ("cold", ["in training", "cold"], data["users"])
    assert set(groups) <= {0, 1}


def test_without_runs_it_says_how_to_make_one(call):
    code, _, err = call("report", "--out", "pages")
    assert code == 2
    assert "no finished run is stored under runs" in err


@pytest.mark.parametrize("by", ["nonsense", "", "HISTORY", "history,"])
def test_an_unknown_slice_ends_with_2_before_anything_is_written(call, tmp_path, by):
    for words in (("report", "--out", "pages"), ("table", "table2"), ("compare", "a", "b")):
        code, out, err = call(*words, "--by", by)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert f"unknown slice '{by}' in --by" in err
    assert list(tmp_path.iterdir()) == []
