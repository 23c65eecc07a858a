"""Users and their sequences, in both formats."""

from __future__ import annotations

import pytest

from mindrec_bench.data.folder import read_folder
from mindrec_bench.errors import DataError

TEXT = "7 1 2 3\n1 3 10 1 2\n\n12 2 1\r\n3 10 3 2 1"


@pytest.mark.parametrize("contents", [{}, {"inter": None, "text": TEXT}], ids=["json", "text"])
def test_users_are_in_integer_order_and_short_ones_skipped(write_folder, contents: dict) -> None:
    data = read_folder(write_folder(**contents))
    assert data.users.tolist() == [1, 3, 7]
    assert data.offsets.tolist() == [0, 4, 8, 11]
    # Item ids 1, 2, 3, 10 have the indices 0, 1, 2, 3.
    assert data.items.tolist() == [2, 3, 0, 1, 3, 2, 1, 0, 0, 1, 2]
    assert data.skipped == 1


def test_both_formats_give_the_same_dataset(write_folder) -> None:
    by_json = read_folder(write_folder())
    (write_folder(text=TEXT) / "Shop.inter.json").unlink()
    assert read_folder(write_folder(inter=None)).fingerprint == by_json.fingerprint


def test_json_comes_first_where_both_files_exist(write_folder) -> None:
    assert read_folder(write_folder(text="1 1 2 3\n")).n_users == 3


@pytest.mark.parametrize(
    ("limit", "users", "skipped"), [(1, [1], 0), (2, [1, 3], 0), (4, [1, 3, 7], 1), (99, [1, 3, 7], 1)]
)
def test_the_first_users_are_kept_before_short_ones_are_skipped(write_folder, limit, users, skipped) -> None:
    data = read_folder(write_folder(), users=limit)
    assert data.users.tolist() == users
    assert data.skipped == skipped


def test_a_short_user_counts_towards_the_limit(write_folder) -> None:
    data = read_folder(write_folder(inter={"0": [1], "1": [1, 2, 3], "2": [1, 2, 3]}), users=2)
    assert data.users.tolist() == [1]
    assert data.skipped == 1


def test_items_as_text_or_as_numbers(write_folder) -> None:
    assert read_folder(write_folder(inter={"0": ["10", 2, "3"]})).items.tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ({"4": [1, 2, 99]}, "user 4 in .*inter.json has the item 99, which has no semantic ID"),
        ({"4": [1, 2, 3], "5": ["01", 2, 3]}, "user 5 in .* has the item '01'"),
        ({"4": [1, 99]}, "user 4 in .* has the item 99"),
        ({"4": [1, 2, 1.0]}, "user 4 in .* has the item 1.0"),
        ({"4": [2, 2, True]}, "user 4 in .* has the item True"),
        ({"4": [2, 2, [1]]}, r"user 4 in .* has the item \[1\]"),
        ({"4": "1 2 3"}, "user '4' in .* must have a list of items"),
        ({"u4": [1, 2, 3]}, "the user id 'u4' in .*inter.json is not a whole number"),
        ({"4.0": [1, 2, 3]}, "the user id '4.0' in .* is not a whole number"),
        ({"": [1, 2, 3]}, "the user id '' in .* is not a whole number"),
        ({"4": [1, 2, 3], "04": [1, 2, 3]}, "user '4' occurs twice in .*inter.json"),
        ('{"4": [1, 2, 3], "4": [1, 2, 3]}', "the key '4' occurs twice in .*inter.json"),
        ({"4": [1, 2], "5": [1]}, "no user of the 2 in .*inter.json has 3 interactions"),
        ({}, "no user of the 0 in .*inter.json has 3 interactions"),
    ],
)
def test_broken_json_sequences(write_folder, sequences: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_folder(write_folder(inter=sequences))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 2 3\n2 1 2 77\n", "user 2 in .*user_sequence.txt has the item '77'"),
        ("1 1 2 3\n2 1 2 3\n1 2 3 1\n", "user '1' occurs twice in .*user_sequence.txt"),
        ("A1 1 2 3\n", "the user id 'A1' in .*user_sequence.txt is not a whole number"),
        ("\n", "no user of the 0 in .*user_sequence.txt has 3 interactions"),
    ],
)
def test_broken_text_sequences(write_folder, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_folder(write_folder(inter=None, text=text))
