"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real Arts, Games and Instruments data: `MRBENCH_DATA`, else ./data."""
    root = Path(os.environ.get("MRBENCH_DATA") or "data")
    if not (root / "Arts").is_dir():
        pytest.skip(f"no real data at {root.absolute()}: set MRBENCH_DATA to the folder of Arts, Games, Instruments")
    return root
