"""The latest items of a few users as text (`mrbench data show`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .text_table import format_columns

_MAX_TITLE = 72
_N_COLUMNS = 5


def format_samples(samples: Sequence[dict[str, Any]]) -> list[str]:
    """What `data.samples.sample_users` returns, as lines: a heading for each user, then one line per item."""
    lines = []
    for sample in samples:
        rows = [_cells(item) for item in sample["latest"]]
        lines.append(f"user {sample['user']}, the latest {len(rows)} of {sample['interactions']:,} items")
        lines += [f"  {line}" for line in format_columns(rows, n_left=_N_COLUMNS)]
    return lines


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    title, part = item["title"], item["part"]
    return (
        item["item"],
        _join_codes(item["categories"]),
        _join_codes(item["sid"]),
        "" if part == "train" else f"({part})",
        title if len(title) <= _MAX_TITLE else f"{title[: _MAX_TITLE - 3]}...",
    )


def _join_codes(codes: list[int] | None) -> str:
    return "" if codes is None else "-".join(map(str, codes))
