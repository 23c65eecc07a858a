"""The pages of a report: what they hold, what their script works out, and that texts stay texts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.code_meanings import Meaning
from mindrec_bench.experiment.user_trace import (
    ExactRanking,
    NamedItem,
    PrunedAt,
    Result,
    RevealedCode,
    UserTrace,
    keep_traces,
)
from mindrec_bench.report.site import pages
from mindrec_bench.report.site.leaderboards import build_leaderboards
from mindrec_bench.report.site.pages import visible, write_report
from mindrec_bench.stats.paired_tests import holm, mcnemar

from ...summaries import with_summary

HOSTILE = "<script>alert(1)</script>\"'&</bdi>\u202etxet\x1b[31m"
VOID = {"meta", "link", "input", "br", "line", "rect", "polyline"}


class Page(HTMLParser):
    """A page whose tags must match; its links, and the texts of its elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "script":
            self.texts.append(data.strip())


@pytest.fixture
def report(store_run, tmp_path) -> Path:
    """A report of three runs, one of them with a hostile label, note and command."""
    learned = store_run("llada", "bs", hit=0.5, noise=1, size="small")
    fit = with_losses(learned)
    hostile = {"model": HOSTILE, "notes": (HOSTILE,), "command": HOSTILE, "fit": fit}
    counting = store_run("markov", "bs", hit=0.3)
    for run in (learned, counting):
        keep_traces(run, [hostile_trace(run)])
    runs = [with_summary(learned, **hostile), counting, store_run("pop", "bs", beam=5)]
    return write_report(build_leaderboards(runs), tmp_path / "report").parent


def with_losses(run):
    return replace(run.summary.fit, valid_loss=[3.0, 2.0, 2.5])


def hostile_trace(run):
    """A trace whose texts are all hostile."""
    item, meaning = NamedItem(HOSTILE, HOSTILE), Meaning(HOSTILE, 2, ((HOSTILE, 2),), (HOSTILE,))
    code = RevealedCode(1, "category 1", 3, 0.5, meaning)
    pruned = PrunedAt(1, -2.0, (code,), (4,), -1.0, (replace(code, meaning=replace(meaning, category="")),))
    results = (Result(1, item, -1.0, -1.0, True, (code,)), Result(2, None, -2.0, None, False, ()))
    exact = ExactRanking(7, 0.01, ((item, 0.5),))
    return UserTrace(run.id, HOSTILE, (item,), item, (3,), 1, 1, pruned, results, exact)


def test_every_page_is_whole_and_every_link_leads_to_a_file(report):
    found = sorted(report.rglob("*.html"))
    assert len(found) == 2 + 3 + 1
    for path in found:
        page = Page(path)
        assert "bdi" in page.tags
        links = [link.partition("#")[0] for link in page.links if link != "data:,"]
        assert len([link for link in links if link]) > 1
        for link in links:
            assert not link or (path.parent / link).is_file(), f"{path}: {link}"


def test_texts_of_users_stay_texts(report):
    shown = visible(HOSTILE)
    assert "\x1b" not in shown
    for path in report.rglob("*.html"):
        page = Page(path)
        assert page.tags.count("script") <= 2
        assert "alert(1)" not in "".join(re.findall(r"<script.*?</script>", path.read_text())[:1])
        assert not {"\x1b", "\u202e"} & {*path.read_text()}
    run_page = next(path for path in (report / "runs").iterdir() if shown in Page(path).texts)
    assert Page(run_page).texts.count(shown) >= 2, "the note and the command"
    (user_page,) = (report / "users").iterdir()
    assert Page(user_page).texts.count(shown) >= 10
    assert "script" not in Page(user_page).tags


def embedded(report: Path) -> dict:
    (board,) = (path for path in report.glob("*.html") if path.name != "index.html")
    return json.loads(re.search(r'id="data">(.*?)</script>', board.read_text(), re.DOTALL)[1])


