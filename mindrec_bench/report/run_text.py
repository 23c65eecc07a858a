"""One run as text: what was asked, what came out, what it cost."""

from __future__ import annotations

from typing import Any

from ..metrics.accuracy import KS


def result_text(summary: dict[str, Any]) -> str:
    """The summary of a run as a few lines for a terminal."""
    return "\n".join([_heading(summary), "", *_accuracy(summary), "", *_lists(summary), *_costs(summary)])


def _heading(summary: dict[str, Any]) -> str:
    size = f" ({summary['size']})" if summary["size"] else ""
    users = f"{summary['users']:,} users"
    if summary["eval_users"]:
        users = f"the first {summary['eval_users']:,} of {users}"
    parts = [f"{summary['model']}{size} x {summary['decoder']} on {summary['data']}", users]
    parts += [f"categories {summary['categories']}", f"constrain {summary['constrain']}", f"beam {summary['beam']}"]
    parts += [f"seed {summary['seed']}"]
    if summary.get("split") == "valid":
        parts.append("VALIDATION items")
    if summary["exclude_history"]:
        parts.append("history excluded")
    return ", ".join(parts)


def _accuracy(summary: dict[str, Any]) -> list[str]:
    rows = [("", [f"@{k}" for k in KS])]
    for name, label in (("hr", "HR"), ("ndcg", "NDCG")):
        rows.append((label, [_within(summary, "metrics", name, k) for k in KS]))
        if "optimum" in summary:
            rows.append((f"{label}, best reachable", [_within(summary, "optimum", name, k) for k in KS]))
    if "search_error" in summary:
        rows.append(("exact top-k found", [_share(summary, "exact", k, ".1%") for k in KS]))
        rows.append(("probability lost", [_share(summary, "lost", k, ".2%") for k in KS]))
    width = max(len(label) for label, _ in rows)
    return [f"{label:<{width}}" + "".join(f"{cell:>9}" for cell in cells) for label, cells in rows]


def _within(summary: dict[str, Any], part: str, name: str, k: int) -> str:
    """A metric at k; a dash where the lists are shorter than k."""
    return f"{summary[part][f'{name}@{k}']:.4f}" if k <= summary["beam"] else "-"


def _share(summary: dict[str, Any], name: str, k: int, digits: str) -> str:
    return f"{summary['search_error'][f'{name}@{k}']:{digits}}" if k <= summary["beam"] else "-"


def _lists(summary: dict[str, Any]) -> list[str]:
    metrics = summary["metrics"]
    codes = f"{metrics['distinct_codes']:,} of {summary['slots']['sid_codes']:,} codes"
    return [
        f"Entropy {metrics['entropy']:.3f} bits, TTR {metrics['ttr']:.5f} (at most "
        f"{metrics['ttr_bound']:.5f}; {codes})",
        f"real items {metrics['valid']:.1%}, duplicates {metrics['duplicates']:.1%}, "
        f"catalogue coverage {metrics['coverage']:.1%}, mean popularity {metrics['popularity']:.1f}",
    ]


def _rate(users: float) -> str:
    return f"{users:,.0f}" if users >= 10 else f"{users:.2g}"


def _costs(summary: dict[str, Any]) -> list[str]:
    timings, notes = summary["timings"], [f"note: {note}" for note in summary["notes"]]
    if timings is None:
        return ["rankings made elsewhere: time and memory are not known", *notes]
    passes = timings["forward_passes"]
    lines = [
        f"decoding: {_rate(timings['users_per_second'])} users/s on {summary['environment']['device']}"
        f"{_each_of(timings.get('processes', 1))}, "
        f"{passes:,} forward pass{'es' if passes > 1 else ''}, batch of {_batch(timings)}: "
        f"p50 {timings['batch_p50']:.3f} s, p95 {timings['batch_p95']:.3f} s, "
        f"peak {timings['peak_bytes'] / 2**20:,.0f} MiB"
    ]
    fit = summary.get("fit")
    if fit:
        lines.append(
            f"training: {fit['epochs']:.1f} epochs, {fit['parameters']:,} parameters, {fit['seconds'] / 60:.1f} minutes"
            + _in(fit.get("precision"))
            + _by(summary.get("train_devices", 1))
            + (", under-trained: validation still improved when time was up" if fit["under_trained"] else "")
        )
    return lines + notes


def _each_of(processes: int) -> str:
    return f" by each of {processes} processes" if processes > 1 else ""


def _in(precision: str | None) -> str:
    """Fits that were stored before it was reported do not say."""
    return f" in {precision}" if precision else ""


def _by(processes: int) -> str:
    return f", by {processes} processes" if processes > 1 else ""


def _batch(timings: dict[str, Any]) -> str:
    """The batch size, and what became of it where memory ran out."""
    asked, smallest = timings["batch_size"], timings.get("smallest_batch_size", timings["batch_size"])
    return str(asked) if smallest == asked else f"{asked}, halved to {smallest} where memory ran out"
