"""What must be said with a table: users, seeds, sizes, tests, and footnotes that are computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...stats.comparison import TEST_NAMES
from ..audit.checks import Reported, check_pair
from ..audit.published import audit_table, improvement, reported, same_rows
from ..table_spec import TableSpec
from ..table_spec_io import load_table, names
from .table import Table


def caption(table: Table) -> str:
    """The caption as one paragraph of plain text."""
    spec = table.spec
    title = f"{spec.title} ({spec.paper} of the paper)." if spec.paper else f"{spec.title}."
    if spec.kind == "statistics":
        return f"{title} Counted, and below as published, with the difference."
    if not table.users:
        return f"{title} No runs are stored yet: published values only."
    best = "Best in bold, second best underlined."
    return " ".join([title, setting(table), best, *_tests(table)])


def setting(table: Table) -> str:
    """Users, seeds, beams and sizes behind a table or figure that has runs, as one sentence."""
    spec = table.spec
    users = ", ".join(f"{count:,} users of {data}" for data, count in table.users.items())
    if spec.eval_users:
        users = f"only the first {users}"
    sizes = sorted({size for row in table.rows for size in row.sizes.values()})
    seeds = f"seed {spec.seeds[0]}" if len(spec.seeds) == 1 else f"mean of seeds {', '.join(map(str, spec.seeds))}"
    beams = sorted({row.beam or spec.beam for row in spec.rows})
    beam = f"beam{'s' if len(beams) > 1 else ''} {', '.join(map(str, beams))}"
    parts = [users, seeds, beam] + ([f"size {' and '.join(sizes)}"] if sizes else [])
    return f"Measured on {'; '.join(parts)}."


def _tests(table: Table) -> list[str]:
    compared = [cell.comparison for row in table.rows for cell in row.cells if cell.comparison]
    untested = [data for data in table.users if table.spec.reference and data not in table.references]
    silent = [f"Not tested on {', '.join(untested)}: no run of the reference there."] if untested else []
    if not compared:
        return silent
    used: dict[str, list[str]] = {}
    for comparison in compared:
        name = {"entropy": "Entropy", "ttr": "TTR"}.get(comparison.metric, comparison.metric.partition("@")[0].upper())
        metrics = used.setdefault(comparison.test, [])
        if name not in metrics:
            metrics.append(name)
    resampled = {"randomisation", "swap"}
    resamples = f" of {table.resamples:,} resamples"
    tests = [
        f"{TEST_NAMES[test]}{resamples if test in resampled else ''} for {' and '.join(metrics)}"
        for test, metrics in used.items()
    ]
    family = max(sum(1 for row in table.rows if row.cells[c].comparison) for c in range(len(table.columns)))
    return [
        f"* differs from {_references(table)} at 0.05 (two-sided; {'; '.join(tests)}; Holm over up to {family} "
        f"comparison{'s' if family > 1 else ''} a column).",
        "Detectable: the smallest difference from the reference that these users would have shown with 80% power at "
        "0.05, before correction.",
        *silent,
    ]


def _references(table: Table) -> str:
    """`'MindRec'`, or `'MindRec' (instruments, arts), 'LETTER-LLaDA' (games)` where data sets have unlike ones."""
    where = _by_value(table.references)
    if len(where) == 1:
        return f"'{next(iter(where))}'"
    return ", ".join(f"'{label}' ({', '.join(data)})" for label, data in where.items())


def footnotes(table: Table) -> list[str]:
    """Footnotes in order: of rows, of the table, computed ones, then why cells are empty."""
    spec = table.spec
    found = [f"{row.label}: {row.note}" for row in table.rows if row.note] + list(spec.notes)
    if table.epochs:
        found.append(f"Epochs trained: {_grouped(table.epochs)}.")
    if table.under_trained:
        found.append(f"Under-trained (validation still improved when time was up): {', '.join(table.under_trained)}.")
    return [*found, *_bounds(table), *_computed(spec), *empty(table)]


def _grouped(epochs: dict[str, str]) -> str:
    """`18.0 on arts: MindRec, BS; 42.0 on arts: SASRec`: rows that were trained alike are named together."""
    quoted = _by_value({f"'{label}'": words for label, words in epochs.items()})
    return "; ".join(f"{words}: {', '.join(labels)}" for words, labels in quoted.items())


def _by_value(given: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys of each value, both in their first order."""
    keys: dict[str, list[str]] = {}
    for key, value in given.items():
        keys.setdefault(value, []).append(key)
    return keys


