"""Manifests, and what a flipped bit, a missing file or a truncated manifest does."""

from __future__ import annotations

import math

import pytest

from mindrec_bench.io.manifest import read_manifest, write_manifest


def read(path, *, check=None):
    return read_manifest(path, check=check)


@pytest.fixture
def manifest(tmp_path):
    """The manifest of a finished folder of two files."""
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "a.bin", tmp_path / "sub" / "b.bin"]
    for file in files:
        file.write_bytes(file.name.encode() * 100)
    path = tmp_path / "done.json"
    write_manifest(path, {"value": (1.5, math.inf)}, files)
    return path


def test_a_manifest_is_read_back(manifest, notices):
    content = read(manifest)
    assert content["value"] == [1.5, None]
    assert list(content["files"]) == ["a.bin", "sub/b.bin"]
    assert notices == []


def test_without_a_manifest_the_folder_is_unfinished(tmp_path):
    assert read(tmp_path / "done.json") is None


@pytest.mark.parametrize("name", ["a.bin", "sub/b.bin"])
@pytest.mark.parametrize("damage", ["flip", "missing"])
def test_a_damaged_file_is_named(manifest, name, damage, notices):
    file = manifest.parent / name
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[50] ^= 1
        file.write_bytes(content)
    content = read(manifest)
    assert content is None
    assert len(notices) == 1
    assert str(file) in notices[0]
    assert read(manifest, check=()) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"checksum": "x"}', "1.5 -> 2.5"])
def test_a_damaged_manifest_is_named(manifest, text, notices):
    manifest.write_text(manifest.read_text().replace("1.5", "2.5") if "->" in text else text)
    content = read(manifest, check=())
    assert content is None
    assert str(manifest) in notices[0]
