"""Anyone's table of results, a CSV file, for the audit (`mrbench audit FILE.csv`).

One line a system: its name in the first column, one column a metric (`HR@5` or `Recall@5` or `R@5`, `NDCG@5` or `N@5`),
and, where they are known, `data` and `users`.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ...errors import UsageError
from ...io.json_files import read_text
from ...io.schema import is_number
from .checks import ReportedMetrics

_METRIC = re.compile(r"(hr|hit|hits|hitrate|recall|r|ndcg|n)@([0-9]+)")
_NDCG = ("ndcg", "n")


def read_results(path: Path) -> list[ReportedMetrics]:
    """The systems of a file; empty cells and `-` are values that were not reported.

    Raises:
        UsageError: the file can't be read, has no column of a metric or an unknown column, or a value is no number.
    """
    lines = list(csv.reader(read_text(path, "the results", UsageError).splitlines()))
    header = [name.strip() for name in lines[0]] if lines else []
    separator = next((mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]), None)
    if separator:
        raise UsageError(f"{path} has its columns apart by {separator!r}; separate them by commas")
    if len(header) < 2 or len(lines) < 2:
        raise UsageError(f"{path} has no results; write a header, and one line a system, its name in the first column")
    names = [_column(name, path) for name in header[1:]]
    if not any("@" in name for name in names):
        raise UsageError(f"{path} has no column of a metric; name one HR@10 or NDCG@10")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise UsageError(f"{path} has two columns of {repeated}; leave one out")
    return [
        _read_line(line, names, f"line {number} of {path}") for number, line in enumerate(lines[1:], start=2) if line
    ]


def _column(name: str, path: Path) -> str:
    """`hr@5` or `ndcg@5` for a metric, `data` or `users`."""
    lower = name.lower().replace(" ", "")
    if lower in ("data", "users"):
        return lower
    if found := _METRIC.fullmatch(lower):
        return f"{'ndcg' if found[1] in _NDCG else 'hr'}@{int(found[2])}"
    raise UsageError(
        f"column '{name}' of {path} is no metric that can be checked; use HR@k (or Recall@k), NDCG@k, data and users"
    )


def _read_line(line: list[str], names: list[str], where: str) -> ReportedMetrics:
    if len(line) != len(names) + 1:
        raise UsageError(f"{where} has {len(line)} cells, and the header has {len(names) + 1}; complete it")
    label, *cells = (cell.strip() for cell in line)
    values = {name: cell for name, cell in zip(names, cells, strict=True) if cell not in ("", "-")}
    data, users = values.pop("data", ""), values.pop("users", "0").replace(",", "")
    if not users.isdigit():
        raise UsageError(f"users in {where} is '{users}'; write a whole number")
    for name, text in values.items():
        if not is_number(text) or not 0 <= float(text) <= 1:
            raise UsageError(
                f"{name} in {where} is '{text}'; write it as a share from 0 to 1 "
                "(a percentage divided by 100), with all its digits"
            )
    return ReportedMetrics(f"{data}, {label}" if data else label, values, int(users))
