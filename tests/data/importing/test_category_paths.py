"""Category paths as files write them."""

from __future__ import annotations

import pytest

from mindrec_bench.data.category_tree import split_names
from mindrec_bench.data.importing.category_paths import category_strings, read_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Music > Winds", "Music > Winds"),
        ('["Music", " Arts, Crafts "]', ("Music", "Arts, Crafts")),
        ("['Music', 'Winds']", ("Music", "Winds")),
        ("[['Music', 'Winds'], ['Toys']]", ("Music", "Winds")),
        ("[]", ()),
        ("[not a list]", "[not a list]"),
        ("2nd hand", "2nd hand"),
    ],
)
def test_read_path(text: str, path: object) -> None:
    assert read_path(text) == path


@pytest.mark.parametrize("text", ["5", "-1.5", '{"a": 1}', "[1, 2]", "[['a', 1]]"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as told:
        read_path(text)
    assert str(told.value) == text


@pytest.mark.parametrize(
    ("given", "separator", "texts"),
    [
        (["R > A, B > C", "R>D"], ">", ["R,A, B,C", "R,D"]),
        (["R|A|B", "R | C"], "|", ["R,A,B", "R,C"]),
        (["R,A, B,C", "R,D"], ",", ["R,A, B,C", "R,D"]),
        ([("R", "A,B", "C ,D,"), ("R", "E")], "", ["R,A, B,C, D", "R,E"]),
        (["A > B", "C"], ">", ["All,A,B", "All,C"]),
        ([("A",), ("A",)], "", ["All,A", "All,A"]),
        ([("All", "B"), ("C",)], "", ["All items,All,B", "All items,C"]),
    ],
)
def test_one_way_of_writing(given: list[object], separator: str, texts: list[str]) -> None:
    found = category_strings(dict(zip("xy", given, strict=True)))  # type: ignore[arg-type]
    assert found.separator == separator
    assert list(found.texts.values()) == texts


def test_names_survive_the_reader_of_data_folders() -> None:
    names = ("Root", "A,B", "C,, D", ",E,", "F , G")
    found = category_strings({"x": names, "y": ("Root", "H")})
    assert split_names(found.texts["x"]) == ["Root", "A, B", "C, D", "E", "F, G"]
    assert found.renamed == {"A,B": "A, B", "C,, D": "C, D", ",E,": "E", "F , G": "F, G"}


def test_empty_paths_vanish() -> None:
    found = category_strings({"x": (), "y": " > ", "z": ("R", "", "A")})
    assert found.texts == {"z": "R,A"}
