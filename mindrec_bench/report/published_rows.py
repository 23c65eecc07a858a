"""Rows of other papers as data (`tables/published.csv`), which a table cites by their name.

One line a value: which row of which paper and table, on which data of what lineage, as printed, with its spread and
where it was read. `checked` was read in the authors' own table or page, `quoted` in somebody else's.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from ..errors import UsageError, did_you_mean

FILE = "published.csv"


@dataclass(frozen=True)
class PublishedValue:
    """One value as printed; the fields are the columns of the file.

    Attributes:
        row: the name that tables cite.
        paper, table: where it was published.
        data: the dataset, as on our command line.
        lineage: where its data come from, and whether they were compared with ours.
        metric: `hr@5`, `ndcg@10`, ...
        value: as printed.
        spread: over seeds, in words; '' where none was published.
        source: where it was read.
        checked: read in the authors' own table or page, or quoted by others.
    """

    row: str
    paper: str
    table: str
    data: str
    lineage: str
    metric: str
    value: str
    spread: str
    source: str
    checked: Literal["checked", "quoted"]


@cache
def published_values(package: str) -> tuple[PublishedValue, ...]:
    """All values of the file in a package of tables."""
    text = (resources.files(package) / FILE).read_text(encoding="utf-8")
    return tuple(PublishedValue(**line) for line in csv.DictReader(text.splitlines()))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Citation:
    """A published row as a table shows it.

    Attributes:
        published: data -> values as printed, one for each metric, '-' where there is none.
        note: source, lineage and spread, for a footnote.
    """

    published: dict[str, tuple[str, ...]]
    note: str


def cite(
    values: Sequence[PublishedValue], row: str, *, data: Sequence[str], metrics: Sequence[str], where: str
) -> Citation:
    """The published row of this name, on the data and in the metrics of a table.

    Args:
        values: all published values.
        row: its name.
        data, metrics: of the table.
        where: what messages call the table's row.

    Raises:
        UsageError: no row has this name, or it has no value that the table shows.
    """
    of_row = [value for value in values if value.row == row]
    if not of_row:
        known = sorted({value.row for value in values})
        raise UsageError(
            f"{where} cites '{row}', which is no published row{did_you_mean(row, known)}; known: {'; '.join(known)}"
        )
    shown = {(value.data, value.metric): value for value in of_row if value.data in data and value.metric in metrics}
    if not shown:
        raise UsageError(f"{where} cites '{row}', which has no value on {', '.join(data)} in {', '.join(metrics)}")
    published = {
        name: tuple(shown[name, metric].value if (name, metric) in shown else "-" for metric in metrics)
        for name in data
        if any((name, metric) in shown for metric in metrics)
    }
    first = of_row[0]
    spreads = [f"{value.metric.upper()} on {value.data} {value.spread}" for value in shown.values() if value.spread]
    parts = [f"published: {first.source} ({first.checked}); data: {first.lineage}", *spreads]
    return Citation(published, "; ".join(parts))