def _bounds(table: Table) -> list[str]:
    """What TTR can't exceed, and whose lists are so short that another bound holds for them."""
    found = []
    for data, bound in table.bounds.items():
        seeds = table.spec.seeds
        pooled = f", the lists of {len(seeds)} seeds pooled" if len(seeds) > 1 else ""
        found.append(
            f"TTR on {data} can't exceed {bound.of(bound.full):.5f}: {bound.codes:,} codes over {bound.full:,} tokens "
            f"({table.users[data]:,} users, {table.spec.beam} results of "
            f"{bound.full // (table.users[data] * len(seeds) * table.spec.beam)} codes{pooled})."
        )
        found += [
            f"'{label}' on {data} recommends {tokens:,} of {bound.full:,} tokens, since its lists are shorter: its TTR "
            f"can reach {bound.of(tokens):.5f} and does not compare with the others."
            for label, tokens in bound.tokens.items()
            if tokens != bound.full
        ]
        found += [
            f"A code of '{label}' on {data} is {code}: its Entropy and TTR do not compare with the others."
            for label, code in bound.own.items()
        ]
    return found


def _computed(spec: TableSpec) -> list[str]:
    """What arithmetic says about the published values, as the table's `findings` ask."""
    found = []
    if "ttr" in spec.findings:
        checks = [f for f in audit_table(spec) if f.id == "ttr"]
        over = [f for f in checks if f.problem and "bound" in f.values]
        if over:
            ttrs, tokens = [f.values["ttr"] for f in over], over[0].values["tokens"]
            found.append(
                f"Published TTR of {_span(ttrs, '.4f')} exceeds the bound {over[0].values['bound']:.5f} "
                f"({over[0].values['codes']:,} codes over {tokens:,} tokens); half of the tokens would give "
                f"{_span([ttr * tokens / 2 for ttr in ttrs], ',.0f')} codes."
            )
        found += [f.sentence for f in checks if "bound" not in f.values]
    if "mcnemar" in spec.findings:
        found += _against_reference(spec)
    if "same-row" in spec.findings:
        tables = [load_table(name) for name in names()]
        others = {row.label for row in spec.rows if row.label not in spec.reference[:1]}  # it stands in most tables
        for finding in same_rows([spec, *(table for table in tables if table.name != spec.name)]):
            if any(name == spec.name and label in others for name, label in finding.values["rows"]):
                found.append(finding.sentence)
    if "improvement" in spec.findings:
        found += [f.sentence for f in improvement(spec)]
    return found


def _span(values: Sequence[float], digits: str) -> str:
    """`0.0086 to 0.0096`, or the one value."""
    low, high = f"{min(values):{digits}}", f"{max(values):{digits}}"
    return low if low == high else f"{low} to {high}"


def _against_reference(spec: TableSpec) -> list[str]:
    found = []
    reference = spec.reference[0]
    for data in spec.data:
        systems: dict[str, Reported] = {r.label: reported(spec, r, data) for r in spec.rows if data in r.published}
        if reference not in systems:
            continue
        for label in systems:
            if label != reference:
                checks = check_pair(data, (label, reference), (systems[label], systems[reference]))
                ranges = ", ".join(
                    f"{f.values['metric'].upper()} {f.values['hits'][0]}:{f.values['hits'][1]} "
                    f"{f.values['low']:.2g} to {f.values['high']:.2g}"
                    for f in checks
                )
                found.append(
                    f"Published '{label}' against '{reference}', hits and exact McNemar p by overlap: {ranges}."
                )
    return found


def empty(table: Table) -> list[str]:
    """A line for each row without runs: the reason, or the commands that would make them."""
    found = []
    for row in table.rows:
        found += [f"- {row.label} on {', '.join(data)}: {reason}." for reason, data in _by_value(row.reasons).items()]
        found += [f"- {row.label} on {data}: {'; '.join(commands)}" for data, commands in row.missing.items()]
    return found
