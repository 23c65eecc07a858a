"""The published rows: every line is complete and possible, and spreads are shown."""

from __future__ import annotations

import pytest

from mindrec_bench.data import sources
from mindrec_bench.metrics.names import RANKING_METRICS
from mindrec_bench.report.audit.checks import ReportedMetrics, check_system
from mindrec_bench.report.published_rows import cite, published_values
from mindrec_bench.report.table_spec_io import TABLES_PACKAGE

VALUES = published_values(TABLES_PACKAGE)


def test_every_line_is_complete() -> None:
    assert len(VALUES) > 80
    keys = [(value.row, value.data, value.metric) for value in VALUES]
    assert len(set(keys)) == len(keys), "a value is there twice"
    for value in VALUES:
        assert value.metric in RANKING_METRICS
        assert hasattr(sources, value.data.capitalize())
        assert value.checked in ("checked", "quoted")
        assert value.paper
        assert value.lineage
        assert value.source
        assert 0 < float(value.value) < 1


@pytest.mark.parametrize("row", sorted({value.row for value in VALUES}))
def test_arithmetic_finds_nothing_wrong(row: str) -> None:
    for data in {value.data for value in VALUES if value.row == row}:
        metrics = {value.metric: value.value for value in VALUES if (value.row, value.data) == (row, data)}
        findings = check_system(ReportedMetrics(row, metrics, users=0))
        assert findings
        assert not [finding.sentence for finding in findings if finding.problem]


def test_the_note_says_source_lineage_and_spread() -> None:
    found = cite(VALUES, "TIGER, mean of 3 seeds", data=("toys",), metrics=("hr@10",), where="row")
    assert found.published == {"toys": ("0.0698",)}
    assert found.note == (
        "published: arXiv 2305.05065, Table 6 (checked); data: Amazon 2014 5-core, not compared with ours; "
        "HR@10 on toys standard error 0.0013"
    )
