"""The audit of the paper's tables (`mrbench audit`): checks of every published value in the table files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from ..table_spec import NOT_REPORTED, RowSpec, TableSpec
from ..table_spec_io import installed_tables, load_table_spec
from .checks import Finding, ReportedMetrics, check_pair, check_system

SID_CODES = {"arts": 1010}
"""Distinct SID codes of the public index files, for the data whose TTR and entropy the paper prints (docs/semantics.md,
Metrics)."""

CountStatistics = Callable[[str, int | str], tuple[int, int, int]]
"""Counts users, items and interactions of (data, users), where users is a number or "all"."""

_STATISTICS: dict[tuple[str, int | str], tuple[int, int, int]] = {
    ("instruments", "all"): (24_772, 9_922, 206_153),
    ("instruments", 5000): (5_000, 9_223, 56_001),
    ("arts", "all"): (45_141, 20_956, 390_832),
    ("arts", 5000): (5_000, 17_054, 63_401),
    ("games", "all"): (50_546, 16_859, 452_989),
    ("games", 5000): (5_000, 14_671, 77_096),
}

CLAIMED_IMPROVEMENT = 9.5
"""The paper's claim: average improvement in HR@1 over the best baseline, in percent."""


def known_statistics(data: str, users: int | str) -> tuple[int, int, int]:
    """The counts of the public files, as `mrbench data show` counts them (docs/semantics.md, Data)."""
    return _STATISTICS[data, users]


def audit_paper(
    *, codes: Mapping[str, int] = SID_CODES, count_statistics: CountStatistics = known_statistics
) -> list[Finding]:
    """All findings about each of the paper's tables, then those about several tables together.

    Args:
        codes: data -> distinct SID codes.
        count_statistics: counts the statistics of a dataset.
    """
    specs = [spec for spec in map(load_table_spec, installed_tables()) if spec.kind != "figure"]
    findings = [
        finding for spec in specs for finding in audit_table(spec, codes=codes, count_statistics=count_statistics)
    ]
    findings += find_equal_rows(specs)
    return findings + [finding for spec in specs if spec.name == "table2" for finding in check_improvement(spec)]


def audit_table(
    spec: TableSpec, *, codes: Mapping[str, int] = SID_CODES, count_statistics: CountStatistics = known_statistics
) -> list[Finding]:
    """All findings about the published values of one table.

    Args:
        spec: the table.
        codes, count_statistics: see `audit_paper`.
    """
    if spec.kind == "statistics":
        return _check_statistics(spec, count_statistics)
    findings: list[Finding] = []
    for data in spec.data:
        subject = f"{spec.paper or spec.name}, {data}"
        rows = [row for row in spec.rows if data in row.published]
        systems = [reported_metrics(spec, row, data, codes) for row in rows]
        for system in systems:
            findings += check_system(system)
        findings += _check_ttr_agrees(subject, systems)
        for (row_a, a), (row_b, b) in combinations(zip(rows, systems, strict=True), 2):
            findings += check_pair(subject, (row_a.label, row_b.label), (a, b))
    return findings


def reported_metrics(spec: TableSpec, row: RowSpec, data: str, codes: Mapping[str, int] = SID_CODES) -> ReportedMetrics:
    """The published values of one row on one dataset."""
    values = zip(spec.metrics, row.published[data], strict=True)
    metrics = {metric: text for metric, text in values if text != NOT_REPORTED}
    subject = f"{spec.paper or spec.name}, {data}, {row.label}"
    return ReportedMetrics(subject, metrics, spec.users_of(data) or 0, spec.setting("beam", row), codes.get(data))


