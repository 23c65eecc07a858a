"""`mrbench new`: the package of a new decoder or backbone, ready to be installed, tested and changed."""

from __future__ import annotations

import keyword
import os
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from ..errors import UsageError
from ..io.atomic import explain_write_errors
from . import registry

RESERVED_NAMES = ("fit", "external")
"""What stands in place of a decoder in the paths of fitted models and of rankings made elsewhere."""

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Scaffold:
    """A package that can be written.

    Attributes:
        kind: of its plugin, as the registry names it.
        noun: the kind in words, also the end of the class's name.
        templates: path in the package -> file in `templates`; `module` stands for the module's name.
        words: what the templates say besides the names: word -> text.
    """

    kind: registry.Kind
    noun: str
    templates: dict[str, str]
    words: dict[str, str]


DECODER = Scaffold(
    "decoder",
    "decoder",
    {
        "README.md": "decoder/README.md",
        "src/module/__init__.py": "decoder/decoder.py",
        "tests/test_decoder.py": "decoder/test_decoder.py",
    },
    {},
)


def _backbone(capability: str, summary: str, decoder: str) -> Scaffold:
    """A backbone of this capability, to be tried with this decoder."""
    templates = {
        "README.md": "backbone/README.md",
        "src/module/__init__.py": "backbone/backbone.py",
        "src/module/network.py": f"backbone/{capability}_network.py",
        "src/module/training.py": "backbone/training.py",
        "tests/test_backbone.py": "backbone/test_backbone.py",
    }
    words = {"capability": capability, "summary": summary, "sentence": summary.capitalize(), "decoder": decoder}
    return Scaffold("model", "backbone", templates, words)


BACKBONES = {
    "items": _backbone("items", "a score for every item from the latest items, weighted by recency.", "rank-items"),
    "denoiser": _backbone("denoiser", "masked codes from the latest items and the revealed codes.", "dbs-dedup"),
}
"""Capability -> its example."""


def new_package(scaffold: Scaffold, name: str, out: Path) -> Path:
    """Write the package of a working plugin into the new folder `out/name`; a failure leaves nothing behind.

    Args:
        scaffold: what to write.
        name: of the plugin and of its package.
        out: the folder to put it in; created where it is missing.

    Returns:
        The new folder.

    Raises:
        UsageError: the name is malformed or taken, or the folder exists.
        MrbenchError: the disk is full or `out` can't be written.
    """
    _check_name(scaffold, name)
    target = out / name
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already; choose another name, or another folder with --out")
    with explain_write_errors(target, option="--out"):
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}.", dir=out) as temporary:
            package = Path(temporary) / name
            for path, text in _files(scaffold, name).items():
                (package / path).parent.mkdir(parents=True, exist_ok=True)
                (package / path).write_text(text, encoding="utf-8")
            package.rename(target)
    return target


def _module_name(name: str) -> str:
    return name.replace("-", "_")


def _check_name(scaffold: Scaffold, name: str) -> None:
    noun = scaffold.noun
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' can't name a {noun} and its package; use lower-case letters and digits, a letter first, with "
            f"single hyphens between words, as in my-{noun}, and no Python keyword"
        )
    if scaffold.kind == "decoder" and name in RESERVED_NAMES:
        raise UsageError(f"'{name}' is the name of a folder of the run store; choose another name")
    if name in registry.names(scaffold.kind):
        listing = f"mrbench list {scaffold.kind}s"
        raise UsageError(f"a {noun} '{name}' is registered already (see `{listing}`); choose another name")
    if _is_installed(name):
        raise UsageError(f"a Python package '{name}' is installed already, and would be replaced; choose another name")


def _is_installed(name: str) -> bool:
    """Whether a module or a distribution has this name; a folder on the path that is no package does not count."""
    spec = find_spec(_module_name(name))
    if spec is not None and spec.origin is not None:
        return True
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _files(scaffold: Scaffold, name: str) -> dict[str, str]:
    """The files of the package: path in the folder -> text."""
    module = _module_name(name)
    words = name.removesuffix(f"-{scaffold.noun}").split("-")
    cls = "".join(word.capitalize() for word in words) + scaffold.noun.capitalize()
    group = registry.GROUPS[scaffold.kind]
    values = {"name": name, "module": module, "cls": cls, "noun": scaffold.noun, "group": group, **scaffold.words}
    folder = files(__package__) / "templates"
    texts = {
        path: (folder / f"{template}.in").read_text(encoding="utf-8")
        for path, template in {"pyproject.toml": "pyproject.toml", **scaffold.templates}.items()
    }
    return {
        path.replace("src/module/", f"src/{module}/"): Template(text).substitute(values) for path, text in texts.items()
    }
