"""The shape of the tree, read from its imports: data flows one way, names are files, and tests mirror modules."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from mindrec_bench.plugins import registry

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("*",)
"""The top level of a package: one file per registered name."""

FOLDERS = {"mindrec_bench": "mindrec_bench", "mindrec_decoders": "decoders", "mindrec_baselines": "baselines"}
"""Import package -> its folder."""

PLUGINS = ("mindrec_decoders", "mindrec_baselines")

LINES: dict[str, tuple[tuple[str, ...], ...]] = {
    "mindrec_bench": (
        ("errors",),
        ("io",),
        ("core",),
        ("plugins", "metrics", "stats", "distributed"),
        ("data", "store"),
        ("experiment",),
        ("report",),
        ("interchange", "tokenizers", "sweep", "bench", "data_audit", "testing"),
        ("cli", "api"),
        ("__main__",),
    ),
    "mindrec_decoders": (("search",), NAMES),
    "mindrec_baselines": (
        ("common",),
        ("training",),
        ("checkpoints", "code_lm"),
        ("t5", "item_transformer"),
        ("llm", "textual_ids", "recbole_backend"),
        NAMES,
    ),
}
"""Import package -> its packages, lowest line first: a package imports those of lower lines, and itself."""

OPEN_TO_PLUGINS = ("core", "io", "plugins.options", "errors", "testing")
"""What decoders and baselines may import of `mindrec_bench`: what a package of others may rely on."""

WITHOUT_A_MODULE = {
    "tests/test_layout.py": "is about the whole tree",
    "tests/test_journey.py": "is about own data, from its import to a table",
    "tests/test_contributing.py": "is about CONTRIBUTING.md",
    "tests/test_docs.py": "is about docs/",
    "tests/test_examples.py": "is about examples/",
    "tests/stats/test_calibration.py": "checks the tests of significance over many drawn experiments",
    "tests/test_published_llm.py": "runs `benchmarks/published_llm.py`",
    "tests/test_plain_beam_search.py": "checks `benchmarks/plain_beam_search.py`",
    "tests/test_pairs.py": "is about every registered backbone with every registered decoder",
    "tests/decoders/test_presets.py": "is about every registered decoder",
    "tests/baselines/common/test_untrained_real.py": "checks `markov` and `pop` on real data",
    "tests/store/test_contract.py": "is about the defaults of everything that is built in",
    "tests/experiment/test_whole_runs.py": "is about whole runs",
    "tests/experiment/test_processes.py": "is about runs by several processes",
    "tests/experiment/test_reuse.py": "is about runs that are stored already",
    "tests/experiment/test_user_data.py": "is about runs on the user's data folder",
    "tests/data/importing/test_right_values.py": "is about files as people have them",
    "tests/data/importing/test_round_trips.py": "is about files that other libraries write",
    "tests/cli/test_errors.py": "is about the errors of all commands",
    "tests/cli/test_hostile_output.py": "is about the output of all commands",
    "tests/cli/test_stopped.py": "is about commands that are stopped",
    "tests/store/test_unreadable.py": "is about every reader of a run store",
    "tests/faults/test_kills.py": "kills commands at every change of a file",
    "tests/faults/test_two_users.py": "is about two users of one run store",
    "tests/faults/test_fuzz.py": "feeds malformed inputs to commands",
    "tests/faults/test_damage.py": "damages every kind of stored file before every command that reads it",
    "tests/test_gpu.py": "is about all that a GPU computes",
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


@cache
def imports() -> list[Import]:
    """All imports of ours."""
    return [
        Import(module, target, at_once)
        for module, path in FILES.items()
        for statement, at_once in statements(ast.parse(path.read_text(encoding="utf-8")))
        for target in targets(module, statement)
        if target.partition(".")[0] in FOLDERS
    ]


def package_of(module: str) -> str:
    return module.partition(".")[0]


def test_the_tree_is_read():
    some = {"mindrec_bench.cli.main", "mindrec_bench.data", "mindrec_bench.core.dataset", "mindrec_decoders.bs"}
    assert some | {"mindrec_baselines.pop"} <= set(FILES)
    seen = set(imports())
    assert Import("mindrec_bench.cli.main", "mindrec_bench.errors", True) in seen
    assert Import("mindrec_bench.cli.run", "mindrec_bench.experiment.run", False) in seen
    assert Import("mindrec_bench.core.dataset", "mindrec_bench.core.code_space", True) in seen
    assert Import("mindrec_decoders.bs", "mindrec_decoders.search.diffusion_search", True) in seen
    assert Import("mindrec_bench.data.sources", "mindrec_bench.data.locate", True) in seen


def test_every_import_of_ours_exists():
    assert [found for found in imports() if found.target not in FILES] == []


def line_of(module: str) -> tuple[int, str]:
    """The line of a module in `LINES`, and the package on it."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    for number, line in enumerate(LINES[package]):
        if first in line or (line is NAMES and "." not in rest):
            return number, first if line is not NAMES else "*"
    raise AssertionError(f"{module} stands on no line")


