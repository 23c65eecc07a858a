"""The decoder that CONTRIBUTING.md shows works as it stands there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from mindrec_bench.testing import check_decoder

TEXT = Path(__file__).parents[1] / "CONTRIBUTING.md"


@pytest.fixture
def shown(monkeypatch) -> ModuleType:
    module = ModuleType("shown_in_contributing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    code = TEXT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(code, str(TEXT), "exec"), module.__dict__)
    return module


def test_the_decoder_conforms(shown):
    check_decoder(shown.RightToLeft())
