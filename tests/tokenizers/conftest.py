"""Small datasets for the tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrec_bench.core.dataset import Dataset

NOUNS = ("violin", "guitar", "drum", "flute", "piano", "trumpet")
EXTRAS = ("case", "stand", "string", "polish", "strap", "book", "bag", "tuner")


@pytest.fixture
def make_data() -> Callable[..., Dataset]:
    """A dataset without codes: `make_data(users=12, items=15, longest=30)`."""
    return _make_data


def _make_data(users: int, items: int, longest: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, longest + 1, users)
    return Dataset(
        name="Shop",
        users=np.arange(users),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        items=rng.integers(0, items, lengths.sum()),
        item_ids=[str(item) for item in range(items)],
        sids=np.zeros((items, 0), dtype=np.int64),
        categories=None,
        fingerprint="",
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """`Shop/`: 48 items of 6 kinds with titles, 60 users who mostly choose one kind, no semantic IDs."""
    return write_shop(tmp_path / "Shop")


def write_shop(folder: Path, **changes: Any) -> Path:
    """Write the folder; `inter` and `item` replace the content of that file, and None leaves the file out."""
    rng = np.random.default_rng(0)
    items = {
        str(item): {"title": f"{noun} {extra}", "categories": f"Music,{noun.title()}s"}
        for item, (extra, noun) in enumerate(product(EXTRAS, NOUNS))
    }
    users = {}
    for user in range(60):
        kind, length = user % 6, int(rng.integers(5, 12))
        same_kind = rng.random(length) < 0.8
        users[str(user)] = [int(6 * rng.integers(8) + (kind if same else rng.integers(6))) for same in same_kind]
    contents = {"inter": users, "item": items} | changes
    folder.mkdir()
    for kind, content in contents.items():
        if content is not None:
            (folder / f"{folder.name}.{kind}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