def _check_ttr_agrees(subject: str, systems: Sequence[ReportedMetrics]) -> list[Finding]:
    """Where only some TTRs of one column are possible over all users, they count different tokens."""
    checks = [(system, finding) for system in systems for finding in check_system(system) if finding.id == "ttr"]
    possible = [system for system, finding in checks if not finding.problem]
    if not possible or len(possible) == len(checks):
        return []
    listed = ", ".join(f"{system.metrics['ttr']} of {system.subject.rpartition(', ')[2]}" for system in possible)
    impossible = [system.value("ttr") for system, finding in checks if finding.problem]
    sentence = (
        f"TTR {listed} fits all users and the other rows' {min(impossible):.4f} to {max(impossible):.4f} do not, so "
        "they can't be compared."
    )
    return [Finding("ttr", subject, sentence, problem=True)]


def _check_statistics(spec: TableSpec, count_statistics: CountStatistics) -> list[Finding]:
    findings = []
    for row in spec.rows:
        for data, published in row.published.items():
            subject = f"{spec.paper or spec.name}, {data}, {row.label}"
            counts = count_statistics(data, row.users or "all")
            for metric, text, count in zip(spec.metrics, published, counts, strict=True):
                difference = int(text) - count
                sentence = (
                    f"{int(text):,} {metric} published, {count:,} counted in the public file: "
                    f"{f'{difference:+,}' if difference else 'equal'}."
                )
                values = {"metric": metric, "published": int(text), "measured": count}
                findings.append(Finding("statistics", subject, sentence, values, problem=difference != 0))
    return findings


def find_equal_rows(specs: Sequence[TableSpec]) -> list[Finding]:
    """Rows of two tables that agree in every metric they share: probably one run under two names."""
    cells = [
        (spec, row, data, dict(zip(spec.metrics, row.published[data], strict=True)))
        for spec in specs
        if spec.kind == "table"
        for row in spec.rows
        for data in row.published
    ]
    findings = []
    for (spec_a, row_a, data_a, a), (spec_b, row_b, data_b, b) in combinations(cells, 2):
        shared = [metric for metric in a if metric in b]
        if spec_a is spec_b or data_a != data_b or not shared or any(a[m] != b[m] for m in shared):
            continue
        listed = ", ".join(f"{metric.upper()} {a[metric]}" for metric in shared[:3])
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        sentence = (
            f"'{row_a.label}' of {spec_a.paper} and '{row_b.label}' of {spec_b.paper} agree in all {len(shared)} "
            f"values on {data_a} ({listed}{more})."
        )
        values = {"rows": ((spec_a.name, row_a.label), (spec_b.name, row_b.label)), "data": data_a}
        findings.append(Finding("same-row", f"{spec_a.paper} and {spec_b.paper}, {data_a}", sentence, values))
    return findings


def check_improvement(spec: TableSpec) -> list[Finding]:
    """The claimed average improvement in HR@1 over the best baseline, recomputed from the reference row."""
    reference = next(row for row in spec.rows if row.label == spec.reference[0])
    column, users = spec.metrics.index("hr@1"), spec.users_of(spec.data[0]) or 0
    improvements, parts = [], []
    for data in spec.data:
        baselines = [row for row in spec.rows if data in row.published and row.label != reference.label]
        best = max(baselines, key=lambda row: float(row.published[data][column]))
        baseline_hr, reference_hr = (float(row.published[data][column]) for row in (best, reference))
        improvements.append(100 * (reference_hr - baseline_hr) / baseline_hr)
        parts.append(
            f"{improvements[-1]:.1f}% on {data} ({round(reference_hr * users)} against {round(baseline_hr * users)} "
            f"users of '{best.label}')"
        )
    mean = sum(improvements) / len(improvements)
    sentence = (
        f"The claimed {CLAIMED_IMPROVEMENT}% average improvement in top-1 is the mean {mean:.1f}% of "
        f"{', '.join(parts[:-1])} and {parts[-1]}."
    )
    values = {"claimed": CLAIMED_IMPROVEMENT, "mean": mean, "parts": tuple(improvements)}
    return [Finding("improvement", spec.paper, sentence, values, problem=round(mean, 1) != CLAIMED_IMPROVEMENT)]
