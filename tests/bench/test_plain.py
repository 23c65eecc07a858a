"""The plain way of `mrbench bench`: a file of the user's."""

from __future__ import annotations

import pytest

from mindrec_bench.bench.cases import Axes, Setting, make_cases
from mindrec_bench.bench.measure import measure
from mindrec_bench.bench.plain import Plain
from mindrec_bench.errors import UsageError

FILE = """
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class Asked:
    beam: int
asked = []
RULES = {"bs": None}
def decode(network, histories, rule, beam):
    asked.append((type(network).__name__, len(histories), rule, Asked(beam).beam))
"""


def test_cases_that_it_knows_get_a_ratio(tmp_path):
    (tmp_path / "way.py").write_text(FILE, encoding="utf-8")
    plain = Plain.read(tmp_path / "way.py")
    setting = Setting("arts-sim:users=30,items=60", "tiny", None, "slots", 42, "cpu", None, lambda line: None)
    cases = make_cases(Axes(("llada", "markov"), ("bs", "dbs-dedup"), (2,), (3,), (2,)), setting)
    ratios = {(t.case.model, t.case.decoder): t.plain_ratio for t in measure(cases, 2, plain)}
    assert ratios.pop(("llada", "bs")) > 0
    assert len(ratios) == 3
    assert set(ratios.values()) == {None}
    assert plain.module.asked == [("MaskedCodeLM", 3, "bs", 2)] * 2


@pytest.mark.parametrize("text", ["RULES = {}", "def decode(", None])
def test_a_file_that_is_none(tmp_path, text):
    path = tmp_path / "way.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"--plain .*way\.py is no Python file with `decode` and `RULES`"):
        Plain.read(path)
