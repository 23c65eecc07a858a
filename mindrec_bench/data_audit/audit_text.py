"""An audit as one page of text: each number, and what to conclude from it."""

from __future__ import annotations

import textwrap
from typing import Any

from ..report.text_table import TEXT_WIDTH, format_columns
from .audit import K

FEW = 0.01
"""Shares below this are called few: they move HR by less than differences between models usually are."""


def audit_text(audit: dict[str, Any], width: int = TEXT_WIDTH) -> str:
    """The page.

    Args:
        audit: of `audit_data`.
        width: characters in a line of sentences.
    """
    heading = (
        f"{audit['name']}: {audit['users']:,} test users, {audit['items']:,} items, {audit['interactions']:,} "
        f"interactions; {audit['holdout']}, histories of the latest {audit['history']} items"
    )
    sections = [[heading], *([[f"note: {note}" for note in audit["notes"]]] if audit["notes"] else [])]
    titles = {
        "times": "Times",
        "repeats": "Repeats",
        "unseen": "Targets never seen in training",
        "sids": "Semantic IDs",
    }
    conclusions = conclude(audit)
    for key, title in titles.items():
        sections.append([title, *_wrap(_FACTS[key](audit[key]), width), *_wrap(conclusions[key], width, "=> ")])
    sections.append(
        ["What counting reaches", *_counting(audit, width), *_wrap(conclusions["memorisable"], width, "=> ")]
    )
    return "\n\n".join("\n".join(lines) for lines in sections)


def conclude(audit: dict[str, Any]) -> dict[str, str]:
    """Section -> what to conclude from its numbers."""
    return {key: function(audit) for key, function in _CONCLUSIONS.items()}


def _wrap(text: str, width: int, mark: str = "") -> list[str]:
    indent = "  " + " " * len(mark)
    return textwrap.wrap(text, width, initial_indent=f"  {mark}", subsequent_indent=indent, break_on_hyphens=False)


def _share(section: dict[str, Any], key: str) -> str:
    return f"{section[key]:,} ({section[f'{key}_share']:.1%})"


def _times_facts(times: dict[str, Any]) -> str:
    if not times["known"]:
        return "The data have the order of each user's interactions, and no times."
    return (
        f"{_share(times, 'tied_interactions')} interactions have the time of a neighbour of the same user, and "
        f"{_share(times, 'tied_test_targets')} of the test targets; with ties shuffled, "
        f"{times['targets_changed_by_shuffling']:,} users have another target. "
        f"{_share(times, 'training_after_first_target')} of the training interactions are later than the first test "
        f"target; of a user's target, {times['training_after_own_target_share']:.1%} of training is later on average."
    )


def _times_conclusion(audit: dict[str, Any]) -> str:
    times = audit["times"]
    if not times["known"]:
        return (
            "Neither ties nor leakage in time can be checked, and there is no split by time. If the order within a day "
            "is that of a file, a model can learn it and no recommender can use it: read results as fitting this file."
        )
    parts = []
    if changes := times.get(f"hr@{K}"):
        moved = ", ".join(f"{model} {of['as_is']:.4f} to {of['shuffled']:.4f}" for model, of in changes.items())
        largest = max(abs(of["as_is"] - of["shuffled"]) for of in changes.values())
        parts.append(
            f"Shuffling the ties moves HR@{K} ({moved}): a difference between models below {largest:.4f} may be the "
            "order of ties."
        )
    else:
        parts.append("No ties: the order is that of the times.")
    if times["training_after_own_target_share"] > FEW:
        parts.append(
            "Models train on what happened after their test targets, which no system in use can: to claim anything "
            "about the future, run with --holdout time:0.9."
        )
    else:
        parts.append("Training is hardly ever later than a target: nothing leaks from the future.")
    return " ".join(parts)


def _repeats_facts(repeats: dict[str, Any]) -> str:
    return (
        f"{_share(repeats, 'repeated_interactions')} interactions are with an item that the user has had before; "
        f"{repeats['test_targets_had_before']:,} test targets are, and "
        f"{_share(repeats, 'test_targets_in_history')} are in the history that models see."
    )


