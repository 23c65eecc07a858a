"""Item order, code numbers, category files and item texts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mindrec_bench.data.catalogue_files import TEXT_FIELDS, read_texts
from mindrec_bench.data.folder import read_folder
from mindrec_bench.errors import DataError

ITEM = {
    "3": {"title": "c", "categories": "Root,A,x", "categories_source": "imputed"},
    "1": {"categories": "Root,B", "categories_source": "metadata"},
    "10": {"title": "no categories here"},
    "2": {"categories": None, "categories_source": "imputed"},
}


def test_items_are_in_integer_order(write_folder) -> None:
    data = read_folder(write_folder())
    assert data.item_ids == ["1", "2", "3", "10"]
    assert data.sids.tolist() == [[2, 0], [10, 0], [2, 7], [2, 7]]


def test_items_are_in_text_order_when_one_is_not_an_integer(write_folder) -> None:
    index = {item: ["<a_1>"] for item in ("10", "2", "B01")}
    data = read_folder(write_folder(index=index, inter={"0": ["B01", "2", 10]}))
    assert data.item_ids == ["10", "2", "B01"]
    assert data.items.tolist() == [2, 1, 0]


def test_any_prefix_letters(write_folder) -> None:
    index = {"1": ["<a_5>", "<Zz_07>"], "2": ["<q_0>", "<b_1>"]}
    assert read_folder(write_folder(index=index, inter={"0": [1, 2, 1]})).sids.tolist() == [[5, 7], [0, 1]]


@pytest.mark.parametrize("code", ["a_1", "<a1>", "<_1>", "<a_>", "<a_-1>", "<a_1> ", "<a_1.5>", "<a_1>\n", "<a_٣>"])
def test_malformed_code(write_folder, code: str) -> None:
    folder = write_folder(index={"1": ["<a_1>", "<b_1>"], "2": ["<a_1>", code]})
    with pytest.raises(DataError, match=r"of item '2' in .*Shop\.index\.json is malformed; write codes like <a_11>"):
        read_folder(folder)


@pytest.mark.parametrize("codes", [["<a_1>"], ["<a_1>", "<b_1>", "<c_1>"], []])
def test_sid_of_another_length(write_folder, codes: list[str]) -> None:
    index = {"1": ["<a_1>", "<b_1>"], "2": codes, "3": ["<a_1>", "<b_2>"]}
    with pytest.raises(DataError, match=rf"item '2' in .*index\.json has {len(codes)} codes where the others have 2"):
        read_folder(write_folder(index=index))


@pytest.mark.parametrize("codes", ["<a_1><b_1>", None, [1, 2], {"a": 1}])
def test_sid_of_another_type(write_folder, codes: object) -> None:
    with pytest.raises(DataError, match=r"item '2' in .*index\.json must have a list of codes"):
        read_folder(write_folder(index={"1": ["<a_1>", "<b_1>"], "2": codes}))


def test_empty_catalogue(write_folder) -> None:
    with pytest.raises(DataError, match=r"index\.json holds no items"):
        read_folder(write_folder(index={}))
    with pytest.raises(DataError, match="empty list of codes"):
        read_folder(write_folder(index={"1": [], "2": []}))


def test_category_strings(write_folder) -> None:
    data = read_folder(write_folder(item=ITEM), levels=2)
    # File order: A is 0 and B is 1; items 2 and 10 have no category.
    assert data.categories is not None
    assert data.categories.tolist() == [[1, 0], [2, 0], [0, 0], [2, 0]]
    assert data.without_categories == 2
    # The imputed item 2 has no category string: there is nothing imputed in it.
    assert data.category_notes == ("categories of 1 of 4 items are imputed",)


def test_three_levels_by_default(write_folder) -> None:
    data = read_folder(write_folder(item=ITEM))
    assert data.categories is not None
    assert data.categories.shape == (4, 3)


def test_no_note_without_imputed_categories(write_folder) -> None:
    folder = write_folder(item={"1": {"categories": "R,A", "categories_source": "metadata"}})
    assert read_folder(folder).category_notes == ()


@pytest.mark.parametrize(
    "item", [None, {}, {"1": {"title": "t"}}, {"1": {"categories": ""}}, {"1": {"categories": "R"}}]
)
def test_no_categories_at_all(write_folder, item: object) -> None:
    data = read_folder(write_folder(item=item))
    assert data.categories is None
    assert data.without_categories == 0


@pytest.mark.parametrize(("value", "kind"), [(["A", "B"], "list"), (3, "int"), (True, "bool"), ({"a": 1}, "dict")])
def test_categories_of_a_wrong_type(write_folder, value: object, kind: str) -> None:
    with pytest.raises(DataError, match=rf"categories of item '2' in .*item\.json must be one string .* not a {kind};"):
        read_folder(write_folder(item={"1": {}, "2": {"categories": value}}))


@pytest.mark.parametrize("fields", ["Root,A", ["Root"], None])
def test_item_that_is_not_an_object(write_folder, fields: object) -> None:
    with pytest.raises(DataError, match=r"item '1' in .*item\.json must be an object"):
        read_folder(write_folder(item={"1": fields}))


CATEGORY_CODES = {"1": ["<a:0>", "<b:3>"], "2": ["<x:4>", "<x:0>"], "3": ["<a:0>", "<b:12>"], "10": ["<a:1>", "<b:0>"]}


def test_category_codes_come_before_strings(write_folder) -> None:
    data = read_folder(write_folder(category=CATEGORY_CODES, item=ITEM))
    assert data.categories is not None
    assert data.categories.tolist() == [[0, 3], [4, 0], [0, 12], [1, 0]]
    assert data.category_notes == ()


def test_category_codes_are_cut(write_folder) -> None:
    data = read_folder(write_folder(category=CATEGORY_CODES), levels=1)
    assert data.categories is not None
    assert data.categories.tolist() == [[0], [4], [0], [1]]


@pytest.mark.parametrize(
    ("change", "levels", "message"),
    [
        ({}, 3, "gives 2 category levels, fewer than levels=3"),
        ({"2": None}, None, "item '2' in .*category.json must have a list of codes"),
        ({"2": ["<a:1>"]}, None, "item '2' in .*category.json has 1 codes where the others have 2"),
        ({"2": ["<a_1>", "<b:1>"]}, None, "the code '<a_1>' of item '2' in .*category.json is malformed"),
    ],
)
def test_broken_category_codes(write_folder, change: dict, levels: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_folder(write_folder(category=CATEGORY_CODES | change), levels=levels)


def test_missing_category_codes(write_folder) -> None:
    with pytest.raises(DataError, match=r"item '10' has no category codes in .*category\.json"):
        read_folder(write_folder(category={item: codes for item, codes in CATEGORY_CODES.items() if item != "10"}))


def write_items(folder: Path, content: object) -> Path:
    path = folder / "Toys.item.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_text_fields_come_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    kite = {"title": " Kite ", "categories": ["Toys", "Outdoor"]}
    path = write_items(tmp_path, {"7": kite, "2": {"description": ["a", "b"]}})
    texts = read_texts(path, ["2", "5", "7"])
    assert texts.title == ("", "", "Kite")
    assert texts.description == ("a, b", "", "")
    assert texts.categories == ("", "", "Toys,Outdoor")
    assert texts.brand == ("", "", "")
    assert texts.n_described == 2


def test_without_a_file_there_are_no_texts(tmp_path: Path) -> None:
    assert read_texts(tmp_path / "Toys.item.json", ["1"]) is None


def test_a_field_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"item 1 in .*Toys.item.json has the title 5"):
        read_texts(write_items(tmp_path, {"1": {"title": 5}}), ["1"])


def test_the_fingerprint_of_texts_covers_every_field(tmp_path: Path) -> None:
    path = write_items(tmp_path, {"1": {"title": "Kite", "brand": "Acme"}})
    texts = read_texts(path, ["1"])
    assert texts.fingerprint == read_texts(path, ["1"]).fingerprint
    changed = [read_texts(path, ["1", "2"]), *(replace(texts, **{field: ("other",)}) for field in TEXT_FIELDS)]
    assert len({texts.fingerprint, *(other.fingerprint for other in changed)}) == 1 + len(changed)
