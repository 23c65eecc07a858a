"""`mrbench report`."""

from __future__ import annotations

from .helpers import RUN


def test_report_prints_the_page_to_open(call, tmp_path):
    call(*RUN)
    code, out, err = call("report", "--out", "pages")
    assert (code, out, err) == (0, "pages/index.html\n", "")
    assert "markov x bs" in (tmp_path / "pages" / "index.html").read_text()


def test_without_runs_it_says_how_to_make_one(call):
    code, _, err = call("report", "--out", "pages")
    assert code == 2
    assert "no finished run is stored under runs" in err
