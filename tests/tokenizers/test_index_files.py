"""The files of a tokenization."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.catalogue_files import read_semantic_ids
from mindrec_bench.errors import UsageError
from mindrec_bench.io.hashing import sha256
from mindrec_bench.tokenizers.index_files import copy_data_folder, refuse_overwriting, write_index


def test_the_public_layout(shop: Path) -> None:
    codes = np.array([[11, 0, 255], [3, 7, 2]])
    write_index(shop, ["9", "10"], codes, {"method": "x"})
    index = shop / "Shop.index.json"
    assert json.loads(index.read_text()) == {"9": ["<a_11>", "<b_0>", "<c_255>"], "10": ["<a_3>", "<b_7>", "<c_2>"]}
    items, read = read_semantic_ids(index)
    assert items == ["9", "10"]
    assert (read == codes).all()
    assert json.loads((shop / "Shop.index.meta.json").read_text()) == {"method": "x", "index_sha256": sha256(index)}
    assert not list(shop.glob(".*"))


def test_codes_are_overwritten_with_force_only(shop: Path, tmp_path: Path) -> None:
    refuse_overwriting(shop, None, force=False)
    write_index(shop, ["1"], np.zeros((1, 2), dtype=int), {})
    with pytest.raises(UsageError, match=r"Shop\.index\.json holds semantic IDs already; replace them with"):
        refuse_overwriting(shop, None, force=False)
    refuse_overwriting(shop, None, force=True)
    refuse_overwriting(shop, tmp_path / "New", force=False)
    with pytest.raises(UsageError, match="exists already; name a new folder with --out"):
        refuse_overwriting(shop, shop, force=True)


def test_a_copied_folder_has_the_new_name_and_no_codes(shop: Path, tmp_path: Path) -> None:
    write_index(shop, ["1"], np.zeros((1, 2), dtype=int), {})
    (shop / "user_sequence.txt").write_text("1 2 3 4")
    (shop / "Shop.index.json.tmp").write_text("")
    (shop / ".hidden").write_text("")
    copy_data_folder(shop, tmp_path / "New")
    names = {"New.inter.json", "New.item.json", "user_sequence.txt", "New.index.json.tmp"}
    assert {path.name for path in (tmp_path / "New").iterdir()} == names
    assert (tmp_path / "New" / "New.inter.json").read_bytes() == (shop / "Shop.inter.json").read_bytes()
