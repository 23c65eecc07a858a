"""Import every module of the installed packages, and fail where one is missing or broken.

Not a test by itself: tox's `wheel` environment runs it outside the checkout, where only what was installed is found.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.resources import files
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = {
    "mindrec_bench": CHECKOUT / "mindrec_bench",
    "mindrec_decoders": CHECKOUT / "decoders",
    "mindrec_baselines": CHECKOUT / "baselines",
}
"""Installed package -> its folder in the checkout, which says what must be there."""

TABLES = CHECKOUT / "tables"

EXTRAS = {"recbole"}
"""Packages that come with an extra only; our modules that import them may lack them."""


def expected(package: str, folder: Path) -> set[str]:
    """The modules that the folder's files stand for."""
    parts = [path.relative_to(folder).with_suffix("").parts for path in folder.rglob("*.py")]
    return {".".join((package, *(part for part in names if part != "__init__"))) for names in parts}


def main() -> str | int:
    """Import everything; the message of the first thing that is wrong, or 0."""
    count = 0
    for package, folder in SOURCES.items():
        imported = importlib.import_module(package)
        if Path(imported.__path__[0]).is_relative_to(CHECKOUT):
            return f"{package} comes from the checkout, not from an installation"
        found = {package} | {module.name for module in pkgutil.walk_packages(imported.__path__, f"{package}.")}
        if missing := expected(package, folder) - found:
            return f"not installed: {', '.join(sorted(missing))}"
        for name in sorted(found):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                if str(error.name).partition(".")[0] not in EXTRAS:
                    raise
                print(f"{name} needs the extra '{error.name}'")
        count += len(found)
    tables = {path.name for path in TABLES.glob("*.toml")}
    if missing := tables - {path.name for path in files("mindrec_tables").iterdir()}:
        return f"tables not installed: {', '.join(sorted(missing))}"
    print(f"{count} modules and {len(tables)} tables are there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
