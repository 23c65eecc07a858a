"""Item texts: what the files say, field by field, in the catalogue's order."""

import json
from dataclasses import replace

import pytest

from mindrec_bench.data.item_texts import FIELDS, read_texts
from mindrec_bench.errors import DataError


def write(folder, content):
    path = folder / "Toys.item.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_fields_come_in_the_order_of_the_catalogue(tmp_path):
    kite = {"title": " Kite ", "categories": ["Toys", "Outdoor"]}
    path = write(tmp_path, {"7": kite, "2": {"description": ["a", "b"]}})
    texts = read_texts(path, ["2", "5", "7"])
    assert texts.title == ("", "", "Kite")
    assert texts.description == ("a, b", "", "")
    assert texts.categories == ("", "", "Toys,Outdoor")
    assert texts.brand == ("", "", "")
    assert texts.named == 2


def test_no_file_no_texts(tmp_path):
    assert read_texts(tmp_path / "Toys.item.json", ["1"]) is None


def test_a_field_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"item 1 in .*Toys.item.json has the title 5"):
        read_texts(write(tmp_path, {"1": {"title": 5}}), ["1"])


def test_the_fingerprint_is_of_all_that_is_written(tmp_path):
    path = write(tmp_path, {"1": {"title": "Kite", "brand": "Acme"}})
    texts = read_texts(path, ["1"])
    assert texts.fingerprint == read_texts(path, ["1"]).fingerprint
    others = [read_texts(path, ["1", "2"]), *(replace(texts, **{field: ("other",)}) for field in FIELDS)]
    assert len({texts.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)