def _repeats_conclusion(audit: dict[str, Any]) -> str:
    repeats = audit["repeats"]
    if not repeats["test_targets_in_history"]:
        return (
            "No target repeats its history, so every history item in a list is a wasted place: --exclude-history can "
            "only help, and rows with and without it do not compare."
        )
    return (
        f"--exclude-history would make {repeats['test_targets_in_history_share']:.1%} of the targets unreachable: "
        "leave it out, and see how far recommending the history alone gets before praising a model."
    )


def _unseen_facts(unseen: dict[str, Any]) -> str:
    return f"{_share(unseen, 'test_targets')} of the test targets have no interaction in training."


def _unseen_conclusion(audit: dict[str, Any]) -> str:
    share = audit["unseen"]["test_targets_share"]
    bound = f"No model that learns from interactions alone can exceed HR {1 - share:.3f}"
    if share < FEW:
        return f"{bound}: no limit in practice, and no test of new items."
    return (
        f"{bound}; only what is known of the items themselves (semantic IDs from texts, categories) reaches the rest."
    )


def _sids_facts(sids: dict[str, Any]) -> str:
    if not sids["known"]:
        return "The data have none."
    given = ", ".join(f"{model} {value:+.4f}" for model, value in sids[f"given_away_hr@{K}"].items())
    return (
        f"{sids['items_sharing']:,} items share theirs with another item, and {_share(sids, 'test_targets_sharing')} "
        f"of the test targets do. A hit is a match of IDs: against a match of items that adds to HR@{K}: {given}."
    )


def _sids_conclusion(audit: dict[str, Any]) -> str:
    sids = audit["sids"]
    if not sids["known"]:
        return (
            "A hit is a match of items. Results of generative models depend on the IDs that are made here (`mrbench "
            "data tokenize`): say which."
        )
    largest = max(sids[f"given_away_hr@{K}"].values())
    if largest < 0.0005:
        return "Collisions give nothing away: rows by item and by ID compare."
    return (
        f"Collisions give away up to {largest:.4f} of HR@{K}: never put a row that matches items beside one that "
        "matches IDs, nor rows with different IDs."
    )


def _counting(audit: dict[str, Any], width: int) -> list[str]:
    memorisable = audit["memorisable"]
    count, total = memorisable["test_targets"], audit["users"]
    rows = [
        (model, *(_number(of[part]) for part in ("all", "memorisable", "rest", "by_item")))
        for model, of in memorisable[f"hr@{K}"].items()
    ]
    fact = (
        f"{_share(memorisable, 'test_targets')} of the test targets follow the last item of the history somewhere in "
        f"training: who remembers pairs can know them. HR@{K}, nothing trained, history not excluded:"
    )
    headings = ("", "all", f"these {count:,}", f"other {total - count:,}", "all, by item")
    return [*_wrap(fact, width), *(f"  {line}" for line in format_columns(rows, headings))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _memorisable_conclusion(audit: dict[str, Any]) -> str:
    values = audit["memorisable"][f"hr@{K}"]
    model, best = max(values.items(), key=lambda entry: entry[1]["all"])
    rest = best["rest"]
    text = f"A model must beat {model} ({best['all']:.4f}) before it has shown anything."
    if rest is None or best["all"] == 0:
        return text
    hits_there = 1 - rest * (1 - audit["memorisable"]["test_targets_share"]) / best["all"]
    return (
        f"{text} {hits_there:.0%} of its hits are on the memorisable targets; whether a model generalises shows on the "
        f"others, where {model} has {rest:.4f}."
    )


_FACTS = {"times": _times_facts, "repeats": _repeats_facts, "unseen": _unseen_facts, "sids": _sids_facts}
_CONCLUSIONS = {
    "times": _times_conclusion,
    "repeats": _repeats_conclusion,
    "unseen": _unseen_conclusion,
    "sids": _sids_conclusion,
    "memorisable": _memorisable_conclusion,
}
