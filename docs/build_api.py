"""Write docs/api.md from the docstrings: `python docs/build_api.py`. A test holds the page and the code together."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "api.md"

MODULES = (
    "core.protocols",
    "core.dataset",
    "core.code_space",
    "core.lifting",
    "core.constraint",
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
"""What other people's packages and notebooks may import, of `mindrec_bench`; in the order of the page."""

HEAD = """\
# API reference

Written from the docstrings by `python docs/build_api.py`; don't edit it here. B users, K beams, T slots of the canvas,
S slots asked for, V the largest slot vocabulary, N catalogue items, H history items.

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
    """The lines of one module: its docstring, then what is public, in the order of the file."""
    path = HERE.parent / "mindrec_bench" / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield f"## mindrec_bench.{name}"
    yield from prose(tree)
    for node in public(tree.body):
        yield from ("", f"### {node.name}", "", "```python", heading(node), "```")
        yield from prose(node)
        if isinstance(node, ast.ClassDef):
            for method in public(node.body):
                yield from ("", "```python", heading(method, of=node.name), "```")
                yield from prose(method)


def public(body: list[ast.stmt]) -> list[Def]:
    """Classes and functions without a leading underscore that have a docstring."""
    found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return [node for node in found if not node.name.startswith("_") and ast.get_docstring(node)]


def heading(node: Def, of: str = "") -> str:
    """How a class, a function, a method or a property is used."""
    if isinstance(node, ast.ClassDef):
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign) and is_public(part)]
        return "\n    ".join([f"class {node.name}{bases}:" if fields else f"class {node.name}{bases}", *fields])
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    words = [ast.unparse(word).partition(".")[0] for word in node.decorator_list]
    if "property" in words or "cached_property" in words:
        return f"{of}.{node.name}{returns.replace(' -> ', ': ')}"
    arguments = ast.unparse(node.args)
    if of:
        arguments = re.sub(r"^(self|cls)(, )?", "", arguments)
    line = f"{of}.{node.name}({arguments}){returns}" if of else f"{node.name}({arguments}){returns}"
    return line if len(line) <= 110 else broken(line, arguments)


def broken(line: str, arguments: str) -> str:
    """A long signature, an argument a line."""
    parts = re.split(r", (?![^\[(]*[\])])", arguments)
    return line.replace(f"({arguments})", "(\n    " + ",\n    ".join(parts) + ",\n)", 1)


def is_public(field: ast.AnnAssign) -> bool:
    """Whether a field of a class is for its users."""
    return isinstance(field.target, ast.Name) and not field.target.id.startswith("_")


def prose(node: ast.Module | Def) -> Iterator[str]:
    """A docstring as Markdown: `Args:` and its like become lists."""
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
