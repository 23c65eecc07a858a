"""The settings of all HTML templates: everything is escaped, and a name that a template lacks is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def html_environment(package: str, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """The templates of a package.

    Args:
        package: the name of the package with the folder `templates`.
        finalize: changes each value before it is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # the other formats don't need it

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
