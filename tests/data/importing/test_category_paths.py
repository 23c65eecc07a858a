"""Category paths in the forms that files have."""

from __future__ import annotations

from itertools import pairwise

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


GENRES = ["Comedy|Drama", "Drama|Comedy", "Action|Comedy|Drama", "Drama", "Action|Thriller", "Thriller|Action"]


def test_sets_become_a_tree_of_two_levels() -> None:
    """By how many items have a name, whatever its place; no name gets a category of its own for each combination."""
    strings = format_paths(dict(enumerate(GENRES)))  # type: ignore[arg-type]
    assert (strings.layout, strings.guessed, strings.separator) == ("set", True, "|")
    assert list(strings.texts.values()) == [
        *("All,Drama,Drama + Comedy",) * 2,
        "All,Drama,Drama + Action",
        "All,Drama",
        *("All,Action,Action + Thriller",) * 2,
    ]
    parents: dict[str, set[str]] = {}
    for text in strings.texts.values():
        for parent, name in pairwise(split_names(text)):
            parents.setdefault(name, set()).add(parent)
    assert all(len(names) == 1 for names in parents.values())


def test_the_layout_and_the_separator_can_be_said() -> None:
    paths = {"x": "A/B, C/D", "y": "B/A"}
    assert format_paths(paths, "path", "/").texts == {"x": "All,A,B, C,D", "y": "All,B,A"}
    assert format_paths(paths, "set", "/").layout == "set"
    assert format_paths({"x": "A, B", "y": "B"}, "set", ",").texts == {"x": "All,B,B + A", "y": "All,B"}
    assert format_paths({"x": "A > B", "y": "B > A"}).layout == "path", "'>' is written for paths only"
