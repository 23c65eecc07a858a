"""The footnotes of a table: notes of its file, notes computed from its runs and published values, and missing runs."""

from __future__ import annotations

from collections.abc import Sequence

from ...metrics.names import split_metric
from ..audit.checks import check_pair
from ..audit.published_tables import audit_table, check_improvement, find_equal_rows, reported_metrics
from ..metric_format import count_users, metric_name
from ..table_spec import TableSpec
from ..table_spec_io import installed_tables, load_table_spec
from .caption import keys_by_value, quoted
from .table import Table
from .table_lines import UNLIKE_MARK


def footnotes(table: Table) -> list[str]:
    """All footnotes in order: of rows, of the table, computed ones, then why cells are empty."""
    notes = [f"{row.label}: {row.note}" for row in table.rows if row.note] + list(table.spec.notes)
    if table.epochs:
        notes.append(f"Epochs trained: {_epochs_text(table.epochs)}.")
    if table.under_trained:
        notes.append(f"Under-trained (validation still improved when time was up): {quoted(table.under_trained)}.")
    notes += [*unlike_notes(table), *_collision_notes(table), *_ttr_notes(table), *_audit_notes(table.spec)]
    return [*notes, *_length_notes(table), *missing_run_lines(table)]


def unlike_notes(table: Table) -> list[str]:
    """Rows of one model that were trained otherwise."""
    return [
        f"{UNLIKE_MARK.strip()} '{one}' and '{other}' on {data} are of one model, trained otherwise ({reason}): their "
        "difference is not one of decoders, and is not tested."
        for data, pairs in table.unlike.items()
        for (one, other), reason in pairs.items()
    ]


def _collision_notes(table: Table) -> list[str]:
    """Items that share a semantic ID, which a hit does not tell apart."""
    return [
        f"{items:,} of {of:,} items of {data} share their semantic ID with another item: a hit is one of the ID."
        for data, (items, of) in table.collisions.items()
    ]


def _length_notes(table: Table) -> list[str]:
    """Cells that stay empty since the lists are shorter than the metric's k."""
    labels: dict[tuple[str, str, int], list[str]] = {}
    specs = {row.label: row for row in table.spec.rows}
    for row in table.rows:
        beam = table.spec.setting("beam", specs.get(row.label))
        for (data, metric), cell in zip(table.columns, row.cells, strict=True):
            if cell.value is None and data in row.runs and data in table.users and split_metric(metric)[1] > beam:
                labels.setdefault((data, metric, beam), []).append(row.label)
    return [
        f"{metric_name(metric)} on {data} needs lists of {split_metric(metric)[1]:,} results; those of {quoted(short)} "
        f"have {beam:,}."
        for (data, metric, beam), short in labels.items()
    ]


def missing_run_lines(table: Table) -> list[str]:
    """One line for each row and dataset without runs: the reason, or the commands that would make them."""
    lines = []
    for row in table.rows:
        for reason, data in keys_by_value(row.reasons).items():
            lines.append(f"- {row.label} on {', '.join(data)}: {reason}.")
        lines += [f"- {row.label} on {data}: {'; '.join(commands)}" for data, commands in row.missing.items()]
    return lines


def _epochs_text(epochs: dict[str, str]) -> str:
    """Rows that were trained equally long are named together: `18.0 on arts: 'MindRec', 'BS'; 42.0 on arts: ...`."""
    return "; ".join(f"{text}: {quoted(labels)}" for text, labels in keys_by_value(epochs).items())


def _ttr_notes(table: Table) -> list[str]:
    """The upper bound of TTR, and the rows for which it does not hold because their lists or codes differ."""
    notes = []
    for data, bound in table.ttr_bounds.items():
        seeds = table.spec.seeds
        pooled = f", the lists of {len(seeds)} seeds pooled" if len(seeds) > 1 else ""
        beam = table.spec.setting("beam")
        results = table.users[data] * len(seeds) * beam
        notes.append(
            f"TTR on {data} can't exceed {bound.max_ttr(bound.full_tokens):.5f}: {bound.n_codes:,} codes over "
            f"{bound.full_tokens:,} tokens ({count_users(table.users[data])}, {beam} results of "
            f"{bound.full_tokens // results} codes{pooled})."
        )
        notes += [
            f"'{label}' on {data} recommends {tokens:,} of {bound.full_tokens:,} tokens, since its lists are shorter: "
            f"its TTR can reach {bound.max_ttr(tokens):.5f} and does not compare with the others."
            for label, tokens in bound.tokens.items()
            if tokens != bound.full_tokens
        ]
        notes += [
            f"A code of '{label}' on {data} is {code}: its Entropy and TTR do not compare with the others."
            for label, code in bound.model_codes.items()
        ]
    return notes


def _audit_notes(spec: TableSpec) -> list[str]:
    """What arithmetic says about the published values, for the findings that the table's file asks for."""
    notes = []
    if "ttr" in spec.findings:
        notes += _published_ttr_notes(spec)
    if "mcnemar" in spec.findings:
        notes += _mcnemar_notes(spec)
    if "same-row" in spec.findings:
        others = [load_table_spec(name) for name in installed_tables() if name != spec.name]
        labels = {row.label for row in spec.rows if row.label not in spec.reference[:1]}  # it is in most tables
        notes += [
            finding.sentence
            for finding in find_equal_rows([spec, *others])
            if any(name == spec.name and label in labels for name, label in finding.values["rows"])
        ]
    if "improvement" in spec.findings:
        notes += [finding.sentence for finding in check_improvement(spec)]
    return notes


def _published_ttr_notes(spec: TableSpec) -> list[str]:
    notes = []
    findings = [finding for finding in audit_table(spec) if finding.id == "ttr"]
    too_large = [finding for finding in findings if finding.problem and "bound" in finding.values]
    if too_large:
        first = too_large[0].values
        ttrs = [finding.values["ttr"] for finding in too_large]
        half_codes = [ttr * first["tokens"] / 2 for ttr in ttrs]
        notes.append(
            f"Published TTR of {_range_text(ttrs, '.4f')} exceeds the bound {first['bound']:.5f} "
            f"({first['codes']:,} codes over {first['tokens']:,} tokens); half of the tokens would give "
            f"{_range_text(half_codes, ',.0f')} codes."
        )
    return notes + [finding.sentence for finding in findings if "bound" not in finding.values]


def _mcnemar_notes(spec: TableSpec) -> list[str]:
    """The range of the exact McNemar p of every published row against the reference."""
    notes = []
    reference = spec.reference[0]
    for data in spec.data:
        systems = {row.label: reported_metrics(spec, row, data) for row in spec.rows if data in row.published}
        if reference not in systems:
            continue
        for label in systems:
            if label == reference:
                continue
            findings = check_pair(data, (label, reference), (systems[label], systems[reference]))
            ranges = ", ".join(
                f"{finding.values['metric'].upper()} {finding.values['hits'][0]}:{finding.values['hits'][1]} "
                f"{finding.values['low']:.2g} to {finding.values['high']:.2g}"
                for finding in findings
            )
            if findings:
                notes.append(
                    f"Published '{label}' against '{reference}', hits and exact McNemar p by overlap: {ranges}."
                )
    return notes


def _range_text(values: Sequence[float], digits: str) -> str:
    """`0.0086 to 0.0096`, or the one value."""
    low, high = f"{min(values):{digits}}", f"{max(values):{digits}}"
    return low if low == high else f"{low} to {high}"
