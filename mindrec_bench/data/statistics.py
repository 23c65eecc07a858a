"""Statistics of a dataset, beside the paper's Table 1 (`mrbench data show`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.choices import HISTORY
from ..core.dataset import Dataset

PAPER_USERS = 5_000
"""Users that the paper takes of each dataset."""

PAPER_TABLE_1: dict[str, dict[str, tuple[int, int]]] = {
    "Instruments": {"users": (5_000, 24_771), "items_touched": (9_223, 9_921), "interactions": (56_001, 206_153)},
    "Arts": {"users": (5_000, 45_140), "items_touched": (17_054, 20_955), "interactions": (63_401, 390_832)},
    "Games": {"users": (5_000, 204_439), "items_touched": (14_671, 16_858), "interactions": (77_096, 452_989)},
}
"""Dataset -> statistic -> the paper's values: after processing (5,000 users) and before."""


_LABELS = {
    "users": "users",
    "skipped_users": "users skipped (fewer than 3 interactions)",
    "items_touched": "items in sequences",
    "catalogue_items": "items in the catalogue",
    "interactions": "interactions",
    "training_examples": "training examples",
    "distinct_sids": "distinct SIDs",
    "items_sharing_a_sid": "items that share their SID",
    "codes_a_slot": "codes a slot (categories - SID)",
    "category_prefixes": "category prefixes of length 1, 2, ...",
    "items_without_categories": "items without categories",
    "history_length": "history length: min / 25% / median / 75% / 95% / max",
    "histories_cut": f"histories longer than {HISTORY}",
    "test_targets_in_training": "test targets seen in training",
}
"""Statistic -> its label; the order of the rows."""


class StatisticsRow(NamedTuple):
    """One statistic as text; an empty cell where there is no value.

    Attributes:
        label: what is counted.
        first: of the first users.
        whole: of the whole file.
        paper_first: the paper's value for the first users; starts with '≠ ' where it differs from the measured one.
        paper_whole: likewise for the whole file.
    """

    label: str
    first: str
    whole: str
    paper_first: str = ""
    paper_whole: str = ""


def dataset_statistics(dataset: Dataset) -> dict[str, Any]:
    """Statistics of a dataset, as plain values for JSON.

    `history_length` is about all items before the test target, including those beyond the latest 10, the history.
    `items_sharing_a_sid` counts the catalogue items whose SID another item has too, `category_prefixes` the distinct
    category codes cut to their first 1, 2, ... levels.
    """
    space = dataset.space(categories=dataset.categories is not None)
    _, items_per_sid = np.unique(space.sid_index.item_sequences, return_counts=True)
    lengths = np.diff(dataset.offsets) - 1
    in_training = dataset.train_counts() > 0
    quantiles = np.quantile(lengths, (0, 0.25, 0.5, 0.75, 0.95, 1))
    sizes, levels = list(space.sizes), space.n_categories
    prefixes = [len(np.unique(space.item_codes[:, :k], axis=0)) for k in range(1, levels + 1)]
    return {
        "name": dataset.name,
        "users": dataset.n_users,
        "skipped_users": dataset.skipped,
        "items_touched": len(np.unique(dataset.items)),
        "catalogue_items": dataset.n_items,
        "interactions": len(dataset.items),
        "training_examples": len(dataset.train_examples()),
        "distinct_sids": len(items_per_sid),
        "items_sharing_a_sid": int(items_per_sid[items_per_sid > 1].sum()),
        "codes_a_slot": {"categories": sizes[:levels], "sid": sizes[levels:]},
        "category_prefixes": prefixes,
        "items_without_categories": dataset.without_categories if levels else dataset.n_items,
        "history_length": dict(zip(("min", "p25", "median", "p75", "p95", "max"), quantiles.tolist(), strict=True)),
        "histories_cut": float((lengths > HISTORY).mean()),
        "test_targets_in_training": float(in_training[dataset.test().targets].mean()),
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.category_notes),
    }


def statistics_rows(first: dict[str, Any], whole: dict[str, Any]) -> list[StatisticsRow]:
    """Put the statistics of the first users, of the whole file and of the paper side by side.

    Args:
        first: `dataset_statistics` of the first `PAPER_USERS` users.
        whole: `dataset_statistics` of all users.
    """
    paper = PAPER_TABLE_1.get(first["name"], {})
    rows = []
    for key, label in _LABELS.items():
        cells = [_format(key, statistics[key]) for statistics in (first, whole)]
        if key in paper:
            measured = (first[key], whole[key])
            cells += [_format_paper(value, other) for value, other in zip(paper[key], measured, strict=True)]
        rows.append(StatisticsRow(label, *cells))
    return rows


def _format_paper(value: int, measured: int) -> str:
    return f"{value:,}" if value == measured else f"≠ {value:,}"


def _format(key: str, value: Any) -> str:
    if key == "codes_a_slot":
        return " - ".join(" / ".join(map(str, sizes)) for sizes in value.values() if sizes)
    if key == "category_prefixes":
        return " / ".join(f"{count:,}" for count in value) or "none"
    if key == "history_length":
        return " / ".join(f"{length:g}" for length in value.values())
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
