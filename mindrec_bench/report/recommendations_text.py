"""Recommendations for one history, for the terminal."""

from __future__ import annotations

from ..experiment.recommend import Recommendations
from .text_table import format_columns


def recommendations_text(recommendations: Recommendations, k: int) -> str:
    """A heading, and one line per item.

    Args:
        recommendations: for one history.
        k: how many items were asked for.
    """
    items = recommendations.items
    count = len(recommendations.history)
    seen = f"history of {count} item{'s' if count > 1 else ''}, the latest {recommendations.history[-1]}"
    heading = f"{recommendations.user}: {seen}" if recommendations.user else seen
    with_shared = any(item.shared_with for item in items)
    headings = ("", "item", "title", "score", *(("same semantic ID",) if with_shared else ()))
    rows = [
        (
            str(item.rank),
            item.item,
            item.title,
            f"{item.score:.4f}",
            *((", ".join(item.shared_with),) if with_shared else ()),
        )
        for item in items
    ]
    lines = [heading, *format_columns(rows, headings)]
    if len(items) < k:
        lines.append(
            f"the decoder found {len(items)} items and not {k}; --constrain catalogue, or a larger beam, finds more"
        )
    return "\n".join(lines)
