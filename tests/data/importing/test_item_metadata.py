"""RecBole's atomic files, from MovieLens 100k as its package carries them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from mindrec_bench.data.category_tree import split_names
from mindrec_bench.data.importing.importer import ImportOptions, import_dataset
from mindrec_bench.errors import DataError

from .conftest import Imported, read_folder


@pytest.fixture(scope="module")
def movielens() -> Path:
    """The folder of MovieLens 100k in the installed package of RecBole."""
    package = find_spec("recbole")
    if package is None or package.origin is None:
        pytest.skip("RecBole is not installed, which carries MovieLens 100k")
    return Path(package.origin).parent / "dataset_example" / "ml-100k"


def imported(movielens: Path, folder: Path, **options: object) -> Imported:
    values = {"interactions": movielens / "ml-100k.inter", "items": movielens / "ml-100k.item", "core": 0, **options}
    return read_folder(*import_dataset(ImportOptions(name="ml", **values), data_dir=folder))  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [{}, {"categories": "class"}, {"categories": "class:token_seq"}])
def test_movielens_imports_as_it_is(movielens: Path, tmp_path: Path, columns: dict[str, str]) -> None:
    data = imported(movielens, tmp_path, columns=columns)
    report = data.report
    assert (report["users"], report["items"], report["interactions"]) == (943, 1682, 100_000)
    assert report["columns"]["not_read"] == ["rating:float"]
    assert report["times"] == {"known": True, "unit": "s"}
    assert report["ties"]["interactions"] > 70_000
    rows = [line.split("\t") for line in (movielens / "ml-100k.inter").read_text().splitlines()[1:]]
    times = sorted(int(time) for user, _, _, time in rows if user == "196")
    assert data.times["196"] == times
    assert sorted(data.sequences["196"]) == sorted(item for user, item, *_ in rows if user == "196")
    assert data.texts["1"] == {"title": "Toy Story", "categories": "All,Comedy,Comedy + Children's"}
    names = {name for fields in data.texts.values() for name in split_names(fields["categories"])[1:]}
    genres = {name for name in names if "+" not in name}
    assert {"Drama", "Film-Noir", "Sci-Fi"} <= genres
    assert len(genres) <= 19
    assert report["items_file"]["category_layout"] == "set"


def test_categories_can_be_left_out_or_read_as_paths(movielens: Path, tmp_path: Path) -> None:
    data = imported(movielens, tmp_path, category_layout="none")
    assert data.texts["1"] == {"title": "Toy Story"}
    data = imported(movielens, tmp_path, category_layout="path", replace=True)
    assert data.texts["1"]["categories"] == "All,Animation,Children's,Comedy"


def test_filters_of_users_and_items(movielens: Path, tmp_path: Path) -> None:
    data = imported(movielens, tmp_path, user_core=50, item_core=10, min_rating=4.0, since="1998-01-01")
    assert min(map(len, data.sequences.values())) >= 50
    assert min(min(times) for times in data.times.values()) >= 883_612_800
    assert data.report["below_min_rating"] == 44_625


def test_what_is_missing_is_named(movielens: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'genre' for categories; its columns are item_id:token, movie"):
        imported(movielens, tmp_path, columns={"categories": "genre"})
