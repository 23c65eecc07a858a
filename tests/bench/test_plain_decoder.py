"""The plain decoder of `mrbench bench`, from a file of the user."""

from __future__ import annotations

import pytest

from mindrec_bench.bench import measure
from mindrec_bench.bench.cases import BenchmarkGrid, BenchmarkOptions, make_cases
from mindrec_bench.bench.measure import measure_cases
from mindrec_bench.bench.plain_decoder import PlainDecoder
from mindrec_bench.errors import UsageError

FILE = """
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class Call:
    beam: int
calls = []
RULES = {"bs": None}
def decode(network, histories, rule, beam):
    calls.append((type(network).__name__, len(histories), rule, Call(beam).beam))
"""


@pytest.mark.usefixtures("small_networks")
def test_supported_cases_get_a_ratio(tmp_path, monkeypatch):
    (tmp_path / "decoder.py").write_text(FILE, encoding="utf-8")
    plain = PlainDecoder.read(tmp_path / "decoder.py")
    options = BenchmarkOptions("arts-sim:users=30,items=60", "tiny", None, "slots", 42, "cpu", None)
    cases = make_cases(BenchmarkGrid(("llada", "markov"), ("bs", "dbs-dedup"), (2,), (3,), (2,)), options)
    results = list(measure_cases(cases, 2, plain))
    ratios = {(result.case.model, result.case.decoder): result.plain_ratio for result in results}
    assert ratios.pop(("llada", "bs")) > 0
    assert len(ratios) == 3
    assert set(ratios.values()) == {None}
    assert plain.module.calls == [("MaskedCodeLM", 3, "bs", 2)] * 2
    monkeypatch.setattr(measure, "PLAIN_SECONDS", 1e-9)
    assert next(measure_cases(cases, 2, plain)).plain_ratio > 0
    assert len(plain.module.calls) == 3, "not timed again where it takes too long"


@pytest.mark.parametrize("text", ["RULES = {}", "def decode(", None])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "decoder.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"--plain .*decoder\.py is not a Python file with `decode` and `RULES`"):
        PlainDecoder.read(path)
