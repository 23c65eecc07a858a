"""One run as text: its configuration, its results, and its costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.backbone import FitReport
from ..metrics.names import KS
from ..store.run_spec import RunSettings
from ..store.run_summary import RunSummary, Timings
from ..store.runs import Run
from .metric_format import count_users
from .text_table import format_columns

LOST = "probability lost"
LOST_NOTE = f"{LOST}: that of the model's best k minus that of the first k results; share lost: of it"


def run_text(run: Run, ks: Sequence[int] = KS) -> str:
    """A run as a few lines for a terminal, with its accuracy at these cut-offs."""
    return "\n".join([_heading(run), "", *_accuracy(run, ks), "", *_diversity(run.summary), *_costs(run)])


def fit_text(fitted: dict[str, Any]) -> str:
    """The result of `experiment.run.fit_model` for the terminal."""
    state = "" if fitted["fitted"] else " (stored already; --fresh trains it again)"
    report = FitReport(**fitted["report"])
    return (
        f"{fitted['model']} ({fitted['size']}) on {fitted['data']}, fitted model {fitted['fit']}{state}\n"
        f"{_training(report, 1)}\n\n{fitted['path']}"
    )


def _heading(run: Run) -> str:
    spec, summary = run.spec, run.summary
    size = f" ({spec.model.size})" if spec.model.size else ""
    users = count_users(spec.data.users)
    if spec.eval_users:
        users = f"the first {spec.eval_users:,} of {users}"
    parts = [
        f"{summary.model}{size} x {summary.decoder} on {summary.data}",
        users,
        f"categories {spec.categories}",
        f"constrain {spec.constrain}",
        f"beam {spec.beam}",
        f"seed {spec.seed}",
    ]
    if spec.holdout != RunSettings.holdout:
        parts.append(f"holdout {spec.holdout}")
    if spec.history != RunSettings.history:
        parts.append(f"history of {spec.history}")
    if spec.split == "valid":
        parts.append("VALIDATION items")
    if spec.exclude_history:
        parts.append("history excluded")
    if spec.search_error:
        parts.append(f"search error by {spec.search_error}")
    return ", ".join(parts)


def _accuracy(run: Run, ks: Sequence[int]) -> list[str]:
    summary, rows = run.summary, []

    def add(label: str, value: Callable[[str], float | None], name: str, digits: str) -> None:
        """A metric at every cut-off k where it is known; a dash where the lists are shorter than k."""
        values = [value(f"{name}@{k}") if k <= run.spec.beam else None for k in ks]
        if any(value is not None for value in values):
            rows.append((label, *("-" if value is None else f"{value:{digits}}" for value in values)))

    for name, label in (("hr", "HR"), ("ndcg", "NDCG")):
        add(label, run.value, name, ".4f")
        if summary.optimum:
            add(f"{label}, best reachable", summary.optimum.get, name, ".4f")
    by_item = summary.collisions.item_hr if summary.collisions else {}
    if any(value != summary.metrics[name] for name, value in by_item.items()):
        add("HR by item", by_item.get, "hr", ".4f")
    add("MRR", run.value, "mrr", ".4f")
    errors = (summary.search_error or {}).get
    add("exact top-k found", errors, "exact", ".1%")
    add(LOST, errors, "lost", ".2%")
    add("share lost", errors, "lost_share", ".1%")
    add("top-k proved", errors, "certified", ".1%")
    lines = format_columns(rows, ("", *(f"@{k}" for k in ks))) if rows else []
    return [*lines, LOST_NOTE] if any(row[0] == LOST for row in rows) else lines


def _diversity(summary: RunSummary) -> list[str]:
    metrics = summary.metrics
    codes = f"{metrics['distinct_codes']:,} of {summary.slots.sid_codes:,} codes"
    return [
        f"Entropy {metrics['entropy']:.3f} bits, TTR {metrics['ttr']:.5f} (at most "
        f"{metrics['ttr_bound']:.5f}; {codes})",
        f"real items {metrics['valid']:.1%}, duplicates {metrics['duplicates']:.1%}, "
        f"catalogue coverage {metrics['coverage']:.1%}, mean popularity {metrics['popularity']:.1f}{_beyond(metrics)}",
    ]


def _beyond(metrics: Mapping[str, float]) -> str:
    """What runs of earlier versions lack."""
    return f", Gini {metrics['gini']:.3f}, novelty {metrics['novelty']:.2f} bits" if "gini" in metrics else ""


def _costs(run: Run) -> list[str]:
    """Decoding speed, memory and training, then the notes."""
    summary = run.summary
    notes = [f"note: {note}" for note in (*summary.notes, *_collision_notes(summary))]
    notes += [f"{role} is not built in: {text}" for role, text in summary.code.items()]
    if summary.timings is None or summary.environment is None:
        return ["rankings made elsewhere: time and memory are not known", *notes]
    lines = [_decoding(run, summary.timings, summary.environment.device)]
    if summary.fit:
        lines.append(_training(summary.fit, run.spec.train_devices))
    return lines + notes


def _collision_notes(summary: RunSummary) -> list[str]:
    """How many items share a semantic ID, for which a hit by semantic ID is less than a hit of the item."""
    collisions = summary.collisions
    if collisions is None:
        return []
    return [
        f"{collisions.items:,} of {collisions.of:,} items share their semantic ID with another item; HR by item is the "
        "expected value with these in random order"
    ]


def _decoding(run: Run, timings: Timings, device: str) -> str:
    rate, passes = timings.users_per_second, timings.forward_passes
    states = f", {timings.states / run.spec.evaluated_users:,.0f} states a user" if timings.states else ""
    each = f" by each of {timings.processes} processes" if timings.processes > 1 else ""
    return (
        f"decoding: {f'{rate:,.0f}' if rate >= 10 else f'{rate:.2g}'} users/s on {device}{each}, "
        f"{passes:,} forward pass{'es' if passes > 1 else ''}{states}, batch of {_batch_size(timings)}: "
        f"p50 {timings.batch_p50:.3f} s, p95 {timings.batch_p95:.3f} s, "
        f"peak {timings.peak_bytes / 2**20:,.0f} MiB"
    )


def _batch_size(timings: Timings) -> str:
    """The batch size, and what it was reduced to where memory ran out."""
    requested, smallest = timings.batch_size, timings.smallest_batch_size
    return str(requested) if smallest == requested else f"{requested}, halved to {smallest} where memory ran out"


def _training(fit: FitReport, processes: int) -> str:
    precision = f" in {fit.precision}" if fit.precision else ""
    by = f", by {processes} processes" if processes > 1 else ""
    under_trained = ", under-trained: validation still improved when time was up" if fit.under_trained else ""
    return (
        f"training: {fit.epochs:.1f} epochs, {fit.parameters:,} parameters, {fit.seconds / 60:.1f} minutes"
        f"{precision}{by}{under_trained}"
    )
