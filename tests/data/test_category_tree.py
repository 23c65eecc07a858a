"""Every rule of the category tree, on small examples."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data.category_tree import build_tree, category_codes, split_names
from mindrec_bench.data.folder import read_folder


def codes_of(texts: list[str], levels: int) -> list[list[int]]:
    items = [str(i) for i in range(len(texts))]
    return category_codes(dict(zip(items, texts, strict=True)), items, levels)[0].tolist()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(
            "Arts, Crafts & Sewing,Sewing,Thread", ["Arts, Crafts & Sewing", "Sewing", "Thread"], id="comma-space"
        ),
        pytest.param("Root,Yarn ,Wool", ["Root", "Yarn ,Wool"], id="space-before"),
        pytest.param("Root,A\t,B,\nC", ["Root", "A\t,B,\nC"], id="any-white-space"),
        pytest.param(" Root,A ", ["Root", "A"], id="strip"),
        pytest.param("Root,,A,", ["Root", "A"], id="empty-names"),
        pytest.param("Root,A,B,A,Root,C", ["Root", "A", "B", "C"], id="repeats-keep-the-first"),
        pytest.param("Root,a,A", ["Root", "a", "A"], id="case-matters"),
        pytest.param("Root,A & B,A &amp; B", ["Root", "A & B", "A &amp; B"], id="entities-are-other-names"),
        pytest.param("", [], id="empty"),
        pytest.param(" , ", [","], id="a-single-comma-is-a-name"),
    ],
)
def test_splitting(text: str, names: list[str]) -> None:
    assert split_names(text) == names


def test_ids_count_siblings_from_zero_in_file_order() -> None:
    tree = build_tree([["R", "A", "x"], ["R", "B", "y"], ["R", "A", "z"], ["R", "C"]])
    assert tree == {"R": (), "A": (0,), "x": (0, 0), "B": (1,), "y": (1, 0), "z": (0, 1), "C": (2,)}


def test_children_of_all_roots_are_numbered_together() -> None:
    tree = build_tree([["R", "A"], ["Other", "B"], ["R", "C"]])
    assert (tree["A"], tree["B"], tree["C"]) == ((0,), (1,), (2,))


def test_a_name_is_one_node_under_its_first_parent() -> None:
    tree = build_tree([["R", "A", "x"], ["R", "B", "x", "deep"]])
    assert tree["x"] == (0, 0)
    assert tree["deep"] == (0, 0, 0)
    assert tree["B"] == (1,)


def test_a_first_name_known_inside_a_path_stays_a_parent() -> None:
    tree = build_tree([["R", "A", "x"], ["A", "y"]])
    assert tree["y"] == (0, 1)


def test_a_root_inside_a_later_path_stays_a_root() -> None:
    tree = build_tree([["R", "A"], ["S", "R", "B"]])
    assert tree["R"] == ()
    assert tree["B"] == (1,)


def test_the_first_name_is_dropped_whatever_it_is() -> None:
    # The second item names only A, which is dropped as its root: it has no category left.
    codes, missing = category_codes({"0": "R,A,x", "1": "A"}, ["0", "1"], 2)
    assert codes.tolist() == [[0, 0], [1, 0]]
    assert missing == 1


def test_the_first_node_with_exactly_l_codes_is_taken() -> None:
    # C is known on level 1; the nodes of the path R,A,x,C,y are (0), (0,0), (1), (1,0).
    assert codes_of(["R,A,x", "R,C,y", "R,A,x,C,y"], 2)[2] == [0, 0]
    # Without x on level 2 the first of length 2 is y's.
    assert codes_of(["R,A", "R,C,y", "R,A,C,y"], 2)[2] == [1, 0]


def test_a_deeper_node_is_not_preferred_to_an_exact_one() -> None:
    # deep is (0, 0, 0) and q is (1, 0): q has exactly 2 codes and is taken, although deep stands before it.
    assert codes_of(["R,A,x,deep", "R,B,q", "R,deep,q"], 2)[2] == [1, 0]


def test_without_an_exact_node_the_deepest_is_cut() -> None:
    # deep (0, 0, 0) is the only name, longer than 2.
    assert codes_of(["R,A,x,deep", "R,deep"], 2)[1] == [0, 0]
    # Of A (1 code) and x (2 codes), with L = 3, the longest is padded.
    assert codes_of(["R,A,x"], 3)[0] == [0, 0, 0]


def test_of_two_deepest_nodes_the_first_is_taken() -> None:
    assert codes_of(["R,A", "R,B,y,z", "R,A,B"], 4)[2][:1] == [0]


def test_placeholders_are_one_past_the_last_real_child() -> None:
    codes = codes_of(["R,A,x", "R,A,y", "R,A", "R,B", ""], 3)
    assert codes == [[0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 0, 0], [2, 0, 0]]


def test_children_that_come_later_in_the_file_count_for_placeholders() -> None:
    assert codes_of(["R,A", "R,A,x", "R,A,y"], 2)[0] == [0, 2]


def test_items_below_one_parent_share_its_placeholder() -> None:
    codes = codes_of(["R,A,x", "R,A", "S,A"], 2)
    assert codes[1] == codes[2] == [0, 1]


def test_items_without_categories_are_counted_and_get_placeholders() -> None:
    codes, missing = category_codes({"a": "R,A", "b": "", "c": " "}, ["c", "absent", "a", "b"], 2)
    assert codes.tolist() == [[1, 0], [1, 0], [0, 0], [1, 0]]
    assert missing == 3


def test_the_order_of_the_file_decides_and_not_that_of_the_catalogue() -> None:
    codes, _ = category_codes({"9": "R,A", "1": "R,B"}, ["1", "9"], 1)
    assert codes.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("name", "prefixes", "slots", "missing"),
    [
        pytest.param("Arts", [12, 108, 309], [12, 16, 15], 1_007, marks=pytest.mark.slow),
        ("Instruments", [16, 73, 245], [16, 14, 17], 279),
    ],
)
def test_real_category_counts(real_data, name: str, prefixes: list[int], slots: list[int], missing: int) -> None:
    # The counts are those of the released files; items without categories have empty strings there.
    data = read_folder(real_data / name, users=5_000, levels=3)
    assert data.categories is not None
    assert [len(np.unique(data.categories[:, :k], axis=0)) for k in (1, 2, 3)] == prefixes
    assert [len(np.unique(column)) for column in data.categories.T] == slots
    assert data.without_categories == missing
