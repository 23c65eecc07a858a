"""Checkpoints: which one a training continues from after kills and damage."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mindrec_bench.errors import DataError
from mindrec_bench.io import manifest
from mindrec_bench.io.checkpoints import checkpoint_path, complete_checkpoint, last_checkpoint

FILES = ("optimizer.pt", "sub/rng_0.pth", "progress.json")


def save(folder: Path, step: int) -> Path:
    checkpoint = checkpoint_path(folder, step)
    (checkpoint / "sub").mkdir(parents=True, exist_ok=True)
    for name in FILES[:2]:
        (checkpoint / name).write_bytes(f"{step} {name}".encode() * 10)
    complete_checkpoint(checkpoint, {"step": step})
    return checkpoint


def resume(folder: Path) -> int | None:
    found = last_checkpoint(folder, lambda state: True)
    return None if found is None else found[1]["step"]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "truncate": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "folder": put_folder,
    "delete": Path.unlink,
}


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    assert resume(tmp_path) is None
    for step in (1, 2, 10):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-2"]
    assert resume(tmp_path) == 10


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_one_is_dropped_and_the_one_before_is_taken(
    tmp_path: Path, name: str, damage: str, notices: list[str]
) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    DAMAGE[damage](tmp_path / "checkpoint-2" / name)
    assert resume(tmp_path) == 1
    assert not (tmp_path / "checkpoint-2").exists()
    if (damage, name) != ("delete", "progress.json"):  # as a kill before it was written leaves it
        assert [line.split(";")[0] for line in notices] == [f"{tmp_path / 'checkpoint-2'} is damaged"]
    DAMAGE[damage](tmp_path / "checkpoint-1" / name)
    assert resume(tmp_path) is None


def test_only_one_process_drops_and_speaks(tmp_path: Path, notices: list[str]) -> None:
    flip(save(tmp_path, 3) / "optimizer.pt")
    assert last_checkpoint(tmp_path, lambda state: True, drop=False) is None
    assert (tmp_path / "checkpoint-3").is_dir()
    assert notices == []


def test_what_is_ahead_of_a_new_one_is_removed(tmp_path: Path) -> None:
    """The training went on from step 1, since a kill left step 3 half-written."""
    save(tmp_path, 1)
    shutil.copytree(save(tmp_path, 3), tmp_path / "half")
    (tmp_path / "checkpoint-3" / "progress.json").unlink()
    save(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-1", "checkpoint-2", "half"}


def test_an_error_of_the_disk_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 3)

    def fail(path: Path) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(manifest, "sha256", fail)
    with pytest.raises(DataError, match=r"can't read .*optimizer.pt \(Input/output error\).*nothing was changed"):
        resume(tmp_path)
    assert (tmp_path / "checkpoint-3" / "optimizer.pt").is_file()
