"""The code of a class that is not built in, which stands for the class in the identity of a run.

It is the source of its package, or of its module and of the modules beside it that this imports; and what the class is
made of in this process where the source does not say it: patched functions, closures, changed attributes and constants.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..errors import UsageError

MAIN = ("__main__", "__mp_main__")
"""The module of a script and of a notebook, and of a script in the worker processes that it has started."""

OURS = ("mindrec_bench", "mindrec_baselines", "mindrec_decoders")
"""Packages whose code the contract's version stands for (`store.run_spec.CONTRACT_VERSION`)."""

_CODE_ENDINGS = (".py", ".pyx", ".so", ".pyd")
_IMMUTABLE = (bool, int, float, complex, str, bytes, type(None))


def is_built_in(cls: type) -> bool:
    """Whether a class is of this project, so that the contract's version stands for its code."""
    return cls.__module__.partition(".")[0] in OURS


def source_of(cls: type) -> str:
    """The code of a class and of what it is made of, base classes included.

    Of a class in a package it is every code file of the package; of one in a module that stands alone, or in a
    namespace package, the module, and the modules and packages in the same folder that it imports by statements, but
    for those that another distribution installed there, as in site-packages. Of a script or a notebook it is the class
    (in a notebook the cell that it stands in), and the functions and classes beside it that it names, and those that
    they name. What else it imports is not part of it.

    Raises:
        UsageError: there is no source, as in an interactive Python prompt.
    """
    parts: dict[str, None] = {}
    for base in cls.__mro__:
        package = base.__module__.partition(".")[0]
        if package not in OURS and (package in MAIN or package not in sys.stdlib_module_names):
            parts |= dict.fromkeys([*_sources(base), *_state(base)])
    return "\n".join(parts)


def _sources(cls: type) -> Iterator[str]:
    module = _module_with_file(cls)
    if module is None:
        yield from _sources_beside(cls)
        return
    for path in _require(_code_files, module, cls):
        yield _require(_read_code, path, cls)


def _module_with_file(cls: type) -> ModuleType | None:
    """The module of a class where it is a file; None for a script or a notebook."""
    module = sys.modules.get(cls.__module__)
    return module if module and cls.__module__ not in MAIN and getattr(module, "__file__", None) else None


def _code_files(module: ModuleType) -> list[Path]:
    """The files of the package that a module is in, or the module; and what those import from the same folder.

    A module `a.b` in a namespace package `a` imports from the folder of `a` only names in `a`. Packages with an
    `__init__.py` are taken whole, and what they import from elsewhere is not followed, nor what another distribution
    installed into the same folder.
    """
    file = Path(module.__file__ or "")
    parts = module.__name__.split(".")
    depth = len(parts) - 1 + (file.name == "__init__.py")
    outer = file.parents[depth] if depth < len(file.parents) else file.parent
    namespace = f"{parts[0]}." if len(parts) > 1 else ""
    follows_packages = bool(namespace) and not (outer / parts[0] / "__init__.py").is_file()
    distribution = _distribution_of(file, outer)
    files: dict[Path, None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in files or _distribution_of(path, outer) not in (distribution, None):
            continue
        package = _package_folder(path)
        found = [path] if package is None else _code_below(package)
        files |= dict.fromkeys(found)
        if package is not None and not follows_packages:
            continue
        for importer in found:
            for name, level in _imported_names(importer):
                if level and level <= len(importer.parents):
                    waiting += _module_files(importer.parents[level - 1], name)
                elif f"{name}.".startswith(namespace):
                    waiting += _module_files(outer, name)
    return sorted(files)


def _distribution_of(file: Path, folder: Path) -> str | None:
    """The distribution that installed a file below a folder; None where none did."""
    if not file.is_relative_to(folder):
        return None
    line = f"\n{file.relative_to(folder).as_posix()},"
    records = _records(folder, _mtime(str(folder)))
    return next((name for name, record in records.items() if line in record), None)


@cache
def _records(folder: Path, mtime: float) -> dict[str, str]:
    """Of each distribution that is installed in a folder, the lines that list its files, each after a line break.

    Args:
        folder: as site-packages.
        mtime: when it was changed last.
    """
    paths = folder.glob("*.dist-info/RECORD")
    return {path.parent.name: f"\n{path.read_text(encoding='utf-8', errors='replace')}" for path in paths}


def _package_folder(file: Path) -> Path | None:
    """The outermost folder around a file that is a package with an `__init__.py`."""
    package = None
    for folder in file.parents:
        if not (folder / "__init__.py").is_file():
            break
        package = folder
    return package


def _code_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in _CODE_ENDINGS and path.is_file()]


def _module_files(folder: Path, name: str) -> list[Path]:
    """The file of each part of a dotted name that is a module or a package in a folder."""
    found = []
    for part in filter(None, name.split(".")):
        candidates = [folder / f"{part}.py", folder / part / "__init__.py"]
        found += [path for path in candidates if path.is_file()]
        folder = folder / part
    return found


