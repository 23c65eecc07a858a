"""What `--data` accepts, and what is listed and downloaded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mindrec_bench.data.sources import (
    Arts,
    Beauty,
    FolderSource,
    Games,
    Instruments,
    Sports,
    Toys,
    data_folder,
    default_users,
    download_data,
    list_data,
    resolve_data,
    tokenization_folders,
)
from mindrec_bench.errors import DataError, UsageError

from .conftest import INDEX


@pytest.mark.parametrize(
    ("spec", "name", "source"),
    [
        ("arts", "arts", Arts()),
        ("Arts", "arts", Arts(levels=3)),
        ("GAMES", "games", Games(levels=2)),
        ("Instruments:levels=1", "instruments", Instruments(levels=1)),
        ("Beauty", "beauty", Beauty()),
        ("sports", "sports", Sports()),
        ("TOYS", "toys", Toys()),
    ],
)
def test_known_names_in_any_case(spec: str, name: str, source: object) -> None:
    assert resolve_data(spec) == (name, source)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("artz", r"unknown data 'artz' \(did you mean 'arts'\?\); known: .*games.*; or give the path of a folder, or"),
        ("Gamess:levels=2", r"unknown data 'Gamess' \(did you mean 'games'\?\)"),
        ("", "unknown data ''"),
        ("arts:level=2", r"'arts' has no option 'level' \(did you mean 'levels'\?\)"),
        ("arts:levels=two", "must be a whole number"),
        ("arts:levels=0", "levels is 0; allowed: 1 or more"),
        ("./x/Shop:users=3", "'Shop' has no option 'users'"),
        ("./x/Shop:levels=-1", "levels is -1; allowed: 1 or more"),
    ],
)
def test_refused(spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        resolve_data(spec)


@pytest.mark.parametrize("tail", ["", os.sep])
def test_path_of_a_folder(write_folder, tail: str) -> None:
    folder = write_folder()
    name, source = resolve_data(f"{folder}{tail}")
    assert name == "Shop"
    data = source.load(None, users=2)
    assert (data.name, data.n_users) == ("Shop", 2)


def test_name_of_a_folder_here(write_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_folder().parent)
    assert resolve_data("Shop") == ("Shop", FolderSource("Shop"))
    assert resolve_data("Shop:levels=2") == ("Shop", FolderSource("Shop", levels=2))


def test_a_known_name_comes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("arts").mkdir()
    assert resolve_data("arts") == ("arts", Arts())
    assert resolve_data("./arts") == ("arts", FolderSource("./arts"))


def test_a_path_may_contain_the_separators_of_options(write_folder) -> None:
    folder = write_folder("a:b,c=d")
    assert resolve_data(str(folder)) == ("a:b,c=d", FolderSource(str(folder)))


def test_a_file_is_to_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sales.csv").write_text("")
    with pytest.raises(UsageError, match=r"'sales.csv' is a file; .*`mrbench data import sales.csv --name NAME`"):
        resolve_data("sales.csv")
    with pytest.raises(DataError, match=r"sales.csv is a file; .*`mrbench data import .*sales.csv --name NAME`"):
        resolve_data(f".{os.sep}sales.csv")[1].load(None, users=None)


def test_missing_folder(tmp_path: Path) -> None:
    _, source = resolve_data(str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"there is no folder .*absent"):
        source.load(None, users=None)


@pytest.mark.parametrize(("name", "levels"), [("Games", 2), ("Arts", 3), ("Shop", 3)])
def test_levels_of_a_folder_follow_its_name(write_folder, name: str, levels: int) -> None:
    folder = write_folder(name, item={"1": {"categories": "R,A,B,C,D"}})
    data = FolderSource(str(folder)).load(None, users=None)
    assert data.categories is not None
    assert data.categories.shape[1] == levels
    assert FolderSource(str(folder), levels=1).load(None, users=None).categories.shape[1] == 1


def test_known_data_by_name_and_by_path_are_the_same(write_folder) -> None:
    folder = write_folder("Games", item={"1": {"categories": "R,A,B"}})
    by_name = Games().load(folder.parent, users=2)
    by_path = FolderSource(str(folder)).load(None, users=2)
    assert by_name.fingerprint == by_path.fingerprint
    assert by_name.name == by_path.name == "Games"


def test_missing_known_data_is_fetched(write_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(name: str, *, data_dir: Path | None) -> Path:
        fetched.append((name, data_dir))
        return write_folder("Arts")

    monkeypatch.setattr("mindrec_bench.data.fetch.fetch", fetch)
    assert Arts().load(tmp_path / "empty", users=None).n_users == 3
    assert fetched == [("Arts", tmp_path / "empty")]


@pytest.mark.parametrize("spec", ["arts-sim", "./somewhere/Shop"])
def test_nothing_to_download(spec: str) -> None:
    with pytest.raises(
        UsageError, match=r"nothing to download for .*; these can be downloaded: arts, games, instruments"
    ):
        download_data(spec, data_dir=None)


def test_real_data_by_any_spelling(real_data: Path) -> None:
    _, source = resolve_data("InstruMents")
    data = source.load(real_data, users=100)
    assert data.category_notes == ("categories of 3,672 of 9,922 items are imputed",)
    items = json.loads((real_data / "Instruments/Instruments.item.json").read_text())
    assert sum(fields["categories_source"] == "imputed" for fields in items.values()) == 3_672


def test_a_user_dataset_by_name(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_data("Shop:levels=2", data_root) == ("Shop", FolderSource(str(data_root / "Shop"), levels=2))
    monkeypatch.setenv("MRBENCH_DATA", str(data_root))
    assert resolve_data("Shop")[1].load(None, users=None).name == "Shop"
    with pytest.raises(UsageError, match=r"unknown data 'shp' \(did you mean 'Shop'\?\); known: arts, .*Shop, text"):
        resolve_data("shp")


def test_a_user_dataset_comes_before_another_folder_of_that_name(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_root / "empty")
    Path("Shop").mkdir()
    assert resolve_data("Shop", data_root) == ("Shop", FolderSource(str(data_root / "Shop")))
    assert resolve_data("./Shop", data_root) == ("Shop", FolderSource("./Shop"))


def test_user_datasets_are_listed_last(data_root: Path) -> None:
    rows = {entry.name: entry.summary for entry in list_data(data_root)}
    assert list(rows)[-2:] == ["Shop", "text"]
    assert rows["Shop"] == f"Your own folder {data_root / 'Shop'}."


def test_data_folders(data_root: Path) -> None:
    assert data_folder("Shop", data_root) == data_root / "Shop"
    assert data_folder("arts", data_root) == data_root / "Arts"
    assert data_folder(str(data_root / "empty"), None) == data_root / "empty"
    with pytest.raises(DataError, match="Games is not on this machine; `mrbench data fetch games --data-dir "):
        data_folder("games", data_root)
    with pytest.raises(UsageError, match="'arts-sim' has no folder"):
        data_folder("arts-sim", data_root)


def test_users_by_default(data_root: Path) -> None:
    assert [default_users(name) for name in ("arts", "Instruments", "arts-sim", "Shop", "no such name")] == [5000] * 5
    assert [default_users(name) for name in ("beauty", "Sports", "toys", str(data_root / "Toys"))] == [None] * 4


def test_other_counts_than_the_known_ones_are_said(write_folder, notices: list[str]) -> None:
    data = Toys().load(write_folder("Toys", index=None).parent, users=None)
    note = (
        "this Toys is not the public one, so published values do not compare: it has 4 users and not 19,412, 4 items "
        "and not 11,924, 13 interactions and not 167,597"
    )
    assert data.notes == (note,)
    assert [line.partition(": ")[2] for line in notices] == [note]


@pytest.mark.parametrize(
    ("source", "has_sids"),
    [
        (Beauty(), True),
        pytest.param(Sports(), False, marks=pytest.mark.slow),
        pytest.param(Toys(), False, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_real_amazon_2014_data_have_the_known_counts(real_data: Path, source: Beauty, has_sids: bool) -> None:
    if not (real_data / source.folder).is_dir():
        pytest.skip(f"no {source.folder} here")
    data = source.load(real_data, users=None)
    assert (data.n_users, data.n_items, len(data.items)) == source.counts
    assert (data.has_sids, data.notes, data.categories) == (has_sids, (), None)


@pytest.mark.parametrize(
    "source", [*(pytest.param(source, marks=pytest.mark.slow) for source in (Arts(), Games())), Instruments()], ids=str
)
def test_real_amazon_2018_data_have_the_known_counts(real_data: Path, source: Arts) -> None:
    assert source.load(real_data, users=10).notes == ()


def test_amazon_2014_data_are_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"Sports is not on this machine \(looked for .*\), and mrbench does not download it"
    ):
        Sports().load(tmp_path, users=None)
    with pytest.raises(UsageError, match="nothing to download for 'toys'; these can be downloaded: arts, games, instr"):
        download_data("toys", data_dir=tmp_path)


def test_a_copy_with_semantic_ids_is_found_first(write_folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = write_folder("Sports", index=None)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("MRBENCH_DATA", str(without.parent))
    assert tokenization_folders("sports", None) == (without, Path("data/Sports"))
    assert tokenization_folders("sports", without.parent) == (without, None)
    assert not Sports().load(None, users=None).has_sids
    shutil.copytree(without, "data/Sports")
    assert tokenization_folders("sports", None) == (Path("data/Sports"), None)
    (Path("data/Sports") / "Sports.index.json").write_text(json.dumps(INDEX))
    assert Sports().load(None, users=None).has_sids
    assert data_folder("sports", None) == Path("data/Sports")
    assert tokenization_folders("sports", None) == (Path("data/Sports"), None)


def test_user_datasets_get_their_ids_in_place(data_root: Path) -> None:
    assert tokenization_folders(str(data_root / "Shop"), None) == (data_root / "Shop", None)