def node(script: str) -> object:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node runs the script of the pages, and is not installed")
    source = Path(pages.__file__).parent / "assets" / "site.js"
    text = f"const site = require({json.dumps(str(source))});\nconsole.log(JSON.stringify({script}))"
    done = subprocess.run([program, "-e", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_script_computes_what_the_package_does():
    rng = np.random.default_rng(0)
    wins, losses = rng.integers(0, 60, 40), rng.integers(0, 60, 40)
    wins, losses = np.append(wins, [0, 0, 1200, 9]), np.append(losses, [0, 7, 900, 9])
    pairs = json.dumps(np.stack([wins, losses], axis=1).tolist())
    np.testing.assert_allclose(node(f"{pairs}.map(([w, l]) => site.mcnemar(w, l))"), mcnemar(wins, losses), rtol=1e-9)
    p = rng.random(30) ** 3
    np.testing.assert_allclose(node(f"site.holm({json.dumps(p.tolist())})"), holm(p), rtol=1e-12)


def test_the_script_counts_hits_by_group():
    found = node("site.hitsByGroup([1, 0, 11, 3], [0, 2, 1, 3], [0, 0, 1, 1], ['x', 'y'], 10)")
    assert found == [
        {"users": 2, "a": 1, "b": 1, "wins": 1, "losses": 1},
        {"users": 2, "a": 1, "b": 2, "wins": 1, "losses": 0},
    ]


def test_the_script_compares_the_embedded_hit_ranks(report):
    from mindrec_bench.metrics.accuracy import hr_and_ndcg

    a, b = embedded(report)["runs"][:2]
    unpacked = [
        np.array(node(f"Array.from(site.unpack({json.dumps(run['ranks'])}))"), dtype=np.int32) for run in (a, b)
    ]
    assert [len(ranks) for ranks in unpacked] == [60, 60]
    columns = [hr_and_ndcg(ranks) for ranks in unpacked]
    for metric in ("hr@1", "hr@10", "ndcg@10"):
        ranks = f"...[{json.dumps(a['ranks'])}, {json.dumps(b['ranks'])}].map(site.unpack)"
        found = node(f"site.compareRanks({ranks}, {json.dumps(metric)})")
        d = columns[1][metric] - columns[0][metric]
        assert found["difference"] == pytest.approx(d.mean(), abs=1e-12)
        assert (found["wins"], found["losses"]) == ((d > 0).sum(), (d < 0).sum())
        half = 1.96 * d.std() / np.sqrt(len(d))
        assert found["high"] - found["difference"] == pytest.approx(half, abs=1e-9)


def test_a_browser_shows_marks_and_the_comparison_of_a_link(report):
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium shows the pages, and is not installed")
    data = embedded(report)
    (board,) = (path for path in report.glob("*.html") if path.name != "index.html")
    a, b = (run["id"] for run in data["runs"][:2])
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"{board.as_uri()}#a={a}&b={b}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "for A only" in done.stdout, done.stderr
    assert '<th scope="row">HR@10</th>' in done.stdout


def test_an_earlier_report_is_replaced_and_nothing_else(report, store_run, tmp_path):
    boards = build_leaderboards([store_run("markov", "bs", hit=0.3)])
    (boards[0].entries[0].run.path / "traces.json").unlink(missing_ok=True)
    write_report(boards, report)
    assert len(list(report.rglob("*.html"))) == 3, "pages of runs that are gone are gone"
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        write_report(boards, other)
    assert (other / "index.html").read_text() == "mine"


def test_a_report_that_stops_in_the_middle_is_replaced_by_the_next(report, store_run, tmp_path, monkeypatch):
    boards = build_leaderboards([store_run("markov", "bs", hit=0.3)])
    write, before = pages._write, (report / "index.html").read_bytes()

    def stop(path, content):
        if path.suffix == ".css":
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(pages, "_run_values", lambda board, entry: {}["broken"])
        with pytest.raises(KeyError):
            write_report(boards, report)
        assert (report / "index.html").read_bytes() == before, "pages are made before any is written"
    with monkeypatch.context() as patched:
        patched.setattr(pages, "_write", stop)
        for folder in (report, tmp_path / "new"):
            with pytest.raises(KeyboardInterrupt):
                write_report(boards, folder)
            assert "This report is not whole" in (folder / "index.html").read_text()
    for folder in (report, tmp_path / "new"):
        assert "not whole" not in write_report(boards, folder).read_text()
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / ".index.html.tmp").write_text("")
    assert write_report(boards, killed).is_file()
