"""The results of a benchmark as a text table."""

from __future__ import annotations

from typing import Any

from mindrec_bench.bench.measure import SECTIONS
from mindrec_bench.bench.result_table import to_text


def make_row(model: str, **changes: Any) -> dict[str, Any]:
    case = {"model": model, "decoder": "bs", "size": "tiny", "beam": 10, "batch": 32, "history": 20}
    times = {"users_per_second": 1234.56, "batch_p50": 0.0123, "batch_p95": 0.3, "forward_passes": 7}
    costs = {"positions": 12345.6, "shares": dict.fromkeys(SECTIONS, 0.2), "peak_bytes": 3e9, "flops": 1.5e10}
    rates = {"flops_per_second": 1e11, "of_matrix_product_rate": 0.5, "plain_ratio": None}
    return {**case, **times, **costs, **rates, **changes}


def test_text_columns_are_aligned_left_and_numbers_right() -> None:
    text = to_text([make_row("pop", size=None), make_row("llada:layers=2", beam=5, plain_ratio=2.5)], "a heading")
    heading, empty, columns, pop, llada = text.splitlines()
    assert (heading, empty) == ("a heading", "")
    assert columns.startswith("model           decoder  size  beam  batch  history  users/s")
    assert pop.startswith("pop             bs       -       10     32       20   1234.6")
    assert llada.startswith("llada:layers=2  bs       tiny     5     32       20   1234.6")
    assert columns.endswith("  of rate  x plain")
    assert pop.endswith("      50%        -")
    assert llada.endswith("      50%     2.50")
