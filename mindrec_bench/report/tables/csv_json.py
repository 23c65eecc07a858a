"""Tables as data: CSV with one line per cell, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ...io.printable import quote_formula
from ...stats.comparison import Comparison
from .caption import caption
from .footnotes import footnotes
from .table import Table

_COMPARISON_FIELDS = tuple(Comparison.__dataclass_fields__)[1:]
"""All fields but the metric."""

CSV_COLUMNS = (
    "table", "row", "data", "metric", "value", "low", "high", "published", "difference_from_published", "users",
    "seeds", "size", "history_excluded", "runs", "reference", *(f"test_{name}" for name in _COMPARISON_FIELDS),
    "missing",
)  # fmt: skip


def to_csv(table: Table, *, quote_formulas: bool = True) -> str:
    """One line per cell with everything that is known about it; numbers are not rounded.

    Args:
        table: the table.
        quote_formulas: put a ' before a text that a spreadsheet would compute as a formula.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in _csv_rows(table):
        writer.writerow({name: quote_formula(value) for name, value in row.items()} if quote_formulas else row)
    return out.getvalue()


def _csv_rows(table: Table) -> Iterator[dict[str, Any]]:
    spec = table.spec
    for row in table.rows:
        for (data, metric), cell in zip(table.columns, row.cells, strict=True):
            comparison = asdict(cell.comparison) if cell.comparison else {}
            low, high = cell.interval or (None, None)
            yield {
                "table": spec.name, "row": row.label, "data": data, "metric": metric, "value": cell.value,
                "low": low, "high": high, "published": cell.published, "difference_from_published": cell.difference,
                "users": table.users.get(data), "seeds": " ".join(map(str, spec.seeds)), "size": row.sizes.get(data),
                "history_excluded": row.label in table.excluding,
                "runs": " ".join(row.runs.get(data, ())), "reference": table.references[data] if comparison else None,
                **{f"test_{name}": comparison.get(name) for name in _COMPARISON_FIELDS},
                "missing": row.reasons.get(data) or "; ".join(row.missing.get(data, ())),
            }  # fmt: skip


def to_json(table: Table) -> str:
    """Everything about a table as one JSON object; numbers are not rounded."""
    return json.dumps(to_dict(table), ensure_ascii=False, indent=2) + "\n"


def to_dict(table: Table) -> dict[str, Any]:
    """The table in JSON's types, as `to_json` writes it."""
    spec = table.spec
    return {
        "name": spec.name, "paper": spec.paper, "title": spec.title, "caption": caption(table, marks_best=False),
        "footnotes": footnotes(table), "references": table.references, "seeds": spec.seeds,
        "beam": spec.setting("beam"), "users": table.users, "resamples": table.resamples, "test": table.test,
        "rows": [
            {
                "label": row.label, "runs": row.runs, "sizes": row.sizes, "missing": row.missing,
                "reasons": row.reasons, "history_excluded": row.label in table.excluding,
                "cells": [
                    {
                        "data": data, "metric": metric, "value": cell.value, "interval": cell.interval,
                        "published": cell.published, "difference": cell.difference, "place": cell.rank,
                        "significant": cell.significant,
                        "comparison": asdict(cell.comparison) if cell.comparison else None,
                    }
                    for (data, metric), cell in zip(table.columns, row.cells, strict=True)
                ],
            }
            for row in table.rows
        ],
    }  # fmt: skip
