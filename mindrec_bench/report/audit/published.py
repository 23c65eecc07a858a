"""The audit of the paper's own tables (`mrbench audit`): every published value that the table files hold, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from ..table_spec import NOT_PRINTED, RowSpec, TableSpec
from ..table_spec_io import load_table, names
from .checks import Finding, Reported, check_pair, check_system

CODES = {"arts": 1010}
"""Distinct SID codes of the public index files, where the paper prints TTR and entropy (semantics: metrics)."""

MEASURED: dict[tuple[str, int | str], tuple[int, int, int]] = {
    ("instruments", "all"): (24_772, 9_922, 206_153),
    ("instruments", 5000): (5_000, 9_223, 56_001),
    ("arts", "all"): (45_141, 20_956, 390_832),
    ("arts", 5000): (5_000, 17_054, 63_401),
    ("games", "all"): (50_546, 16_859, 452_989),
    ("games", 5000): (5_000, 14_671, 77_096),
}
"""Users, items and interactions counted in the public files (semantics: data), as `mrbench data show` counts them."""

Measure = Callable[[str, int | str], tuple[int, int, int]]
"""Counts users, items and interactions of (data, users), to be checked in place of `MEASURED`."""

CLAIM, CLAIMED = "9.5% average improvement in top-1", 9.5


def reported(spec: TableSpec, row: RowSpec, data: str, codes: Mapping[str, int] = CODES) -> Reported:
    """The published values of one row on one data set."""
    values = zip(spec.metrics, row.published[data], strict=True)
    metrics = {metric: text for metric, text in values if text != NOT_PRINTED}
    subject = f"{spec.paper or spec.name}, {data}, {row.label}"
    return Reported(subject, metrics, spec.users or 0, row.beam or spec.beam, codes.get(data))


def audit_table(spec: TableSpec, *, codes: Mapping[str, int] = CODES, measure: Measure | None = None) -> list[Finding]:
    """All findings about the published values of one table.

    Args:
        spec: the table.
        codes: data -> distinct SID codes.
        measure: counts the data's statistics; None takes `MEASURED`.
    """
    if spec.kind == "statistics":
        return _statistics(spec, measure or (lambda data, users: MEASURED[data, users]))
    found: list[Finding] = []
    for data in spec.data:
        rows = [row for row in spec.rows if data in row.published]
        systems = [reported(spec, row, data, codes) for row in rows]
        for system in systems:
            found += check_system(system)
        found += _ttr_mixed(f"{spec.paper or spec.name}, {data}", systems)
        for (row_a, a), (row_b, b) in combinations(zip(rows, systems, strict=True), 2):
            found += check_pair(f"{spec.paper or spec.name}, {data}", (row_a.label, row_b.label), (a, b))
    return found


def audit_paper(*, codes: Mapping[str, int] = CODES, measure: Measure | None = None) -> list[Finding]:
    """All findings about the paper's tables, in their order, and then about what they say together."""
    specs = [spec for spec in map(load_table, names()) if spec.kind != "figure"]
    found = [finding for spec in specs for finding in audit_table(spec, codes=codes, measure=measure)]
    found += same_rows(specs)
    return found + [finding for spec in specs if spec.name == "table2" for finding in improvement(spec)]


def _ttr_mixed(subject: str, systems: Sequence[Reported]) -> list[Finding]:
    """Some TTRs of one column are possible over all users and some are not: they count different tokens."""
    checks = [(system, finding) for system in systems for finding in check_system(system) if finding.id == "ttr"]
    fits = [system for system, finding in checks if not finding.problem]
    if not fits or len(fits) == len(checks):
        return []
    which = ", ".join(f"{system.metrics['ttr']} of {system.subject.rpartition(', ')[2]}" for system in fits)
    over = [system.value("ttr") for system, finding in checks if finding.problem]
    sentence = (
        f"TTR {which} fits all users and the other rows' {min(over):.4f} to {max(over):.4f} do not, so they can't be "
        "compared."
    )
    return [Finding("ttr", subject, sentence, problem=True)]


def _statistics(spec: TableSpec, measure: Measure) -> list[Finding]:
    found = []
    for row in spec.rows:
        for data, published in row.published.items():
            users = row.users or "all"
            counted = measure(data, users)
            for metric, text, count in zip(spec.metrics, published, counted, strict=True):
                same = int(text) == count
                said = f"{int(text):,} {metric} published, {count:,} counted in the public file"
                sentence = f"{said}: equal." if same else f"{said}: {int(text) - count:+,}."
                values = {"metric": metric, "published": int(text), "measured": count}
                subject = f"{spec.paper or spec.name}, {data}, {row.label}"
                found.append(Finding("statistics", subject, sentence, values, problem=not same))
    return found


def same_rows(specs: Sequence[TableSpec]) -> list[Finding]:
    """Rows of two tables that agree in every metric they share: one and the same run under two names, it seems."""
    cells = [
        (spec, row, data, dict(zip(spec.metrics, row.published[data], strict=True)))
        for spec in specs
        if spec.kind == "table"
        for row in spec.rows
        for data in row.published
    ]
    found = []
    for (spec_a, row_a, data_a, a), (spec_b, row_b, data_b, b) in combinations(cells, 2):
        shared = [metric for metric in a if metric in b]
        if spec_a is spec_b or data_a != data_b or not shared or any(a[m] != b[m] for m in shared):
            continue
        values = {"rows": ((spec_a.name, row_a.label), (spec_b.name, row_b.label)), "data": data_a}
        what = ", ".join(f"{metric.upper()} {a[metric]}" for metric in shared[:3])
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        sentence = (
            f"'{row_a.label}' of {spec_a.paper} and '{row_b.label}' of {spec_b.paper} agree in all {len(shared)} "
            f"values on {data_a} ({what}{more})."
        )
        found.append(Finding("same-row", f"{spec_a.paper} and {spec_b.paper}, {data_a}", sentence, values))
    return found


def improvement(spec: TableSpec) -> list[Finding]:
    """The claimed average improvement in HR@1 over the best baseline, recomputed from the reference row."""
    reference = next(row for row in spec.rows if row.label == spec.reference[0])
    column, parts, shown = spec.metrics.index("hr@1"), [], []
    for data in spec.data:
        others = [(row.published[data][column], row.label) for row in spec.rows if data in row.published]
        text, label = max((other for other in others if other[1] != reference.label), key=lambda other: float(other[0]))
        best, ours = float(text), float(reference.published[data][column])
        parts.append(100 * (ours - best) / best)
        hits = (round(best * (spec.users or 0)), round(ours * (spec.users or 0)))
        shown.append(f"{parts[-1]:.1f}% on {data} ({hits[1]} against {hits[0]} users of '{label}')")
    mean = sum(parts) / len(parts)
    sentence = f"The claimed {CLAIM} is the mean {mean:.1f}% of {', '.join(shown[:-1])} and {shown[-1]}."
    values = {"claimed": CLAIMED, "mean": mean, "parts": tuple(parts)}
    return [Finding("improvement", spec.paper, sentence, values, problem=round(mean, 1) != CLAIMED)]
