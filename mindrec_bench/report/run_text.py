"""One run as text: its configuration, its results, and its costs."""

from __future__ import annotations

from typing import Any

from ..metrics.names import KS
from .text_table import format_columns


def run_text(summary: dict[str, Any]) -> str:
    """The summary of a run as a few lines for a terminal."""
    return "\n".join([_heading(summary), "", *_accuracy(summary), "", *_diversity(summary), *_costs(summary)])


def fit_text(fitted: dict[str, Any]) -> str:
    """The result of `experiment.run.fit_model` for the terminal."""
    state = "" if fitted["fitted"] else " (stored already; --fresh trains it again)"
    return (
        f"{fitted['model']} ({fitted['size']}) on {fitted['data']}, fitted model {fitted['fit']}{state}\n"
        f"{_training(fitted['report'], 1)}\n\n{fitted['path']}"
    )


def _heading(summary: dict[str, Any]) -> str:
    size = f" ({summary['size']})" if summary["size"] else ""
    users = f"{summary['users']:,} users"
    if summary["eval_users"]:
        users = f"the first {summary['eval_users']:,} of {users}"
    parts = [
        f"{summary['model']}{size} x {summary['decoder']} on {summary['data']}",
        users,
        f"categories {summary['categories']}",
        f"constrain {summary['constrain']}",
        f"beam {summary['beam']}",
        f"seed {summary['seed']}",
    ]
    if summary.get("split") == "valid":
        parts.append("VALIDATION items")
    if summary["exclude_history"]:
        parts.append("history excluded")
    return ", ".join(parts)


def _accuracy(summary: dict[str, Any]) -> list[str]:
    rows = []
    for name, label in (("hr", "HR"), ("ndcg", "NDCG")):
        rows.append((label, *_at_each_k(summary, "metrics", name, ".4f")))
        if "optimum" in summary:
            rows.append((f"{label}, best reachable", *_at_each_k(summary, "optimum", name, ".4f")))
    if "search_error" in summary:
        rows.append(("exact top-k found", *_at_each_k(summary, "search_error", "exact", ".1%")))
        rows.append(("probability lost", *_at_each_k(summary, "search_error", "lost", ".2%")))
    return format_columns(rows, ("", *(f"@{k}" for k in KS)))


def _at_each_k(summary: dict[str, Any], section: str, name: str, digits: str) -> list[str]:
    """A metric at every cut-off k; a dash where the lists are shorter than k."""
    return [f"{summary[section][f'{name}@{k}']:{digits}}" if k <= summary["beam"] else "-" for k in KS]


def _diversity(summary: dict[str, Any]) -> list[str]:
    metrics = summary["metrics"]
    codes = f"{metrics['distinct_codes']:,} of {summary['slots']['sid_codes']:,} codes"
    return [
        f"Entropy {metrics['entropy']:.3f} bits, TTR {metrics['ttr']:.5f} (at most "
        f"{metrics['ttr_bound']:.5f}; {codes})",
        f"real items {metrics['valid']:.1%}, duplicates {metrics['duplicates']:.1%}, "
        f"catalogue coverage {metrics['coverage']:.1%}, mean popularity {metrics['popularity']:.1f}",
    ]


def _costs(summary: dict[str, Any]) -> list[str]:
    """Decoding speed, memory and training, then the notes; optional keys are missing in runs of earlier versions."""
    timings, notes = summary["timings"], [f"note: {note}" for note in summary["notes"]]
    if timings is None:
        return ["rankings made elsewhere: time and memory are not known", *notes]
    lines = [_decoding(timings, summary["environment"]["device"])]
    if summary.get("fit"):
        lines.append(_training(summary["fit"], summary.get("train_devices", 1)))
    return lines + notes


def _decoding(timings: dict[str, Any], device: str) -> str:
    rate, passes, processes = timings["users_per_second"], timings["forward_passes"], timings.get("processes", 1)
    each = f" by each of {processes} processes" if processes > 1 else ""
    return (
        f"decoding: {f'{rate:,.0f}' if rate >= 10 else f'{rate:.2g}'} users/s on {device}{each}, "
        f"{passes:,} forward pass{'es' if passes > 1 else ''}, batch of {_batch_size(timings)}: "
        f"p50 {timings['batch_p50']:.3f} s, p95 {timings['batch_p95']:.3f} s, "
        f"peak {timings['peak_bytes'] / 2**20:,.0f} MiB"
    )


def _batch_size(timings: dict[str, Any]) -> str:
    """The batch size, and what it was reduced to where memory ran out."""
    requested, smallest = timings["batch_size"], timings.get("smallest_batch_size", timings["batch_size"])
    return str(requested) if smallest == requested else f"{requested}, halved to {smallest} where memory ran out"


def _training(fit: dict[str, Any], processes: int) -> str:
    precision = f" in {fit['precision']}" if fit.get("precision") else ""
    by = f", by {processes} processes" if processes > 1 else ""
    under_trained = ", under-trained: validation still improved when time was up" if fit["under_trained"] else ""
    return (
        f"training: {fit['epochs']:.1f} epochs, {fit['parameters']:,} parameters, {fit['seconds'] / 60:.1f} minutes"
        f"{precision}{by}{under_trained}"
    )
