"""A small valid data folder, for tests to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INDEX = {
    "2": ["<a_10>", "<b_0>"],
    "10": ["<a_2>", "<b_7>"],
    "1": ["<a_2>", "<b_0>"],
    "3": ["<a_2>", "<b_7>"],
}
SEQUENCES = {"7": [1, 2, 3], "1": [3, 10, 1, 2], "12": [2, 1], "3": [10, 3, 2, 1]}

Write = Callable[..., Path]


@pytest.fixture
def write_folder(tmp_path: Path) -> Write:
    """Write `Shop/` with these contents (text, or anything for JSON; None leaves a file out) and return it."""

    def write(name: str = "Shop", **changes: Any) -> Path:
        contents = {"inter": SEQUENCES, "index": INDEX} | changes
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for kind, content in contents.items():
            file = folder / ("user_sequence.txt" if kind == "text" else f"{name}.{kind}.json")
            if content is not None:
                file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def data_root(write_folder: Write) -> Path:
    """A folder of data folders: Shop, Arts, one without sequences, and an interrupted import."""
    root = write_folder().parent
    for name in ("Arts", ".import-x"):
        write_folder(name)
    (root / "empty").mkdir()
    (root / "text").mkdir()
    (root / "text" / "user_sequence.txt").write_text("1 2 3 4")
    return root
