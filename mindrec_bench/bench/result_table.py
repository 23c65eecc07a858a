"""The results of `mrbench bench` as JSON objects and as a text table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report.text_table import format_columns
from .measure import SECTIONS, BenchmarkResult

_CASE_COLUMNS = ("model", "decoder", "size", "beam", "batch", "history")
_TIME_COLUMNS = ("users/s", "p50 ms", "p95 ms", "passes", "positions")
_SECTION_COLUMNS = tuple(f"{section} %" for section in SECTIONS)
_COST_COLUMNS = ("peak MB", "GFLOP", "GFLOP/s", "of rate", "x plain")
_N_TEXT_COLUMNS = 3
"""Columns of text, aligned left; numbers are aligned right."""


def to_json_row(result: BenchmarkResult, matrix_product_rate: float) -> dict[str, Any]:
    """One case, in SI units; `matrix_product_rate`: see `counting.matrix_product_rate`, in the case's precision."""
    case = result.case
    return {
        "model": case.model,
        "decoder": case.decoder,
        "size": case.size,
        "precision": case.precision,
        "beam": case.beam,
        "batch": case.batch_size,
        "history": case.history_length,
        "users_per_second": result.users_per_second,
        "batch_p50": result.quantile(0.5),
        "batch_p95": result.quantile(0.95),
        "forward_passes": result.forward_passes,
        "positions": result.operations.positions,
        "shares": result.shares,
        "peak_bytes": result.peak_bytes,
        "flops": result.operations.flops,
        "flops_per_second": result.flops_per_second,
        "of_matrix_product_rate": result.flops_per_second / matrix_product_rate,
        "plain_ratio": result.plain_ratio,
    }


def to_line(row: dict[str, Any]) -> str:
    """One case in a line, from `to_json_row`."""
    return (
        f"{row['model']} with {row['decoder']}, beam {row['beam']}, batch {row['batch']}, history {row['history']}: "
        f"{row['users_per_second']:,.1f} users/s, pruning {row['shares']['pruning']:.0%}"
    )


def to_text(rows: Sequence[dict[str, Any]], heading: str) -> str:
    """A table with one line per case, under a heading; `rows` are from `to_json_row`."""
    headings = [*_CASE_COLUMNS, *_TIME_COLUMNS, *_SECTION_COLUMNS, *_COST_COLUMNS]
    lines = format_columns([_cells(row) for row in rows], headings, n_left=_N_TEXT_COLUMNS)
    return "\n".join([heading, "", *lines])


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = row["plain_ratio"]
    return [
        *(str(row[name] or "-") for name in _CASE_COLUMNS),
        f"{row['users_per_second']:.1f}",
        f"{1e3 * row['batch_p50']:.1f}",
        f"{1e3 * row['batch_p95']:.1f}",
        str(row["forward_passes"]),
        f"{row['positions']:,.0f}",
        *(f"{100 * row['shares'][section]:.1f}" for section in SECTIONS),
        f"{row['peak_bytes'] / 1e6:,.0f}",
        f"{row['flops'] / 1e9:.2f}",
        f"{row['flops_per_second'] / 1e9:.1f}",
        f"{100 * row['of_matrix_product_rate']:.0f}%",
        "-" if ratio is None else f"{ratio:.2f}",
    ]
