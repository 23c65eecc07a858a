"""Stored runs as a table."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.run_list import age_text, bytes_text, list_text, list_values, sort_entries
from mindrec_bench.store.entries import RunEntry
from mindrec_bench.store.runs import Run

from ..summaries import make_summary


@pytest.fixture
def entries(run_spec):
    """Three finished runs, seed 1 to 3, and an unfinished one."""

    def entry(seed, days, **metrics):
        spec = replace(run_spec, seed=seed)
        path = Path("runs", "Arts", "llada", "dbs-penalty", spec.id)
        run = Run(path, spec, make_summary(spec, metrics={"ndcg@10": 0.0, **metrics}), {}) if metrics else None
        changed = time.time() - days * 86400 - 3600
        return RunEntry(path, "done" if run else "unfinished", spec, run, 1000 * seed, changed)

    return [
        entry(1, 3, **{"hr@10": 0.1, "duplicates": 0.2}),
        entry(2, 1, **{"hr@10": 0.3, "duplicates": 0.1}),
        entry(3, 2, **{"hr@10": 0.2, "duplicates": 0.0}),
        entry(4, 0),
    ]


@pytest.mark.parametrize(
    ("by", "seeds"),
    [
        ("age", [4, 2, 3, 1]),
        ("disk", [4, 3, 2, 1]),
        ("model", [2, 3, 1, 4]),
        ("hr@10", [2, 3, 1, 4]),
        ("duplicates", [3, 2, 1, 4]),
    ],
)
def test_runs_are_sorted(entries, by, seeds):
    """The unfinished run's model is named with its options, after the others."""
    assert [entry.spec.seed for entry in sort_entries(entries, by)] == seeds


def test_an_unknown_order_is_refused(entries):
    with pytest.raises(UsageError, match=r"unknown metric 'hitt@9' in --sort \(also age, .*\(did you mean 'hr@9'"):
        sort_entries(entries, "hitt@9")


def test_one_line_a_run(entries):
    heading, first, *_, last = list_text(entries, metrics=["hr@10"]).splitlines()
    assert heading.split() == ["run", "data", "model", "decoder", "settings", "users", "HR@10↑", "age", "disk", "state"]
    words = "arts llada dbs-penalty tiny seed=1 5,000 0.1000 3 d 1.0 kB done"
    assert first.split()[1:] == words.split()
    assert last.split()[-7:] == ["5,000", "-", "1", "h", "4.0", "kB", "unfinished"]
    assert list_text([]) == "no runs"


def test_json_has_all_metrics(entries):
    first, *_, last = list_values(entries)
    assert first["metrics"] == {"ndcg@10": 0.0, "hr@10": 0.1, "duplicates": 0.2}
    assert (last["metrics"], last["state"], last["settings"]["seed"]) == (None, "unfinished", 4)


def test_ages_and_sizes_have_their_largest_unit():
    now = time.time()
    assert [age_text(now - s - 0.5) for s in (0, 59, 60, 7300, 86400 * 40)] == ["0 s", "59 s", "1 min", "2 h", "40 d"]
    assert [bytes_text(n) for n in (0, 999, 1000, 1_234_000, 123_456_789, 5 * 10**15)] == [
        "0 B", "999 B", "1.0 kB", "1.2 MB", "123 MB", "5000 TB",
    ]  # fmt: skip


def test_plugins_of_one_name_are_told_apart_by_their_code(entries):
    def coded(entry, code):
        return replace(entry, spec=replace(entry.spec, decoder=replace(entry.spec.decoder, code=code)))

    first, second, *rest = entries
    assert "(code" not in list_text([coded(first, "abc"), coded(second, "abc")])
    text = list_text([coded(first, "abc"), coded(second, "def"), *rest])
    assert [text.count(f"{first.decoder} (code {code})") for code in ("abc", "def")] == [1, 1]
