"""The source that stands for a class: its module, or in a script and a notebook what the class is made of."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mindrec_bench.core.backbone import Backbone
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.source_code import source_of
from mindrec_bench.testing import catalogue_model

Cell = Callable[[str], ModuleType]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """cell(text): the module of a notebook after this cell."""
    notebook = ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, "a_notebook", notebook)
    count = iter(range(100))

    def run(text: str) -> ModuleType:
        name = f"<cell {next(count)}>"
        monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
        exec(compile(text, name, "exec"), notebook.__dict__)
        return notebook

    return run


def test_of_a_module_it_is_the_whole_module() -> None:
    class Here:
        pass

    assert "def test_of_a_module_it_is_the_whole_module" in source_of(Here)


def test_in_a_notebook_it_is_what_the_class_names_and_what_that_names(cell: Cell) -> None:
    cell("def unused():\n    pass\n")
    cell("class Helper:\n    def value(self):\n        return inner()\n")
    cell("def inner():\n    return 1\n")
    cell("class Base:\n    def base(self):\n        return 2\n")
    notebook = cell("class Mine(Base):\n    def run(self):\n        return [Helper() for _ in range(3)]\n")
    source = source_of(notebook.Mine)
    for text in ("class Mine", "class Helper", "def inner", "class Base"):
        assert source.count(text) == 1
    assert "unused" not in source
    before = source
    cell("def inner():\n    return 3\n")
    assert source_of(notebook.Mine) != before


def test_static_and_class_methods_and_properties_are_read(cell: Cell) -> None:
    cell("def a(): return 1\ndef b(): return 2\n")
    notebook = cell(
        "class Mine:\n    @staticmethod\n    def s(): return a()\n    @property\n    def p(self): return b()\n"
    )
    assert "def b()" in source_of(notebook.Mine)


def test_classes_of_this_package_are_left_out() -> None:
    class Mine(Backbone):
        capability = "items"

        def fit(self, task: Any, folder: Any) -> Any:
            raise NotImplementedError

        def load(self, task: Any, folder: Any) -> Any:
            return catalogue_model(None)  # type: ignore[arg-type]

    assert source_of(Mine) == Path(__file__).read_text(encoding="utf-8")


def test_without_source_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = ModuleType("a_prompt")
    monkeypatch.setitem(sys.modules, "a_prompt", prompt)
    exec("class Mine:\n    def run(self): pass\n", prompt.__dict__)
    with pytest.raises(UsageError, match=r"the source code of Mine can't be read, and is part of a run's identity"):
        source_of(prompt.Mine)
