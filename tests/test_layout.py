"""The shape of the tree, read from its imports: data flows one way, names are files, and tests mirror modules."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mindrec_bench import registry

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"mindrec_bench": "mindrec_bench", "mindrec_decoders": "decoders", "mindrec_baselines": "baselines"}
"""Import package -> its folder."""

PLUGINS = ("mindrec_decoders", "mindrec_baselines")

OPEN_TO_PLUGINS = {
    f"mindrec_bench.{name}"
    for name in (
        "adapters",
        "clock",
        "codes",
        "constraint",
        "contracts",
        "data.dataset",
        "data.texts",
        "errors",
        "options",
        "testing",
    )
}
"""What decoders and baselines may import of the core: what a package of others may rely on."""

WITHOUT_A_MODULE = {
    "tests/test_layout.py": "is about the whole tree",
    "tests/test_journey.py": "is about own data, from its import to a table",
    "tests/test_contributing.py": "is about CONTRIBUTING.md",
    "tests/test_docs.py": "is about docs/",
    "tests/test_examples.py": "is about examples/",
    "tests/test_calibration.py": "checks `significance` over many drawn experiments",
    "tests/test_published_llm.py": "runs `benchmarks/published_llm.py`",
    "tests/test_plain.py": "checks `benchmarks/plain.py`",
    "tests/test_pairs.py": "is about every registered backbone with every registered decoder",
    "tests/decoders/test_presets.py": "is about every registered decoder",
    "tests/report/test_render.py": "draws the same tables in every format",
    "tests/baselines/test_items_real.py": "checks `markov` and `pop` on real data",
}
"""Test files that mirror no module -> why."""


@dataclass(frozen=True)
class Import:
    """One import of a module of ours.

    Attributes:
        module: where it stands.
        target: what it imports.
        at_once: it runs when the module is imported, and not in a function or for types only.
    """

    module: str
    target: str
    at_once: bool


def name_of(package: str, folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).parts
    return ".".join((package, *(part.removesuffix(".py") for part in parts if part != "__init__.py")))


FILES = {
    name_of(package, ROOT / folder, path): path
    for package, folder in FOLDERS.items()
    for path in sorted((ROOT / folder).rglob("*.py"))
}
"""Module -> its file."""


def statements(node: ast.AST, at_once: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below a node, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_once
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from statements(ast.Module(child.body, []), False)
            yield from statements(ast.Module(child.orelse, []), at_once)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(child, at_once and not inside)


def targets(module: str, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The full names that a statement imports: `from a import b` is `a.b` where that is a module, else `a`."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    base = statement.module or ""
    if statement.level:
        package = module.split(".") if FILES[module].name == "__init__.py" else module.split(".")[:-1]
        parts = package[: len(package) - statement.level + 1]
        base = ".".join([*parts, base] if base else parts)
    for alias in statement.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in FILES else base


IMPORTS = [
    Import(module, target, at_once)
    for module, path in FILES.items()
    for statement, at_once in statements(ast.parse(path.read_text(encoding="utf-8")))
    for target in targets(module, statement)
    if target.partition(".")[0] in FOLDERS
]


def package_of(module: str) -> str:
    return module.partition(".")[0]


def test_the_tree_is_read():
    some = {"mindrec_bench.cli", "mindrec_bench.data", "mindrec_bench.data.dataset", "mindrec_decoders.bs"}
    assert some | {"mindrec_baselines.pop"} <= set(FILES)
    seen = set(IMPORTS)
    assert Import("mindrec_bench.cli", "mindrec_bench.errors", True) in seen
    assert Import("mindrec_bench.cli", "mindrec_bench.runner", False) in seen
    assert Import("mindrec_bench.contracts", "mindrec_bench.data.dataset", False) in seen
    assert Import("mindrec_bench.data.dataset", "mindrec_bench.codes", True) in seen
    assert Import("mindrec_decoders.bs", "mindrec_bench.contracts", True) in seen
    assert Import("mindrec_bench.data.known", "mindrec_bench.data.locate", True) in seen


def test_every_import_of_ours_exists():
    assert [found for found in IMPORTS if found.target not in FILES] == []


def test_the_core_never_names_a_decoder_or_a_baseline():
    core = [found for found in IMPORTS if package_of(found.module) == "mindrec_bench"]
    assert len(core) > 50
    assert [found for found in core if package_of(found.target) != "mindrec_bench"] == []


@pytest.mark.parametrize("package", PLUGINS)
def test_decoders_and_baselines_see_the_open_part_of_the_core_and_themselves(package):
    found = [found for found in IMPORTS if package_of(found.module) == package]
    assert len(found) > 10
    outside = [found for found in found if package_of(found.target) != package]
    assert [found for found in outside if found.target not in OPEN_TO_PLUGINS] == []


def test_no_module_imports_itself_in_a_circle():
    edges: dict[str, set[str]] = {module: set() for module in FILES}
    for found in IMPORTS:
        if found.at_once and found.target != found.module:
            edges[found.module].add(found.target)
    done: set[str] = set()
    while ready := {module for module in edges if module not in done and edges[module] <= done}:
        done |= ready
    circle = {module: sorted(edges[module] - done) for module in edges if module not in done}
    assert circle == {}


@pytest.mark.parametrize("kind", ["model", "decoder"])
def test_a_registered_name_is_the_name_of_its_file(kind):
    points = {name: point for name, point in registry._points(kind).items() if package_of(point.module) in PLUGINS}
    assert len(points) >= 4
    for name, point in points.items():
        assert point.module.partition(".")[2] == re.sub("[-.]", "_", name)
        assert point.module in FILES


def module_of(test: Path) -> Path:
    """The file that a test file is about; a folder `cli/` holds the tests of `cli.py`."""
    folder = test.relative_to(ROOT / "tests").parent
    top = ROOT / folder if folder.parts[:1] in (("decoders",), ("baselines",)) else ROOT / "mindrec_bench" / folder
    whole = top.with_suffix(".py")
    return whole if whole.exists() else top / test.name.removeprefix("test_")


def test_every_test_file_mirrors_a_module():
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    assert len(tests) > 30
    alone = {test.relative_to(ROOT).as_posix() for test in tests if not module_of(test).exists()}
    assert alone == set(WITHOUT_A_MODULE)


def test_packages_are_installed_as_they_are_here():
    with (ROOT / "pyproject.toml").open("rb") as file:
        tool = tomllib.load(file)["tool"]["setuptools"]
    assert {package: tool["package-dir"][package] for package in FOLDERS} == FOLDERS
    here = {
        name_of(package, ROOT / folder, path.parent)
        for package, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(tool["packages"]) == here | {"mindrec_tables"}
