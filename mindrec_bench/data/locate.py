"""Where data folders are looked for, and where downloads go."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "MRBENCH_DATA"


def cache() -> Path:
    """The per-user folder that downloaded data sets go to."""
    return Path(platformdirs.user_cache_dir("mindrec-bench")) / "data"


def roots(data_dir: Path | None) -> list[Path]:
    """The folders that may hold a data set `<Name>/`, in the order in which they are tried.

    A folder given by hand is the only one; else $MRBENCH_DATA, ./data and the per-user cache.
    """
    if data_dir is not None:
        return [data_dir]
    chosen = os.environ.get(VARIABLE)
    return [*([Path(chosen)] if chosen else []), Path("data"), cache()]


def find(name: str, data_dir: Path | None) -> Path | None:
    """The first `<root>/<name>` that is a folder, or None."""
    return next((root / name for root in roots(data_dir) if (root / name).is_dir()), None)
