"""The exact ranking of items."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mindrec_bench.core.code_space import MASK
from mindrec_bench.testing import DecodingProblem, catalogue_model, random_space
from mindrec_decoders.rank_items import RankItems


def catalogue(probs: list[list[float]], start=None, n_categories: int = 1) -> DecodingProblem:
    n_items = len(probs[0])
    space = random_space((2, 2), n_items, n_categories=n_categories)
    return DecodingProblem("catalogue", space, catalogue_model(np.array(probs)), "items", start)


def test_best_first_and_ties_to_the_lower_item():
    case = catalogue([[1, 4, 2, 4, 0, 5]] * 2)
    ranking = case.decode(RankItems(), np.arange(2), beam=4)
    assert ranking.items.tolist() == [[5, 1, 3, 2]] * 2
    assert ranking.codes[0].tolist() == case.space.item_codes[[5, 1, 3, 2]].tolist()
    assert ranking.scores[0].tolist() == pytest.approx([math.log(p / 16) for p in (5, 4, 4, 2)])


def test_impossible_items_and_entries_beyond_the_catalogue_are_padding():
    ranking = catalogue([[1, 0, 2]]).decode(RankItems(), np.array([0]), beam=5)
    assert ranking.lengths.tolist() == [2]
    assert ranking.items.tolist() == [[2, 0, -1, -1, -1]]
    assert (ranking.codes[0, 2:] == MASK).all()
    assert (ranking.scores[0, 2:] == -math.inf).all()


def test_given_categories_leave_the_items_that_match():
    start = np.array([[0, MASK], [1, MASK]])
    case = catalogue([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]] * 2, start)
    ranking = case.decode(RankItems(), np.arange(2), beam=6)
    for row, category in enumerate((0, 1)):
        matching = np.flatnonzero(case.space.item_codes[:, 0] == category)[::-1]
        total = (matching + 1).sum()
        assert ranking.items[row, : len(matching)].tolist() == matching.tolist()
        assert ranking.lengths[row] == len(matching)
        assert ranking.scores[row, : len(matching)].tolist() == pytest.approx(np.log((matching + 1) / total).tolist())
