"""Units of times."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.core.times import Times, Unit


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9), (None, None)])
def test_units_of_a_second(unit: Unit | None, per_second: int | None) -> None:
    assert Times(np.array([1]), unit).per_second == per_second
