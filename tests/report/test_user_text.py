"""One user of a run in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mindrec_bench.experiment.code_meanings import Meaning
from mindrec_bench.experiment.user_trace import NamedItem, PrunedAt, Result, RevealedCode, UserTrace
from mindrec_bench.report.user_text import user_text

FABRIC = RevealedCode(1, "category 1", 7, 0.25, Meaning("Fabric", 297, (("Fabric", 297),), ("34 Fabric",)))
WIRE = RevealedCode(2, "SID 1", 12, 0.004, Meaning("", 3, (("Wire", 2), ("Beads", 1)), ("9 Wire",)))
NONE_LEFT = RevealedCode(2, "SID 1", 13, 0.5, Meaning("", 0, (), ()))
PRUNED = PrunedAt(2, -6.9, (WIRE,), (41,), -2.08, (NONE_LEFT,))
TRACE = UserTrace(
    run="0123456789ab",
    user="anna",
    history=(NamedItem("24", "Glue"), NamedItem("25", "")),
    target=NamedItem("34", "x" * 100),
    target_codes=(7, 12),
    hit_rank=0,
    steps=2,
    pruned=PRUNED,
    results=(
        Result(1, NamedItem("9", "Wire"), -1.5, -1.386, False, (FABRIC, WIRE)),
        Result(2, None, -2.079, -2.079, False, (FABRIC, NONE_LEFT)),
    ),
)


def test_a_miss_says_where_and_by_whom():
    lines = user_text(TRACE, "markov x bs on arts").splitlines()
    assert lines[0] == "user anna, markov x bs on arts, run 0123456789ab"
    assert f"the true next item: 34, {'x' * 57}... (7-12): missed" in lines
    assert "pruned at step 2 of 2: it needed SID 1 = 12, p 0.004, 41st in its slot (Wire (2), Beads (1))" in lines
    kept = "the beam that was kept last has -2.080, by SID 1 = 13, p 0.5 (no item)"
    assert f"  log p -6.900 with it; {kept}" in lines
    assert "1  log p -1.386, which the decoder turned into its score -1.500" in lines
    assert "2  log p -2.079" in lines
    assert sum("no item has these codes" in line for line in lines) == 1


def test_a_hit_is_marked():
    hit = replace(TRACE, hit_rank=1, pruned=None, results=(replace(TRACE.results[0], hit=True),))
    text = user_text(hit, "markov x bs on arts")
    assert "hit at rank 1" in text
    assert "kept through all 2 steps" in text
    assert "\n1 *  -1.500  9  Wire\n" in text


@pytest.mark.parametrize("results", [(), (replace(TRACE.results[0], path=(), log_prob=None),)])
def test_lists_without_paths(results):
    text = user_text(replace(TRACE, steps=0, pruned=None, results=results), "pop x rank-items on arts")
    assert "pruned" not in text
    assert "log p" not in text
    assert ("the list is empty" in text) == (not results)
