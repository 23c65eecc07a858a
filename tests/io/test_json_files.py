"""Errors name the broken file and where in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.io.json_files import read_object, read_text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"0": [1,\n2,\n}', r"broken\.json is not valid JSON at line 3, column 1"),
        (b"", r"broken\.json is not valid JSON at line 1"),
        (b'{"0": [1], "1": [2], "0": [3]}', r"the key '0' occurs twice in .*broken\.json"),
        (b'{"0": {"title": "a", "title": "b"}}', r"the key 'title' occurs twice"),
        (b"[1, 2]", r"broken\.json must contain a JSON object, .* not a list"),
        (b'{"0": "\xff"}', r"broken\.json is not UTF-8 text \(byte 7\)"),
        (b"[" * 200_000, r"broken\.json can't be read as JSON"),
    ],
    ids=["syntax", "empty", "key-twice", "inner-key-twice", "list", "encoding", "nested"],
)
def test_broken_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_object(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json can't be read \(No such file"):
        read_object(tmp_path / "absent.json")


def test_errors_of_another_kind_that_name_what_the_file_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the sweep .*absent\.toml can't be read \(No such file"):
        read_text(tmp_path / "absent.toml", "the sweep", UsageError)
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(UsageError, match=r"^the sweep .*latin\.toml is not UTF-8 text \(byte 9\); save it as UTF-8$"):
        read_text(tmp_path / "latin.toml", "the sweep", UsageError)


def test_file_order_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    path.write_bytes(b'\xef\xbb\xbf{"10": 1, "2": 2}')
    assert list(read_object(path)) == ["10", "2"]
