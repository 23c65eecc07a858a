"""`mrbench new`: the package of a new decoder, ready to be installed, tested and changed."""

from __future__ import annotations

import keyword
import os
import re
from importlib.metadata import PackageNotFoundError, distribution
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

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$name"
version = "0.1.0"
description = "The decoder $name for mindrec-bench"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["mindrec-bench"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points."mindrec_bench.decoders"]
$name = "$module:$cls"

[tool.setuptools.packages.find]
where = ["src"]
"""

DECODER = '''\
"""`$name`: the semantic-ID (SID) slots from the last to the first."""

from dataclasses import dataclass

from mindrec_decoders.search.diffusion_search import DiffusionSearch


@dataclass(frozen=True)
class $cls(DiffusionSearch):
    """Beam search over the SID slots from the last to the first."""

    # The fields of this class are its options, --decoder $name:key=value; `normalise` and `propose` are inherited.
    # `width: int = option(2, help="what it means.")` declares one more (from mindrec_bench.plugins.options).

    pruning = "standard"

    @property
    def expansion(self):
        """The steps that fill the SID slots."""
        # Imported here, because it imports torch, which would slow down `mrbench list`.
        from mindrec_decoders.search.expansion import left_to_right

        return lambda slots: left_to_right(slots[::-1])
'''

TEST = '''\
"""The decoder meets the decoder contract."""

import pytest
from mindrec_bench.testing import check_decoder

from $module import $cls


@pytest.mark.parametrize("options", [{}, {"normalise": "slot"}, {"propose": "sample"}], ids=str)
def test_conforms(options):
    check_decoder($cls(**options))
'''

README = """\
# $name

A decoder for mindrec-bench: beam search over the semantic-ID slots from the last to the first. Change `expansion` and
`pruning` in `src/$module/__init__.py`, or write a `decode` of your own.

In this folder, in the environment where mindrec-bench is installed:

    pip install -e '.[test]'
    pytest
    mrbench run --model markov --decoder $name

`mrbench list decoders` shows the first line of its docstring. `mrbench run` prints what the package logs with
`logging.getLogger(__name__)`, from `info` on.
"""


def new_decoder(name: str, out: Path) -> Path:
    """Write the package of a working decoder into the new folder `out/name`; a failure leaves nothing behind.

    Args:
        name: of the decoder and of its package.
        out: the folder to put it in; created where it is missing.

    Returns:
        The new folder.

    Raises:
        UsageError: the name is malformed or taken, or the folder exists.
        MrbenchError: the disk is full or `out` can't be written.
    """
    _check_name(name)
    target = out / name
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already; choose another name, or another folder with --out")
    with explain_write_errors(target, option="--out"):
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}.", dir=out) as temporary:
            package = Path(temporary) / name
            for path, text in _files(name).items():
                (package / path).parent.mkdir(parents=True, exist_ok=True)
                (package / path).write_text(text, encoding="utf-8")
            package.rename(target)
    return target


def _module_name(name: str) -> str:
    return name.replace("-", "_")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' can't name a decoder and its package; use lower-case letters and digits, a letter first, with "
            "single hyphens between words, as in my-decoder, and no Python keyword"
        )
    if name in RESERVED_NAMES:
        raise UsageError(f"'{name}' is the name of a folder of the run store; choose another name")
    if name in registry.names("decoder"):
        raise UsageError(f"a decoder '{name}' is registered already (see `mrbench list decoders`); choose another name")
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


def _files(name: str) -> dict[str, str]:
    """The files of the package: path in the folder -> text."""
    module = _module_name(name)
    words = name.removesuffix("-decoder").split("-")
    cls = "".join(word.capitalize() for word in words) + "Decoder"
    templates = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"src/{module}/__init__.py": DECODER,
        "tests/test_decoder.py": TEST,
    }
    return {path: Template(text).substitute(name=name, module=module, cls=cls) for path, text in templates.items()}
