"""What `mrbench data rm` may delete, and that a kill leaves nothing that looks like data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mindrec_bench.data import locate
from mindrec_bench.data.remove import REMOVED, describe_removal, find_removable, remove_data
from mindrec_bench.errors import DataError, MrbenchError, UsageError


def test_a_dataset_is_deleted(data_root: Path) -> None:
    folder = find_removable("Shop", data_root)
    assert describe_removal(folder).startswith(f"{data_root / 'Shop'} (2 files, 0.0 MB")
    remove_data(folder)
    assert "Shop" not in {path.name for path in data_root.iterdir()}
    assert locate.user_datasets(data_root, []).keys() == {"Arts", "text"}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("./Shop", UsageError, "is not the name of a dataset"),
        ("..", UsageError, "not where datasets are looked for|is not the name|unknown data"),
        ("shp", UsageError, r"unknown data 'shp' \(did you mean 'Shop'\?\)"),
        ("empty", UsageError, "unknown data 'empty'"),
        ("arts-sim", UsageError, "has no folder"),
        ("games", DataError, "not on this machine"),
    ],
)
def test_nothing_else_is(data_root: Path, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        find_removable(name, data_root)


def test_the_folder_of_the_variable_is_only_read(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRBENCH_DATA", str(data_root))
    with pytest.raises(UsageError, match=rf"in \$MRBENCH_DATA, which others may use too; give --data-dir {data_root}"):
        find_removable("Shop", None)
    assert find_removable("Shop", data_root) == data_root / "Shop"


def test_a_killed_removal_leaves_no_half_dataset(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        (path / "Shop.inter.json").unlink()
        raise OSError(5, "killed")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(MrbenchError):
            remove_data(data_root / "Shop")
    assert "Shop" not in locate.user_datasets(data_root, [])
    assert [path.name for path in data_root.iterdir() if path.name.startswith(REMOVED)] == [f"{REMOVED}Shop"]
    shutil.copytree(data_root / "Arts", data_root / "Shop")
    remove_data(data_root / "Shop")
    assert not any(path.name.startswith(REMOVED) for path in data_root.iterdir())


def test_a_link_is_deleted_and_not_its_target(data_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (data_root / "Shop").rename(target)
    (data_root / "Shop").symlink_to(target)
    remove_data(data_root / "Shop")
    assert not (data_root / "Shop").exists()
    assert (target / "Shop.inter.json").is_file()
