"""Generate docs/api.md from the docstrings: `python docs/build_api.py`. A test checks that the page is up to date."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "api.md"

MODULES = (
    "core",
    "core.protocols",
    "core.backbone",
    "core.dataset",
    "core.code_space",
    "core.catalogue",
    "core.devices",
    "core.lifting",
    "core.constraint",
    "core.random_bits",
    "plugins.registry",
    "plugins.options",
    "errors",
    "testing",
    "testing.models",
    "testing.decoders",
    "testing.backbones",
    "metrics.accuracy",
    "metrics.diversity",
    "metrics.lists",
    "metrics.search_error",
    "stats.paired_tests",
    "stats.diversity_tests",
    "stats.comparison",
)
"""The modules of `mindrec_bench` that other packages and notebooks may import, in the order of the page."""

HEAD = """\
# API reference

Generated from the docstrings by `python docs/build_api.py`; don't edit this page. Symbols in the shapes: B users,
K beams, T slots of the canvas, S requested slots, V the largest slot vocabulary, N catalogue items, H history items.

"""

Def = ast.ClassDef | ast.FunctionDef


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    contents = "".join(f"- [`mindrec_bench.{name}`](#mindrec_bench{name.replace('.', '')})\n" for name in MODULES)
    return HEAD + contents + "".join("\n" + "\n".join(module(name)) + "\n" for name in MODULES)


def module(name: str) -> Iterator[str]:
    """The lines of one module: its docstring, then its public classes and functions, in the order of the file."""
    path = HERE.parent / "mindrec_bench" / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield f"## mindrec_bench.{name}"
    yield from prose(tree)
    if names := exports(tree):
        yield from ("", f"Exports {', '.join(f'`{name}`' for name in names)}.")
    for node in public(tree.body):
        yield from ("", f"### {node.name}", "", "```python", heading(node), "```")
        yield from prose(node)
        if isinstance(node, ast.ClassDef):
            for method in public(node.body):
                yield from ("", "```python", heading(method, of=node.name), "```")
                yield from prose(method)


def exports(tree: ast.Module) -> list[str]:
    """The names in `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def public(body: list[ast.stmt]) -> list[Def]:
    """Classes and functions with a docstring and without a leading underscore."""
    definitions = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return [node for node in definitions if not node.name.startswith("_") and ast.get_docstring(node)]


def heading(node: Def, of: str = "") -> str:
    """The signature of a class, function, method or property, without its body."""
    if isinstance(node, ast.ClassDef):
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        fields = [ast.unparse(entry) for entry in node.body if isinstance(entry, ast.AnnAssign) and is_public(entry)]
        return "\n    ".join([f"class {node.name}{bases}:" if fields else f"class {node.name}{bases}", *fields])
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    decorators = [ast.unparse(decorator).partition(".")[0] for decorator in node.decorator_list]
    if "property" in decorators or "cached_property" in decorators:
        return f"{of}.{node.name}{returns.replace(' -> ', ': ')}"
    arguments = ast.unparse(node.args)
    if of:
        arguments = re.sub(r"^(self|cls)(, )?", "", arguments)
    line = f"{of}.{node.name}({arguments}){returns}" if of else f"{node.name}({arguments}){returns}"
    return line if len(line) <= 110 else wrapped(line, arguments)


def wrapped(line: str, arguments: str) -> str:
    """A long signature, with one argument per line."""
    parts = re.split(r", (?![^\[(]*[\])])", arguments)
    return line.replace(f"({arguments})", "(\n    " + ",\n    ".join(parts) + ",\n)", 1)


def is_public(field: ast.AnnAssign) -> bool:
    """Whether a field of a class is for its users."""
    return isinstance(field.target, ast.Name) and not field.target.id.startswith("_")


def prose(node: ast.Module | Def) -> Iterator[str]:
    """A docstring as Markdown: `Args:` and similar sections become lists."""
    section = ""
    yield ""
    for line in inspect.cleandoc(ast.get_docstring(node) or "").splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields):", line):
            section = line[:-1]
            yield from (f"**{section}**", "")
        elif section and re.match(r" {4}\S", line):
            name, colon, rest = line.strip().partition(": ")
            named = colon and re.fullmatch(r"[\w, ]+", name) and section not in ("Returns", "Yields")
            in_list = section in ("Args", "Attributes", "Raises")
            yield f"- `{name}`: {rest}" if named else f"{'- ' if in_list else ''}{line.strip()}"
        elif section and line.startswith("     "):
            yield f"  {line.strip()}"
        else:
            section = section if not line else ""
            yield line


if __name__ == "__main__":
    main()
