"""Category paths in the forms that files have."""

from __future__ import annotations

import pytest

from mindrec_bench.data.category_tree import split_names
from mindrec_bench.data.importing.category_paths import format_paths, parse_path


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
def test_parse_path(text: str, path: object) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["5", "-1.5", '{"a": 1}', "[1, 2]", "[['a', 1]]"])
def test_what_is_not_a_path(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_path(text)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("paths", "separator", "texts"),
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
def test_formatting(paths: list[object], separator: str, texts: list[str]) -> None:
    strings = format_paths(dict(zip("xy", paths, strict=True)))  # type: ignore[arg-type]
    assert strings.separator == separator
    assert list(strings.texts.values()) == texts


def test_names_are_the_same_when_a_data_folder_is_read() -> None:
    names = ("Root", "A,B", "C,, D", ",E,", "F , G")
    strings = format_paths({"x": names, "y": ("Root", "H")})
    assert split_names(strings.texts["x"]) == ["Root", "A, B", "C, D", "E", "F, G"]
    assert strings.renamed == {"A,B": "A, B", "C,, D": "C, D", ",E,": "E", "F , G": "F, G"}


def test_empty_paths_are_left_out() -> None:
    strings = format_paths({"x": (), "y": " > ", "z": ("R", "", "A")})
    assert strings.texts == {"z": "R,A"}
