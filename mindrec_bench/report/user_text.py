"""One user of a run in words, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ..experiment.code_meanings import Meaning
from ..experiment.user_trace import ExactRanking, NamedItem, PrunedAt, Result, RevealedCode, UserTrace
from .text_table import format_columns

_MAX_WORDS = 60
_SCORE_TOLERANCE = 1e-6


def user_text(trace: UserTrace, label: str) -> str:
    """History, the true item and its fate, and the path of every result.

    Args:
        trace: of the user.
        label: the run in words.
    """
    history = [("", item.item, _short(item.words)) for item in trace.history]
    blocks = [
        [f"user {trace.user}, {label}, run {trace.run}"],
        ["history, the latest last", *format_columns(history, n_left=3)],
        _true_item(trace),
    ]
    if trace.exact:
        blocks.append(_exact(trace.exact, trace.target))
    blocks.append(_list(trace.results))
    blocks += [_path(result) for result in trace.results if result.path]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


def _true_item(trace: UserTrace) -> list[str]:
    codes = "-".join(map(str, trace.target_codes))
    fate = f"hit at rank {trace.hit_rank}" if trace.hit_rank else "missed"
    lines = [f"the true next item: {_item(trace.target)} ({codes}): {fate}"]
    if trace.pruned:
        lines += _pruned(trace.pruned, trace.steps)
    elif trace.steps:
        lines.append(f"its codes were kept through all {trace.steps} steps")
    return lines


def _pruned(pruned: PrunedAt, steps: int) -> list[str]:
    ranked = zip(pruned.reveals, pruned.ranks, strict=True)
    needed = " and ".join(
        f"{_code(code)}, p {code.probability:.2g}, {_ordinal(rank)} in its slot{_means(code.meaning)}"
        for code, rank in ranked
    )
    kept = " and ".join(
        f"{_code(code)}, p {code.probability:.2g}{_means(code.meaning)}" for code in pruned.kept_reveals
    )
    lines = [
        f"pruned at step {pruned.step} of {steps}: it needed {needed}",
        f"  log p {pruned.log_prob:.3f} with it; the beam that was kept last has {pruned.kept_log_prob:.3f}, by {kept}",
    ]
    if pruned.log_prob > pruned.kept_log_prob:
        lines.append("  the decoder kept a less probable beam: it does not choose by probability alone")
    return lines


def _exact(exact: ExactRanking, target: NamedItem) -> list[str]:
    rows = [
        (str(rank), f"{probability:.4f}", item.item, _short(item.words))
        for rank, (item, probability) in enumerate(exact.best, start=1)
    ]
    heading = f"without a search: {target.item} is {_ordinal(exact.rank)}, p {exact.probability:.2g}; the likeliest are"
    return [heading, *_columns(rows)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    return format_columns(rows, n_left=len(rows[0])) if rows else []


def _list(results: Sequence[Result]) -> list[str]:
    if not results:
        return ["the list is empty"]
    rows = [
        (
            f"{result.rank}{' *' if result.hit else ''}",
            f"{result.score:.3f}",
            result.item.item if result.item else "-",
            _short(result.item.words) if result.item else "no item has these codes",
        )
        for result in results
    ]
    return ["the list, with log scores; * is the true item", *_columns(rows)]


def _path(result: Result) -> list[str]:
    rows = [
        (
            f"  {code.step}",
            _code(code),
            f"{code.probability:.3g}",
            code.meaning.category or _common(code.meaning),
            f"{code.meaning.items_left:,} item{'' if code.meaning.items_left == 1 else 's'} left",
        )
        for code in result.path
    ]
    assert result.log_prob is not None  # there is a path
    heading = f"{result.rank}  log p {result.log_prob:.3f}"
    if abs(result.log_prob - result.score) > _SCORE_TOLERANCE:
        heading += f", which the decoder turned into its score {result.score:.3f}"
    return [heading, *_columns(rows)]


def _code(code: RevealedCode) -> str:
    return f"{code.slot} = {code.code}"


def _revealed(code: RevealedCode) -> str:
    return f"{_code(code)}, p {code.probability:.2g}{_means(code.meaning)}"


def _means(meaning: Meaning) -> str:
    words = meaning.category or _common(meaning)
    return f" ({words})" if words else ""


def _common(meaning: Meaning) -> str:
    """The common categories of the items that are left, or the item itself."""
    if meaning.items_left == 0:
        return "no item"
    if meaning.items_left == 1 and meaning.examples:
        return _short(meaning.examples[0])
    if not meaning.categories:
        return _short("; ".join(meaning.examples))
    return ", ".join(f"{name} ({count})" for name, count in meaning.categories)


def _item(item: NamedItem) -> str:
    return f"{item.item}, {_short(item.words)}" if item.words else item.item


def _short(text: str) -> str:
    return text if len(text) <= _MAX_WORDS else f"{text[: _MAX_WORDS - 3]}..."


def _ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{suffix}"
