"""Tables as data: CSV, a line a cell, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ...stats.comparison import Comparison
from .caption import caption, footnotes
from .table import Table

_COMPARISON = tuple(Comparison.__dataclass_fields__)[1:]
COLUMNS = (
    "table", "row", "data", "metric", "value", "low", "high", "published", "difference_from_published", "users",
    "seeds", "size", "runs", "reference", *(f"test_{name}" for name in _COMPARISON), "missing",
)  # fmt: skip


def to_csv(table: Table) -> str:
    """One line a cell, with everything that is known of it; numbers are not rounded."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(table))
    return out.getvalue()


def _cells(table: Table) -> Iterator[dict[str, Any]]:
    spec = table.spec
    for row in table.rows:
        for (data, metric), cell in zip(table.columns, row.cells, strict=True):
            compared = asdict(cell.comparison) if cell.comparison else {}
            low, high = cell.interval or (None, None)
            yield {
                "table": spec.name, "row": row.label, "data": data, "metric": metric, "value": cell.value,
                "low": low, "high": high, "published": cell.published, "difference_from_published": cell.difference,
                "users": table.users.get(data), "seeds": " ".join(map(str, spec.seeds)), "size": row.sizes.get(data),
                "runs": " ".join(row.runs.get(data, ())), "reference": table.references[data] if compared else None,
                **{f"test_{name}": compared.get(name) for name in _COMPARISON},
                "missing": row.reasons.get(data) or "; ".join(row.missing.get(data, ())),
            }  # fmt: skip


def to_json(table: Table) -> str:
    """Everything about a table as one JSON object; numbers are not rounded."""
    return json.dumps(as_object(table), ensure_ascii=False, indent=2) + "\n"


def as_object(table: Table) -> dict[str, Any]:
    """What `to_json` writes."""
    spec = table.spec
    return {
        "name": spec.name, "paper": spec.paper, "title": spec.title, "caption": caption(table),
        "footnotes": footnotes(table), "references": table.references, "seeds": spec.seeds, "beam": spec.beam,
        "users": table.users, "resamples": table.resamples, "test": table.test,
        "rows": [
            {
                "label": row.label, "runs": row.runs, "sizes": row.sizes, "missing": row.missing,
                "reasons": row.reasons,
                "cells": [
                    {
                        "data": data, "metric": metric, "value": cell.value, "interval": cell.interval,
                        "published": cell.published, "difference": cell.difference, "place": cell.place,
                        "significant": cell.significant,
                        "comparison": asdict(cell.comparison) if cell.comparison else None,
                    }
                    for (data, metric), cell in zip(table.columns, row.cells, strict=True)
                ],
            }
            for row in table.rows
        ],
    }  # fmt: skip
