"""A whole folder: missing files, the fingerprint, and how long real data takes to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.data.folder import read_folder, read_untokenized
from mindrec_bench.errors import DataError


def test_name_is_that_of_the_folder(write_folder, monkeypatch) -> None:
    folder = write_folder()
    monkeypatch.chdir(folder)
    assert read_folder(Path(".")).name == "Shop"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"inter": None}, r"has neither Shop\.inter\.json nor user_sequence\.txt"),
        ({"inter": '{"1": [1,\n 2, 3}'}, r"Shop\.inter\.json is not valid JSON at line 2"),
        ({"index": '{"1": ["<a_1>"]\n\n"2"}'}, r"Shop\.index\.json is not valid JSON at line 3"),
        ({"item": "{"}, r"Shop\.item\.json is not valid JSON at line 1"),
    ],
)
def test_missing_and_broken_files(write_folder, contents: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_folder(write_folder(**contents))
    assert caught.value.exit_code == 3


def test_data_without_semantic_ids_have_an_item_as_its_own_code(write_folder) -> None:
    data = read_folder(write_folder(index=None, item={"2": {"categories": "R,A"}, "77": {}}))
    assert not data.has_sids
    assert data.item_ids == ["1", "2", "3", "10", "77"]
    assert data.sids.tolist() == [[1], [2], [3], [10], [77]]
    assert data.categories is None
    assert (data.n_users, data.file_counts) == (3, (4, 5, 13))
    with_sids = read_folder(write_folder())
    assert with_sids.has_sids
    assert with_sids.fingerprint != data.fingerprint


def test_ids_that_are_no_numbers_are_numbered(write_folder) -> None:
    data = read_folder(write_folder(index=None, inter={"1": ["b", "a", "07"]}))
    assert (data.item_ids, data.sids.tolist()) == (["07", "a", "b"], [[0], [1], [2]])
    data = read_folder(write_folder("Twice", index=None, inter={"1": ["7", "07", "8"]}))
    assert (data.item_ids, data.sids.tolist()) == (["07", "7", "8"], [[0], [1], [2]])


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*absent"):
        read_folder(tmp_path / "absent")


SEQUENCE = st.lists(st.integers(0, 19), min_size=3, max_size=15)


@given(data=st.data(), sequences=st.lists(SEQUENCE, min_size=1, max_size=8))
def test_changing_any_last_item_changes_the_fingerprint(tmp_path_factory, data, sequences: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("fingerprint") / "Shop"
    folder.mkdir()
    (folder / "Shop.index.json").write_text(json.dumps({str(i): [f"<a_{i}>", "<b_0>"] for i in range(20)}))

    def fingerprint(rows: list[list[int]]) -> str:
        (folder / "Shop.inter.json").write_text(json.dumps({str(user): row for user, row in enumerate(rows)}))
        return read_folder(folder).fingerprint

    before = fingerprint(sequences)
    user = data.draw(st.integers(0, len(sequences) - 1))
    other = data.draw(st.integers(0, 19).filter(lambda item: item != sequences[user][-1]))
    changed = [[*row[:-1], other] if u == user else row for u, row in enumerate(sequences)]
    assert fingerprint(changed) != before
    assert fingerprint(sequences) == before


@pytest.mark.parametrize(
    "change",
    [
        {"inter": {"7": [1, 2, 3], "1": [3, 10, 1, 2], "4": [10, 3, 2, 1]}},
        {"inter": {"7": [1, 2, 3], "1": [3, 10, 1, 2, 10], "3": [3, 2, 1]}},
        {
            "index": {
                "2": ["<a_10>", "<b_0>"],
                "10": ["<a_2>", "<b_7>"],
                "1": ["<a_2>", "<b_0>"],
                "3": ["<a_2>", "<b_8>"],
            }
        },
        {"category": {item: ["<a:0>"] for item in ("1", "2", "3", "10")}},
    ],
    ids=["user-id", "offsets", "sid", "categories"],
)
def test_every_part_counts_for_the_fingerprint(write_folder, change: dict) -> None:
    before = read_folder(write_folder()).fingerprint
    assert read_folder(write_folder(**change)).fingerprint != before


def test_item_ids_count_for_the_fingerprint(write_folder) -> None:
    index = {item: ["<a_0>"] for item in ("1", "2", "3")}
    sequences = {"0": [1, 2, 3]}
    before = read_folder(write_folder(index=index, inter=sequences)).fingerprint
    index["4"] = index.pop("3")
    after = read_folder(write_folder(index=index, inter={"0": [1, 2, 4]})).fingerprint
    assert after != before


def test_the_fingerprint_ignores_what_does_not_matter(write_folder) -> None:
    before = read_folder(write_folder(), users=2).fingerprint
    more = {"7": [3, 3, 3], "1": [3, 10, 1, 2], "99": [1], "3": [10, 3, 2, 1]}
    assert read_folder(write_folder(inter=more), users=2).fingerprint == before
    assert read_folder(write_folder(item={"1": {"title": "new"}}), users=2).fingerprint == before


def test_a_folder_without_semantic_ids(write_folder) -> None:
    folder = write_folder(index=None, item={"20": {"title": "harp"}})
    data = read_untokenized(folder)
    assert data.item_ids == ["1", "2", "3", "10", "20"]
    assert data.sids.shape == (5, 0)
    assert (data.users.tolist(), data.skipped) == ([1, 3, 7], 1)
    assert data.items[data.offsets[0] : data.offsets[1]].tolist() == [2, 3, 0, 1]
    assert data.texts.title == ("", "", "", "", "harp")
    assert read_untokenized(folder, users=1).n_users == 1


def test_semantic_ids_can_be_ignored(write_folder) -> None:
    index = {item: ["<a_1>"] for item in ("1", "2", "3", "10", "30")}
    data = read_untokenized(write_folder(index=index))
    assert data.item_ids == ["1", "2", "3", "10", "30"]
    assert data.sids.shape == (5, 0)


@pytest.mark.slow
def test_all_users_of_arts_are_read(real_data: Path) -> None:
    assert read_folder(real_data / "Arts").n_users == 45_141
