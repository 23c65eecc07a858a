"""Atomic writes, and what a full disk, a file in the way or an interruption leaves behind."""

from __future__ import annotations

import errno
import json
import math
import os

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.io import atomic
from mindrec_bench.io.atomic import atomic_write, remove_folder, write_json


def failing(code):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full.*repeat the command"),
        (errno.EACCES, "can't write .*Permission denied.*--runs-dir"),
        (errno.EROFS, "can't write .*Read-only.*--runs-dir"),
    ],
)
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, step, code, message):
    atomic_write(tmp_path / "file", lambda file: file.write(b"old"))
    monkeypatch.setattr(atomic.os, step, failing(code))
    with pytest.raises(MrbenchError, match=message):
        atomic_write(tmp_path / "file", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupt(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(MrbenchError, match=r"can't write .*runs/a/file"):
        atomic_write(tmp_path / "runs" / "a" / "file", lambda file: file.write(b"new"))


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": math.nan, "b": "é"})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"a": None, "b": "é"}


def test_a_folder_is_deleted_manifest_first(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    for file in (folder / "done.json", folder / "sub" / "b.bin"):
        file.write_bytes(b"content")
    monkeypatch.setattr(atomic.shutil, "rmtree", failing(errno.EACCES))
    with pytest.raises(MrbenchError, match="can't write"):
        remove_folder(folder, first="done.json")
    assert not (folder / "done.json").exists()
    monkeypatch.undo()
    remove_folder(folder, first="done.json")
    assert not folder.exists()
    remove_folder(folder, first="done.json")
