"""A table of interactions and one of items, to import."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

USERS, ITEMS = 30, 24


@pytest.fixture
def sales(tmp_path: Path) -> None:
    """sales.csv, with users `user 0`, ..., and things.jsonl, about its items `i 0`, ...; shuffled."""
    rng = np.random.default_rng(0)
    rows = [
        (f"user {user}", f"i {item}", t) for user in range(USERS) for t, item in enumerate(rng.permutation(ITEMS)[:9])
    ]
    lines = [",".join(map(str, rows[row])) for row in rng.permutation(len(rows))]
    (tmp_path / "sales.csv").write_text("\n".join(["customer_id,sku,date", *lines]))
    things = [{"sku": f"i {item}", "name": f"Thing {item}", "category": [f"C{item % 3}"]} for item in range(ITEMS)]
    (tmp_path / "things.jsonl").write_text("\n".join(map(json.dumps, things)))


@pytest.fixture
def shop(call, sales: None, tmp_path: Path) -> Path:
    """The imported data folder."""
    call("data", "import", "sales.csv", "--items", "things.jsonl", "--name", "shop")
    return tmp_path / "data" / "shop"


@pytest.fixture
def tokenized_shop(shop: Path) -> Path:
    """The imported data folder, with semantic IDs as a tokenizer makes them."""
    codes = {str(item): [f"<a_{item % 5}>", f"<b_{item // 5}>"] for item in range(ITEMS)}
    (shop / "shop.index.json").write_text(json.dumps(codes))
    return shop