def _imported_names(path: Path) -> set[tuple[str, int]]:
    """The dotted names that a file may import, and how many dots stand before each; none where it is not Python."""
    if path.suffix != ".py":
        return set()
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):
        return set()  # the class could not have been imported from it
    names = {(alias.name, 0) for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            start = f"{node.module}." if node.module else ""
            names |= {(f"{start}{alias.name}", node.level) for alias in node.names}
    return names


def _read_code(path: Path) -> str:
    """The text of a Python file, or the hash of another."""
    content = path.read_bytes()
    if path.suffix == ".py":
        return content.decode("utf-8", errors="surrogateescape")
    return f"{path.name}: {hashlib.sha256(content).hexdigest()}"


def _sources_beside(cls: type) -> Iterator[str]:
    """A class of a script or a notebook, and what it names beside it."""
    waiting: list[Any] = [cls]
    known = set()
    while waiting:
        member = waiting.pop()
        if id(member) in known:
            continue
        known.add(id(member))
        yield _require(_source_of_member, member, cls)
        for function in _functions(member):
            named = [function.__globals__.get(name) for name in sorted(_names(function.__code__))]
            waiting += [
                value
                for value in named
                if isinstance(value, type | FunctionType) and value.__module__ == cls.__module__
            ]


def _state(cls: type) -> Iterator[str]:
    """What the source does not say: values of attributes, closures and constants, and functions of other source."""
    module = _module_with_file(cls)
    codes = None if module is None else _compiled_codes(str(module.__file__), _mtime(str(module.__file__)))
    members: list[tuple[str, Any]] = [(f"{cls.__qualname__}.{name}", value) for name, value in _sorted(vars(cls))]
    for name, value in members:
        if _is_plain(value) and not name.rpartition(".")[2].startswith("__"):
            yield f"{name} = {value!r}"
    if module is not None:
        constants = {name: value for name, value in vars(module).items() if name.isupper() and _is_plain(value)}
        yield from (f"{name} = {value!r}" for name, value in _sorted(constants))
        defined = {code.co_name for code in codes or ()}
        members += [
            (name, value)
            for name, value in _sorted(vars(module))
            if (isinstance(value, FunctionType) and name in defined)
            or (value is not cls and getattr(value, "__module__", "") == module.__name__)
        ]
    for name, value in members:
        for function in _functions(value):
            yield from _function_state(f"{name}: {function.__qualname__}", function, codes)


def _sorted(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(values.items(), key=lambda entry: entry[0])


def _mtime(file: str) -> float:
    try:
        return Path(file).stat().st_mtime
    except OSError:
        return 0.0


def _function_state(name: str, function: FunctionType, codes: frozenset[CodeType] | None) -> Iterator[str]:
    """The closure of a function, and its code where it is not that of the module's source.

    Args:
        name: stands before what is said.
        function: of a class or a module.
        codes: what the module's source defines; None where there is none.
    """
    if function.__code__.co_filename.startswith("<") and codes is not None:
        return  # what `dataclass` has written
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if _is_plain(value):
            yield f"{name} {variable} = {value!r}"
        elif isinstance(value, FunctionType):
            yield f"{name} {variable} = {_digest(value.__code__)}"
    if codes is not None and function.__code__ not in codes:
        yield f"{name} is {_digest(function.__code__)}"


@cache
def _compiled_codes(file: str, mtime: float) -> frozenset[CodeType]:
    """The code of all functions that a file defines.

    Args:
        file: its path.
        mtime: when it was changed last.
    """
    try:
        waiting = [compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)]
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    codes = set()
    while waiting:
        code = waiting.pop()
        codes.add(code)
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(codes)


def _digest(code: CodeType) -> str:
    """A hash of what code does, wherever it stands."""
    constants = [_digest(value) if isinstance(value, CodeType) else repr(value) for value in code.co_consts]
    parts = (code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants)
    return hashlib.sha256(repr(parts).encode("utf-8", errors="surrogateescape")).hexdigest()[:16]


def _is_plain(value: Any) -> bool:
    """Whether a value can't change and says all in its `repr`."""
    return isinstance(value, _IMMUTABLE) or (isinstance(value, tuple) and all(map(_is_plain, value)))


def _require(read: Any, subject: Any, cls: type) -> Any:
    try:
        return read(subject)
    except (OSError, TypeError) as error:
        raise UsageError(
            f"the source code of {cls.__qualname__} can't be read, and is part of a run's identity; define it in a "
            "file or a notebook"
        ) from error


def _source_of_member(member: Any) -> str:
    """The source of a class or a function; in a notebook, the cell that a class stands in."""
    try:
        return inspect.getsource(member)
    except (OSError, TypeError):
        for function in _functions(member):  # a class of a notebook has no file, but its functions know their cell
            if lines := linecache.getlines(function.__code__.co_filename):
                return "".join(lines)
        raise


def _functions(member: Any) -> list[FunctionType]:
    """A function, or those that stand in a class."""
    values = vars(member).values() if isinstance(member, type) else [member]
    unwrapped = []
    for value in values:
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if callable(value):
            value = inspect.unwrap(value)
        if isinstance(value, FunctionType):
            unwrapped.append(value)
    return unwrapped


def _names(code: CodeType) -> set[str]:
    """The names that code uses, with those of the functions inside it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
