"""The source that stands for a class: its module, or in a script and a notebook what the class is made of."""

from __future__ import annotations

import importlib
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

    assert "class Backbone" not in source_of(Mine).replace(Path(__file__).read_text(encoding="utf-8"), "")


PACKAGE = {
    "__init__.py": "",
    "decoder.py": """
from functools import wraps
SCALE = 2
def kept(function):
    @wraps(function)
    def call(self):
        return function(self)
    return call
def times(number):
    def value(self):
        return number
    return value
class Mine:
    width = 3
    triple = times(3)
    @kept
    def decode(self):
        from .deep import answer
        return answer()
def helper():
    return 1
""",
    "deep/__init__.py": "def answer():\n    return 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], ModuleType]:
    """package(): the module `decoder` of a new process that imports the package as it is now in the folder."""
    folder = tmp_path / "a_package"
    (folder / "deep").mkdir(parents=True)
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load() -> ModuleType:
        for name in [name for name in sys.modules if name.partition(".")[0] == "a_package"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module("a_package.decoder")

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "a_package"]:
        del sys.modules[name]


def test_of_a_package_it_is_every_file_wherever_the_package_is(
    package: Callable[[], ModuleType], tmp_path: Path
) -> None:
    before = source_of(package().Mine)
    assert source_of(package().Mine) == before
    (tmp_path / "a_package" / "deep" / "__init__.py").write_text("def answer():\n    return 2\n")
    assert source_of(package().Mine) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda module: setattr(module.Mine, "width", 4),
        lambda module: setattr(module.Mine, "decode", lambda self: 5),
        lambda module: setattr(module.Mine, "triple", module.times(4)),
        lambda module: setattr(module, "SCALE", 3),
        lambda module: setattr(module, "helper", lambda: 2),
    ],
    ids=["attribute", "method", "closure", "constant", "function"],
)
def test_what_is_changed_in_the_process_counts(
    package: Callable[[], ModuleType], change: Callable[[ModuleType], object]
) -> None:
    module = package()
    before = source_of(module.Mine)
    change(module)
    assert source_of(module.Mine) != before


def test_a_module_that_is_edited_and_not_loaded_again_is_neither_the_old_nor_the_new(
    package: Callable[[], ModuleType], tmp_path: Path
) -> None:
    module = package()
    before = source_of(module.Mine)
    edited = PACKAGE["decoder.py"].replace("return answer()", "return answer() + 1").replace("SCALE = 2", "SCALE = 4")
    (tmp_path / "a_package" / "decoder.py").write_text(edited)
    neither = source_of(module.Mine)
    assert len({before, neither, source_of(package().Mine)}) == 3


def test_of_a_module_that_stands_alone_it_is_what_it_imports_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alone.py").write_text("def lazily():\n    import beside_it\nclass Mine:\n    pass\n")
    (tmp_path / "beside_it.py").write_text("WORD = 'besides'\n")
    (tmp_path / "unrelated.py").write_text("WORD = 'unrelated'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = source_of(importlib.import_module("alone").Mine)
    assert "besides" in source
    assert "unrelated" not in source
    monkeypatch.delitem(sys.modules, "alone")


def test_what_another_distribution_installed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in site-packages, its dependencies beside it."""
    files = {
        "alone.py": "import of_alone\nimport big.part\nimport stray\nclass Mine:\n    pass\n",
        "of_alone/__init__.py": "import tool\n",
        "stray.py": "import tool\n",
        "tool.py": "",
        "big/__init__.py": "",
        "big/part.py": "",
        "alone-1.0.dist-info/RECORD": "alone.py,sha256=x,1\nof_alone/__init__.py,sha256=x,1\n",
        "big-1.0.dist-info/RECORD": "big/__init__.py,sha256=x,1\nbig/part.py,sha256=x,1\ntool.py,sha256=x,1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}# {name}\n")
    loaded = ModuleType("alone")  # not imported, since its folder is no place to import from
    loaded.__file__ = str(tmp_path / "alone.py")
    monkeypatch.setitem(sys.modules, "alone", loaded)
    source = source_of(type("Mine", (), {"__module__": "alone"}))
    assert [name for name in files if f"# {name}\n" in source] == ["alone.py", "of_alone/__init__.py", "stray.py"]


def test_without_source_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = ModuleType("a_prompt")
    monkeypatch.setitem(sys.modules, "a_prompt", prompt)
    exec("class Mine:\n    def run(self): pass\n", prompt.__dict__)
    with pytest.raises(UsageError, match=r"the source code of Mine can't be read, and is part of a run's identity"):
        source_of(prompt.Mine)


@pytest.mark.parametrize(
    ("files", "module", "edited"),
    [
        ({"a_space/dec.py": "from a_space.helper import order\n", "a_space/helper.py": ""}, "a_space.dec", "helper"),
        ({"a_space/dec.py": "from . import helper\n", "a_space/helper.py": ""}, "a_space.dec", "helper"),
        ({"a_space/in/dec.py": "import a_space.helper\n", "a_space/helper.py": ""}, "a_space.in.dec", "helper"),
        (
            {"a_space/in/__init__.py": "", "a_space/in/dec.py": "from ..helper import a\n", "a_space/helper.py": ""},
            "a_space.in.dec",
            "helper",
        ),
        ({"a_space.py": "from a_space_beside.impl import order\n", "a_space_beside/impl.py": ""}, "a_space", "impl"),
        (
            {
                "a_space.py": "def f():\n    from a_space_beside import impl\n",
                "a_space_beside/impl.py": "import a_space_deep\n",
                "a_space_deep.py": "",
            },
            "a_space",
            "a_space_deep",
        ),
    ],
    ids=["namespace", "relative", "nested", "package in a namespace", "folder beside", "through a folder beside"],
)
def test_what_is_imported_from_folders_without_init_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], module: str, edited: str
) -> None:
    for name, text in {**files, "a_space_other.py": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    path.write_text(f"{path.read_text()}\nclass Mine:\n    pass\n")
    loaded = ModuleType(module)  # not imported: only where its source is matters here
    loaded.__file__ = str(path)
    monkeypatch.setitem(sys.modules, module, loaded)
    mine = type("Mine", (), {"__module__": module})
    before = source_of(mine)
    (tmp_path / "a_space_other.py").write_text("unused = 1\n")
    assert source_of(mine) == before
    next(tmp_path.rglob(f"{edited}.py")).write_text("order = 'another'\n")
    assert source_of(mine) != before
