"""Files of histories."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.histories_file import read_histories

EXPECTED = {"anna": ["007", "NA"], "bob": ["3"]}


def test_all_kinds_give_the_same(tmp_path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"anna": ["007", "NA"], "bob": [3]}))
    (tmp_path / "a.csv").write_text('user,time,item\nanna,1,007\nbob,5,3\n"anna",2,"NA"\n')
    pq.write_table(pa.table({"item": ["007", "3", "NA"], "user": ["anna", "bob", "anna"]}), tmp_path / "a.parquet")
    for kind in ("json", "csv", "parquet"):
        assert read_histories(tmp_path / f"a.{kind}") == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("absent.json", None, UsageError, "there is no file"),
        ("a.txt", "x", UsageError, "is neither .json nor .csv nor .parquet"),
        ("a.json", '{"anna": 7}', DataError, "'anna' in .* must have a list of item ids"),
        ("a.json", '{"anna": [1.5]}', DataError, "must have a list of item ids"),
        ("a.json", "[", DataError, "not valid JSON"),
        ("a.csv", "user,thing\na,b\n", DataError, "has no column item; it needs user and item"),
        ("a.parquet", "PAR1", DataError, "can't be read as parquet"),
        ("a.csv", "", DataError, "can't be read as csv"),
    ],
)
def test_what_is_refused(tmp_path, name, content, error, message) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read_histories(tmp_path / name)
