"""Own ids and titles, and what is said about unknown ones."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data.external_ids import write_external_ids
from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.item_names import ItemNames
from mindrec_bench.errors import UsageError

ITEMS = {"1": {"title": "Drum", "categories": "Music,Drums"}, "2": {"categories": "Music,Keys"}}


def test_ids_of_a_folder(write_folder) -> None:
    names = ItemNames(read_folder(write_folder(item=ITEMS)))
    assert list(names.ids) == ["1", "2", "3", "10"]
    assert names.titles == ("Drum", "Music,Keys", "", "")
    assert names.users(np.array([7, 1])) == ["7", "1"]
    assert names.find_items(["10", 3, "1"], "the history") == [3, 2, 0]
    assert names.find_user("3") == 1


def test_own_ids_of_imported_data(write_folder) -> None:
    folder = write_folder(
        inter={"0": [0, 1, 2], "1": [2, 1, 0]}, index={str(item): [f"<a_{item}>"] for item in range(3)}
    )
    write_external_ids(folder, "Shop", "users", ["anna", "007"])
    write_external_ids(folder, "Shop", "items", ["b 1", "b/2", "7"])
    names = ItemNames(read_folder(folder))
    assert (list(names.ids), names.users(np.array([1, 0]))) == (["b 1", "b/2", "7"], ["007", "anna"])
    assert names.find_user("007") == 1
    with pytest.raises(
        UsageError, match=r"no user 'ana' in Shop \(did you mean 'anna'\?\); it has 2 users, by the ids of"
    ):
        names.find_user("ana")
    with pytest.raises(UsageError, match=r"no item 'b/3' in Shop \(did you mean 'b/2'\?\), in the history; items are"):
        names.find_items(["b 1", "b/3"], "the history")


def test_items_that_share_a_semantic_id(write_folder) -> None:
    names = ItemNames(read_folder(write_folder()))  # 3 and 10 share theirs
    assert [names.sharing(item) for item in range(4)] == [[], [], [3], [2]]


def test_items_without_semantic_ids_share_none(write_folder) -> None:
    names = ItemNames(read_folder(write_folder(index=None)))
    assert [names.sharing(item) for item in range(4)] == [[], [], [], []]
