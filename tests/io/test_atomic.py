"""Atomic writes and seals: what a full disk, a file in the way, a kill or a flipped bit leave."""

from __future__ import annotations

import errno
import json
import math
import os

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.io import atomic
from mindrec_bench.io.atomic import atomic_write, remove_folder, write_json
from mindrec_bench.io.manifest import read_manifest, write_manifest


def failing(code):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    return fail


def read(path, *, verify=True):
    notices = []
    return read_manifest(path, verify=verify, notify=notices.append), notices


@pytest.fixture
def sealed(tmp_path):
    """A finished folder of two files."""
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "a.bin", tmp_path / "sub" / "b.bin"]
    for file in files:
        file.write_bytes(file.name.encode() * 100)
    path = tmp_path / "done.json"
    write_manifest(path, {"value": (1.5, math.inf)}, files)
    return path


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


def test_a_seal_is_read_back(sealed):
    content, notices = read(sealed)
    assert content["value"] == [1.5, None]
    assert list(content["files"]) == ["a.bin", "sub/b.bin"]
    assert notices == []


def test_without_a_seal_the_folder_is_not_done(tmp_path):
    assert read(tmp_path / "done.json") == (None, [])


@pytest.mark.parametrize("name", ["a.bin", "sub/b.bin"])
@pytest.mark.parametrize("damage", ["flip", "missing"])
def test_a_damaged_file_is_named(sealed, name, damage):
    file = sealed.parent / name
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[50] ^= 1
        file.write_bytes(content)
    content, notices = read(sealed)
    assert content is None
    assert len(notices) == 1
    assert str(file) in notices[0]
    assert read(sealed, verify=False)[0] is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"checksum": "x"}', "1.5 -> 2.5"])
def test_a_damaged_seal_is_named(sealed, text):
    sealed.write_text(sealed.read_text().replace("1.5", "2.5") if "->" in text else text)
    content, notices = read(sealed, verify=False)
    assert content is None
    assert str(sealed) in notices[0]


def test_a_folder_is_deleted_seal_first(sealed, monkeypatch):
    monkeypatch.setattr(atomic.shutil, "rmtree", failing(errno.EACCES))
    with pytest.raises(MrbenchError, match="can't write"):
        remove_folder(sealed.parent, first="done.json")
    assert not sealed.exists()
    monkeypatch.undo()
    remove_folder(sealed.parent, first="done.json")
    assert not sealed.parent.exists()
    remove_folder(sealed.parent, first="done.json")
