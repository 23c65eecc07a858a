"""Work folders: what a killed process leaves is removed or put back, and one process at a time works in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mindrec_bench.io import work_folders
from mindrec_bench.io.work_folders import hold_work_folder, move_into_place, remove_leftovers, restore_folder


def make(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_text(text)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool) -> None:
    if not can_exchange:
        monkeypatch.setattr(work_folders, "_exchange", lambda first, second: False)
    target = tmp_path / "shop"
    for text in ("old", "new"):
        with hold_work_folder(target, "import") as work:
            move_into_place(make(work / "shop", text), target, work)
        assert (target / "file").read_text() == text
    assert names(tmp_path) == ["shop"]


KILLED = """
import os, sys
from pathlib import Path
from mindrec_bench.io import work_folders
target, renames = Path(sys.argv[1]), int(sys.argv[2])
work_folders._exchange = lambda first, second: False
rename = os.rename
def kill(source, goal):
    global renames
    if not renames:
        os.kill(os.getpid(), 9)
    renames -= 1
    rename(source, goal)
os.rename = kill
with work_folders.hold_work_folder(target, "import") as work:
    (work / "shop").mkdir()
    (work / "shop" / "file").write_text("new")
    work_folders.move_into_place(work / "shop", target, work)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(("renames", "content"), [(0, "old"), (1, "old"), (2, "new")])
@pytest.mark.parametrize("next_call", ["restore_folder", "remove_leftovers", "hold_work_folder"])
def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path, renames: int, content: str, next_call: str) -> None:
    target = make(tmp_path / "shop", "old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), str(renames)], check=False)
    assert done.returncode == -9
    assert target.exists() == (renames != 1)
    if next_call == "restore_folder":
        restore_folder(target, "import")
    elif next_call == "remove_leftovers":
        remove_leftovers(tmp_path, "import")
        assert names(tmp_path) == ["shop"]
    else:
        with hold_work_folder(target, "import") as work:
            assert names(work) == ["lock.holder", "lock.lock"]
        assert names(tmp_path) == ["shop"]
    assert (target / "file").read_text() == content


def test_a_held_work_folder_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "shop"
    with hold_work_folder(target, "import") as work:
        make(work / "replaced", "old")
        restore_folder(target, "import")
        remove_leftovers(tmp_path, "import")
        assert not target.exists()
        assert (work / "replaced" / "file").read_text() == "old"


def test_files_to_keep(tmp_path: Path) -> None:
    with hold_work_folder(tmp_path / "shop", "tokenize", keep="*.safetensors") as work:
        (work / "training.safetensors").write_text("")
    assert "training.safetensors" in names(work)
    with hold_work_folder(tmp_path / "shop", "tokenize", keep="*.safetensors") as work:
        (work / "training.safetensors").unlink()
    assert names(tmp_path) == []


COUNT = """
import sys, time
from pathlib import Path
from mindrec_bench.io.work_folders import hold_work_folder
target = Path(sys.argv[1])
for _ in range(15):
    with hold_work_folder(target, "import") as work:
        (work / "alone").mkdir()
        counter = target.with_name("counter")
        number = int(counter.read_text())
        time.sleep(0.002)
        counter.write_text(str(number + 1))
        (work / "alone").rmdir()
"""


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Each removes the work folder that the others wait for."""
    (tmp_path / "counter").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "shop")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert (tmp_path / "counter").read_text() == "60"
    assert names(tmp_path) == ["counter"]