@pytest.mark.parametrize("package", LINES)
def test_imports_go_down_the_lines(package):
    """Those of functions and for types only included."""
    inside = [found for found in imports() if package_of(found.module) == package == package_of(found.target)]
    inside = [found for found in inside if package not in (found.module, found.target)]
    assert len(inside) > 10
    wrong = []
    for found in inside:
        (line, name), (target_line, target_name) = line_of(found.module), line_of(found.target)
        if target_line > line or (target_line == line and name != target_name):
            wrong.append(f"{found.module} -> {found.target}")
    assert wrong == []


def test_the_core_never_names_a_decoder_or_a_baseline():
    core = [found for found in imports() if package_of(found.module) == "mindrec_bench"]
    assert len(core) > 50
    assert [found for found in core if package_of(found.target) != "mindrec_bench"] == []


@pytest.mark.parametrize("package", PLUGINS)
def test_decoders_and_baselines_import_what_is_open_to_plugins_and_themselves(package):
    found = [found for found in imports() if package_of(found.module) == package]
    assert len(found) > 10
    allowed = tuple(f"mindrec_bench.{name}" for name in OPEN_TO_PLUGINS)
    outside = {found.target for found in found if package_of(found.target) != package}
    assert [target for target in sorted(outside) if not f"{target}.".startswith(tuple(f"{a}." for a in allowed))] == []


def test_no_module_imports_itself_in_a_circle():
    """Imports of functions and for types only included."""
    edges: dict[str, set[str]] = {module: set() for module in FILES}
    for found in imports():
        if found.target != found.module:
            edges[found.module].add(found.target)
    done: set[str] = set()
    while ready := {module for module in edges if module not in done and edges[module] <= done}:
        done |= ready
    circle = {module: sorted(edges[module] - done) for module in edges if module not in done}
    assert circle == {}


@pytest.mark.parametrize("kind", ["model", "decoder"])
def test_a_registered_name_is_the_name_of_its_file(kind):
    modules = {entry.name: entry.origin.partition(":")[0] for entry in registry.list_entries(kind)}
    modules = {name: module for name, module in modules.items() if package_of(module) in PLUGINS}
    assert len(modules) >= 4
    for name, module in modules.items():
        assert module.partition(".")[2] == re.sub("[-.]", "_", name)
        assert module in FILES


def module_of(test: Path) -> Path:
    """The file that a test file is about; a folder `idgenrec/` holds the tests of `idgenrec.py`."""
    folder = test.relative_to(ROOT / "tests").parent
    top = ROOT / folder if folder.parts[:1] in (("decoders",), ("baselines",)) else ROOT / "mindrec_bench" / folder
    whole = top.with_suffix(".py")
    if whole.exists():
        return whole
    module = top / test.name.removeprefix("test_")
    return module if module.exists() else module.with_suffix("")


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
