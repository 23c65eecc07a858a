"""Stored runs as one table, sorted (`mrbench runs`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..experiment.config import flag_name
from ..metrics.names import canonical_metric
from ..plugins.options import format_value as option_text
from ..store.entries import RunEntry
from .code_labels import with_code
from .metric_format import format_value, metric_arrow, metric_direction, metric_name
from .text_table import format_columns, shorten_columns

SHOWN_METRICS = ("hr@10", "ndcg@10")

_ORDERS: dict[str, Callable[[RunEntry], Any]] = {
    "age": lambda entry: -entry.changed,
    "data": lambda entry: entry.data,
    "model": lambda entry: entry.model,
    "decoder": lambda entry: entry.decoder,
    "users": lambda entry: -(entry.users or 0),
    "disk": lambda entry: -entry.bytes,
}
ORDERS = tuple(_ORDERS)
"""What runs can be sorted by, besides metrics: the youngest, the largest, or the first name first."""


def sort_entries(entries: Sequence[RunEntry], by: str) -> list[RunEntry]:
    """Sort runs, the youngest first where they are equal.

    Args:
        entries: the runs.
        by: one of `ORDERS`, or a metric, the best first; runs without a value come last.

    Raises:
        UsageError: there is no such order.
    """
    youngest_first = sorted(entries, key=_ORDERS["age"])
    if by in _ORDERS:
        return sorted(youngest_first, key=_ORDERS[by])
    by = canonical_metric(by, f"--sort (also {', '.join(ORDERS)})")
    sign = 1 if metric_direction(by) == "down" else -1

    def order(entry: RunEntry) -> tuple[bool, float]:
        value = entry.run.value(by) if entry.run else None
        return (value is None, 0.0 if value is None else sign * value)

    return sorted(youngest_first, key=order)


def list_text(entries: Sequence[RunEntry], *, metrics: Sequence[str] = SHOWN_METRICS, width: int | None = None) -> str:
    """Runs as a table for a terminal, one line each.

    Args:
        entries: the runs, in their order.
        metrics: the columns of results.
        width: characters in a line: names and settings are cut so that it fits; None: as wide as they need.
    """
    if not entries:
        return "no runs"
    specs = [entry.spec for entry in entries]
    models = with_code([entry.model for entry in entries], [spec.model.code if spec else "" for spec in specs])
    decoders = with_code([entry.decoder for entry in entries], [spec.decoder.code if spec else "" for spec in specs])
    rows: Sequence[Sequence[str]] = [
        (
            entry.id,
            entry.data,
            model,
            decoder,
            " ".join(_setting_text(name, value) for name, value in entry.settings.items()),
            "" if entry.users is None else f"{entry.users:,}",
            *(_metric_text(entry, metric) for metric in metrics),
            age_text(entry.changed),
            bytes_text(entry.bytes),
            entry.state,
        )
        for entry, model, decoder in zip(entries, models, decoders, strict=True)
    ]
    results = [f"{metric_name(metric)}{metric_arrow(metric)}" for metric in metrics]
    headings = ("run", "data", "model", "decoder", "settings", "users", *results, "age", "disk", "state")
    if width is not None:
        rows = shorten_columns(rows, headings, width=width, shorten=range(1, 5))
    return "\n".join(line.rstrip() for line in format_columns(rows, headings, n_left=5))


def list_values(entries: Sequence[RunEntry]) -> list[dict[str, Any]]:
    """Runs in JSON's types."""
    return [
        {
            "run": entry.id,
            "data": entry.data,
            "model": entry.model,
            "decoder": entry.decoder,
            "settings": entry.settings,
            "users": entry.users,
            "metrics": entry.run.metrics if entry.run else None,
            "changed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.changed)),
            "bytes": entry.bytes,
            "state": entry.state,
            "path": str(entry.path),
        }
        for entry in entries
    ]


def age_text(changed: float) -> str:
    """How long ago something was, in its largest unit: `5 min`, `3 h`, `12 d`."""
    seconds = max(0.0, time.time() - changed)
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86400)} d"


def bytes_text(size: int) -> str:
    """A size with its unit, in three digits or so: `812 B`, `1.4 MB`."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"


def _setting_text(name: str, value: object) -> str:
    if name == "size":
        return str(value)
    return flag_name(name).removeprefix("--") if value is True else f"{name}={option_text(value)}"


def _metric_text(entry: RunEntry, metric: str) -> str:
    value = entry.run.value(metric) if entry.run else None
    return "-" if value is None else format_value(value, metric)
