"""The combinations of ranks among which the best joint choices are."""

from __future__ import annotations

from mindrec_decoders.search.joint_expansion import rank_tuples


def test_rank_tuples():
    assert len(rank_tuples(4, 10, 256)) == 89
    assert rank_tuples(2, 3, 2) == [(0, 0), (0, 1), (1, 0)]
