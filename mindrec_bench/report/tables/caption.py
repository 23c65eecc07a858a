"""The caption of a table: what was measured on which users, and how rows were tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...core.holdout import Holdout
from ...stats.comparison import TEST_NAMES
from ...store.run_spec import RunSettings
from ..metric_format import count_users
from ..table_spec import TableSpec
from .table import Table


def caption(table: Table, *, marks_best: bool = True) -> str:
    """The caption as one paragraph of plain text.

    Args:
        table: the table.
        marks_best: it is drawn with the best value of a column in bold; said only where a value is marked.
    """
    spec = table.spec
    title = f"{spec.title} ({spec.paper} of the paper)." if spec.paper else f"{spec.title}."
    if spec.kind == "statistics":
        return f"{title} Counted, and below as published, with the difference."
    if not table.users:
        return f"{title} No runs are stored yet: published values only."
    ranked = any(cell.rank for row in table.rows for cell in row.cells)
    best = ["Best in bold, second best underlined."] if marks_best and ranked else []
    mixed = ["† never recommends items of the history; the other rows may."] if table.mixes_exclusion else []
    return " ".join([title, settings_sentence(table), *best, *mixed, *_test_sentences(table)])


def settings_sentence(table: Table) -> str:
    """Users, seeds, beams and sizes behind a table or figure that has runs."""
    spec = table.spec
    data_by_count = keys_by_value({data: count_users(count) for data, count in table.users.items()})
    users = ", ".join(
        f"{count} {'each ' if len(data) > 1 else ''}of {', '.join(data)}" for count, data in data_by_count.items()
    )
    if spec.setting("eval_users"):
        users = f"only the first {users}"
    seeds = f"seed {spec.seeds[0]}" if len(spec.seeds) == 1 else f"mean of seeds {', '.join(map(str, spec.seeds))}"
    beams = sorted({spec.setting("beam", row) for row in spec.rows})
    beam = f"beam{'s' if len(beams) > 1 else ''} {', '.join(map(str, beams))}"
    sizes = sorted({size for row in table.rows for size in row.sizes.values()})
    parts = [users, seeds, beam] + ([f"size {' and '.join(sizes)}"] if sizes else []) + _other_settings(spec)
    if table.excluding and not table.mixes_exclusion:
        parts.append("history excluded")
    return f"Measured on {'; '.join(parts)}."


def _other_settings(spec: TableSpec) -> list[str]:
    """What is held out and how long histories are, where it is not the default."""
    parts = []
    for name, text in (("holdout", "holdout {}"), ("history", "histories of the latest {} items")):
        values = sorted({_canonical(spec.setting(name, row)) for row in spec.rows})
        if values != [getattr(RunSettings, name)]:
            parts.append(text.format(" and ".join(map(str, values))))
    return parts


def _canonical(value: str | int) -> str | int:
    """`time:0.9` for `time:0.90`; a number as it is."""
    return str(Holdout.parse(value)) if isinstance(value, str) else value


def _test_sentences(table: Table) -> list[str]:
    comparisons = [cell.comparison for row in table.rows for cell in row.cells if cell.comparison]
    untested = [data for data in table.users if table.spec.reference and data not in table.references]
    not_tested = [f"Not tested on {', '.join(untested)}: no run of the reference there."] if untested else []
    if not comparisons:
        return not_tested
    metrics_by_test: dict[str, list[str]] = {}
    for comparison in comparisons:
        name = {"entropy": "Entropy", "ttr": "TTR"}.get(comparison.metric, comparison.metric.partition("@")[0].upper())
        metrics = metrics_by_test.setdefault(comparison.test, [])
        if name not in metrics:
            metrics.append(name)
    resampled = {"randomisation", "swap"}
    resamples = f" of {table.resamples:,} resamples"
    tests = [
        f"{TEST_NAMES[test]}{resamples if test in resampled else ''} for {' and '.join(metrics)}"
        for test, metrics in metrics_by_test.items()
    ]
    family = max(sum(1 for row in table.rows if row.cells[c].comparison) for c in range(len(table.columns)))
    return [
        f"* differs from {_reference_labels(table)} at 0.05 (two-sided; {'; '.join(tests)}; Holm over up to {family} "
        f"comparison{'s' if family > 1 else ''} a column).",
        "Detectable: the smallest difference from the reference that these users would have shown with 80% power at "
        "0.05, before correction.",
        *not_tested,
    ]


def _reference_labels(table: Table) -> str:
    """`'MindRec'`, or `'MindRec' (instruments, arts), 'LETTER-LLaDA' (games)` where datasets have different ones."""
    data_by_label = keys_by_value(table.references)
    if len(data_by_label) == 1:
        return f"'{next(iter(data_by_label))}'"
    return ", ".join(f"'{label}' ({', '.join(data)})" for label, data in data_by_label.items())


def quoted(labels: Iterable[str]) -> str:
    """A list of labels, each in quotes, since there may be commas in them."""
    return ", ".join(f"'{label}'" for label in labels)


def keys_by_value(mapping: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys of each value, both in the order in which they first occur."""
    keys: dict[str, list[str]] = {}
    for key, value in mapping.items():
        keys.setdefault(value, []).append(key)
    return keys
