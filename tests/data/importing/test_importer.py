"""Imports: valid files become data folders; wrong files give one sentence and leave nothing behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.catalogue_files import read_texts
from mindrec_bench.data.importing import open_table, row_blocks
from mindrec_bench.data.importing.importer import ImportOptions, import_dataset
from mindrec_bench.data.importing.text_format import TextFormat
from mindrec_bench.errors import DataError, MrbenchError, UsageError

TEXT = ("separator", "encoding", "has_header", "quotes")
VALID = "user,item,timestamp\nu1,b,30\nu1,a,20\nu10,b,5\nu10,a,6\nu2,a,1\nu2,b,2\n"
SEQUENCES = {"0": [0, 1], "1": [1, 0], "2": [0, 1]}
"""Of VALID: users u1, u10, u2; items a, b."""


@pytest.fixture
def import_files(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Write a file of this content, and perhaps one of items, and import it."""

    def run(content: bytes | str | None, items: str | None = None, **options: Any) -> tuple[Path, dict[str, Any]]:
        source, items_file = tmp_path / "source", tmp_path / "items"
        if content is not None:
            source.write_bytes(content if isinstance(content, bytes) else content.encode())
        if items is not None:
            items_file.write_text(items, encoding="utf-8", errors="surrogateescape")
        items_option = items_file if items is not None else None
        text, items_text = (
            TextFormat(**{name.removeprefix(prefix): options.pop(name) for name in list(options) if name in names})
            for prefix, names in (("", TEXT), ("items_", [f"items_{name}" for name in TEXT]))
        )
        import_options = ImportOptions(
            source, "shop", items=items_option, text=text, items_text=items_text, **{"core": 0, **options}
        )
        return import_dataset(import_options, data_dir=tmp_path / "data")

    return run


def sequences(folder: Path) -> dict[str, list[int]]:
    return json.loads((folder / f"{folder.name}.inter.json").read_text())


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


COLUMNS = {
    "user": ["u1", "u1", "u10", "u10", "u2", "u2"],
    "item": ["b", "a", "b", "a", "a", "b"],
    "timestamp": [30, 20, 5, 6, 1, 2],
}
LINES = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]

FORMATS = {
    "csv": VALID,
    "byte order mark and CRLF": "\ufeff" + VALID.replace("\n", "\r\n"),
    "no line end": VALID.rstrip(),
    "empty lines": VALID.replace("\n", "\n\n"),
    "tabs": VALID.replace(",", "\t"),
    "semicolons": VALID.replace(",", ";"),
    "quotes": VALID.replace("u1,", '"u1",').replace("timestamp", '"timestamp"'),
    "column names of RecBole": VALID.replace("user,item,timestamp", "user_id:token,item_id:token,timestamp:float"),
    "other columns": VALID.replace("\n", ',"a long ""text"",\nof two lines"\n').replace(
        ',"a long ""text"",\nof two lines"', ",text", 1
    ),
    "gzip": gzip.compress(VALID.encode()),
    "white space": VALID.replace(",", " , "),
    "floats": VALID.replace("30", "3e1").replace(",5", ",5.0"),
    "JSON lines": "\n".join(map(json.dumps, LINES)),
    "JSON lines of Amazon": "\n".join(
        json.dumps({"reviewerID": row["user"], "asin": row["item"], "unixReviewTime": row["timestamp"], "style": [1]})
        for row in LINES
    ),
    "gzipped JSON lines": gzip.compress("\n".join(map(json.dumps, LINES)).encode()),
    "parquet": parquet(**COLUMNS),
    "parquet with times": parquet(**{**COLUMNS, "timestamp": pa.array(COLUMNS["timestamp"], pa.timestamp("s"))}),
    "parquet with dates": parquet(**{**COLUMNS, "timestamp": pa.array(COLUMNS["timestamp"], pa.date32())}),
    "parquet with categories": parquet(**{**COLUMNS, "item": pa.array(COLUMNS["item"]).dictionary_encode()}),
    "dates": re.sub(r",(\d+)\n", lambda match: f",2014-01-{int(match[1]):02d}\n", VALID),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_one_table_in_many_formats(import_files: Any, kind: str) -> None:
    folder, report = import_files(FORMATS[kind])
    assert sequences(folder) == SEQUENCES
    assert pq.read_table(folder / "shop.users.parquet").to_pydict() == {"id": [0, 1, 2], "own_id": ["u1", "u10", "u2"]}
    assert pq.read_table(folder / "shop.items.parquet").to_pydict() == {"id": [0, 1], "own_id": ["a", "b"]}
    assert (report["rows"], report["users"], report["items"], report["interactions"]) == (6, 3, 2, 6)
    assert json.loads((folder / "shop.import.json").read_text()) == report
    assert sorted(path.name for path in folder.parent.iterdir()) == ["shop"]


MANY = "\n".join(f"u{row % 7},i{row % 3},{row}" for row in range(40))
INVALID = {
    "no such file": (None, "there is no file"),
    "empty": (b"", "is empty"),
    "white space only": (b"\n \n", "is empty"),
    "header only": ("user,item,timestamp\n", "has no rows below its header"),
    "UTF-16": (VALID.encode("utf-16"), "neither UTF-8 text nor Parquet"),
    "a spreadsheet": (b"PK\x03\x04\0\0\0", "neither UTF-8 text nor Parquet"),
    "Latin-1": (VALID.replace("u2", "ü2").encode("latin-1"), r"2 rows that are not UTF-8 text \(row 6, row 7\)"),
    "Latin-1 header": ("üser,item,timestamp\n".encode("latin-1"), r"is not UTF-8 text \(line 1, byte 0\)"),
    "missing column": (VALID.replace("item", "thing"), r"has no column item; .* user, thing, timestamp: .*item=NAME"),
    "an empty header": (",,\n1,2,3\n", "several columns called"),
    "words as times": (VALID.replace(",5", ",inf"), r"timestamps that are neither .*\(row 4: 'inf'\)"),
    "only repeats": (
        "user,item,timestamp\n" + "u1,a,5\n" * 9,
        r"of its users 1 of 1 and of its items 1 of 1: at least 2 are needed; give more data",
    ),
    "a script": ("<!DOCTYPE html>\n<html>\n", "has no column user and no column item"),
    "two missing columns": ("a,b,item\n1,2,3\n", "has no column user and no column timestamp"),
    "doubled column": (VALID.replace("timestamp", "user"), "several columns called user"),
    "dates as text": (
        VALID.replace(",30", ',"Jan 5, 2014"'),
        r"timestamps that are neither numbers .* \(row 2: 'Jan 5, 2014'\)",
    ),
    "negative timestamps": (VALID.replace(",5", ",-5"), r"negative timestamps \(row 4: -5\)"),
    "seconds and milliseconds": (
        VALID.replace(",30", ",1500000000").replace(",1\n", ",1500000000000\n"),
        r"mixture of units in the timestamps .*seconds from row 2 on, milliseconds from row 6 on",
    ),
    "no time": (VALID.replace(",30", ","), r"rows without timestamp \(row 2\)"),
    "NaN ids": (
        VALID.replace("u1,", "NaN,").replace("b,2", ",2"),
        r"2 rows whose user is read as missing \(row 2: 'NaN', row 3: 'NaN'\); rows without item .*--keep-na if these",
    ),
    "ragged rows": (
        VALID.replace("u1,a,20", "u1,a").replace("u2,a,1", "u2,a,1,1"),
        r"2 rows .*fields .*\(row 3, row 6\)",
    ),
    "an open quote": (VALID.replace("u10,b", '"u10,b'), "fewer fields than the header|unclosed quote"),
    "one user": (
        VALID.replace("u10", "u1").replace("u2", "u1"),
        "of its users 1 of 1 and of its items 2 of 2: at least 2 are needed; give more data",
    ),
    "one item": (VALID.replace(",b", ",a"), "of its users 3 of 3 and of its items 1 of 1"),
    "a broken line": (
        '{"user": 1, "item": 2, "timestamp": 3}\n{"user": 1,\n',
        r"lines that are not JSON .*\(line 2\)",
    ),
    "a line that is not an object": (
        '{"user": 1, "item": 2, "timestamp": 3}\n[1]\n',
        r"lines that are not a JSON object",
    ),
    "a key twice": (
        '{"user": 1, "item": 2, "timestamp": 3, "item": 4}\n',
        r"lines that have a key twice \(line 1: 'item'\)",
    ),
    "mixed types": (
        '{"user": 1, "item": [2], "timestamp": 3}\n{"user": true, "item": 2, "timestamp": 3}\n',
        r"values of item .*\(line 1\); values of user .*\(line 2\)",
    ),
    "NaN in JSON": ('{"user": NaN, "item": 2, "timestamp": 3}\n', r"rows without user \(line 1\)"),
    "a JSON array": (json.dumps(LINES), "is one JSON array; write JSON lines"),
    "truncated gzip": (gzip.compress(MANY.encode())[:-9], "damaged inside its compression|can't be read"),
    "truncated JSON gzip": (gzip.compress("\n".join(map(json.dumps, LINES)).encode())[:-9], "damaged|can't be read"),
    "truncated Parquet": (parquet(**COLUMNS)[:-20], "can't be read"),
    "Parquet of lists": (parquet(**{**COLUMNS, "item": [["a"]] * 6}), "the column item of .* holds list"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_files_give_one_sentence_and_leave_nothing(import_files: Any, tmp_path: Path, kind: str) -> None:
    content, message = INVALID[kind]
    with pytest.raises(DataError, match=message) as error:
        import_files(content)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "source") in str(error.value)
    assert not (tmp_path / "data").exists()


def test_all_issues_are_reported_at_once(import_files: Any) -> None:
    with pytest.raises(DataError) as error:
        import_files("user,item,timestamp\n,a,1\nu,,x\nu,a,-1\nu,a\n" + "u,,3\n" * 2_000)
    for part in (
        "rows with more or fewer fields than the header (row 5)",
        "rows without user (row 2)",
        "2,001 rows without item (row 3, row 6, row 7, ...)",
        "(row 3: 'x')",
        "negative timestamps (row 4: -1)",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        VALID + "u3," + "x" * 5000 + ",7\n" + VALID.partition("\n")[2],
        VALID + 'u3,"x' + ",7\nu4,b" * 1000,
        "\n".join(map(json.dumps, [*LINES, {"user": "x" * 5000}])),
    ],
)
def test_a_line_longer_than_a_block_is_refused(
    import_files: Any, tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 1000)
    with pytest.raises(DataError, match=r"more than 1,000 bytes|longer than 1,000 bytes, or an unclosed quote"):
        import_files(content)
    assert not (tmp_path / "data").exists()


def test_a_first_line_that_is_too_long_is_refused(import_files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_table, "_HEAD_BYTES", 1000)
    with pytest.raises(DataError, match=r"the first line of .* has more than 1,000 bytes"):
        import_files("x" * 2000)


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        import_dataset(ImportOptions(tmp_path, "shop"), data_dir=tmp_path / "data")


def test_a_k_core_filter_may_leave_nothing(import_files: Any) -> None:
    with pytest.raises(DataError, match=r"of its users 0 of 3 and of its items 0 of 2.*have 5 .* smaller --k-core"):
        import_files(VALID, core=5)


ITEMS = """asin,title,description,category
a,Fine  Flute,"[""for"", ""you""]",Music > Winds
b,,,"Music > Strings > Old,new"
z,never seen,,Music
a,again,,
"""


def test_items(import_files: Any) -> None:
    folder, report = import_files(VALID, ITEMS)
    texts = read_texts(folder / "shop.item.json", ["0", "1"])
    assert texts is not None
    assert texts.title == ("Fine Flute", "")
    assert texts.description == ("for you", "")
    assert texts.categories == ("Music,Winds", "Music,Strings,Old, new")
    counts = report["items_file"]
    assert (counts["without_interactions"], counts["repeated"], counts["items_without_a_row"]) == (1, 1, 0)
    assert counts["renamed_categories"] == {"Old,new": "Old, new"}
    assert (counts["with_title"], counts["with_categories"], counts["category_separator"]) == (1, 2, ">")
    assert counts["root_added"] == ""


def test_category_columns(import_files: Any) -> None:
    folder, _ = import_files(VALID, "id,category_2,category_1\na,Winds,Music\nb,,Games\n")
    texts = read_texts(folder / "shop.item.json", ["0", "1"])
    assert texts is not None
    assert texts.categories == ("All,Music,Winds", "All,Games")


def test_the_column_of_ids(import_files: Any) -> None:
    """As in the interactions, where it has the same name; else it is a role of its own."""
    table = VALID.replace("item", "code")
    for items, columns in (("asin,code,name\nx,a,A\nx,b,B\n", {}), ("asin,key,name\nx,a,A\nx,b,B\n", {"id": "key"})):
        folder, _ = import_files(table, items, columns={"item": "code", **columns}, replace=True)
        assert json.loads((folder / "shop.item.json").read_text()) == {"0": {"title": "A"}, "1": {"title": "B"}}


def test_no_header(import_files: Any) -> None:
    columns = {"user": "1", "item": "2", "timestamp": "3"}
    table = VALID.partition("\n")[2]
    assert sequences(import_files(table, columns=columns, has_header=False)[0]) == SEQUENCES
    with pytest.raises(DataError, match=r"rows with .*\(row 2\); rows without item \(row 4\)"):
        import_files(
            table.replace("u1,a,20", "u1,a").replace("u10,a", "u10,"), columns=columns, has_header=False, replace=True
        )
    with pytest.raises(DataError, match=r"no column user and no column item .*; its columns are 1, 2, 3: "):
        import_files(table, has_header=False, replace=True)


INVALID_ITEMS = {
    "categories of the wrong type": (
        '{"id": "a", "categories": 5}\n{"id": "b", "categories": {"x": 1}}\n',
        r"2 categories that are neither .*\(line 1: 5, line 2: \{",
    ),
    "items never seen": ("id,title\nx,X\n", r"none of the items .* has interactions.*such as 'a'.*id=NAME"),
    "categories of the wrong type in one row": (
        "id,category\na,Music > Winds\nb,7\n",
        r"imported: categories that are neither .*\(row 3: 7\)",
    ),
    "titles of the wrong type": ('{"id": "a", "title": true}\n', r"imported: values of title .*\(line 1\)"),
    "ragged items": ("id,title\na,A,B\n", r"rows with more or fewer fields .*\(row 2\)"),
    "an item file in Latin-1": ("id,title\na,\udce9\n", r"rows that are not UTF-8 text \(row 2\)"),
    "without ids": ("id,title\na,A\n,B\n", r"rows without id \(row 3\)"),
    "no id column": ("number,title\na,A\n", "has no column id"),
}


@pytest.mark.parametrize("kind", INVALID_ITEMS)
def test_invalid_items_leave_nothing(import_files: Any, tmp_path: Path, kind: str) -> None:
    content, message = INVALID_ITEMS[kind]
    with pytest.raises(DataError, match=message):
        import_files(VALID, content)
    assert not (tmp_path / "data").exists()


def test_options(import_files: Any) -> None:
    table = "who,item,when,rating\n" + "\n".join(f"{user},{item},1,{item}" for user in "xyz" for item in (5, 10, 2, 1))
    columns = {"user": "who", "timestamp": "when"}
    folder, report = import_files(table, columns=columns, min_rating=2.0, file_order=True)
    assert sequences(folder) == {"0": [1, 2, 0], "1": [1, 2, 0], "2": [1, 2, 0]}, (
        "interactions at one time keep the order of the file"
    )
    assert report["below_min_rating"] == 3
    assert pq.read_table(folder / "shop.items.parquet")["own_id"].to_pylist() == ["2", "5", "10"]
    columns = {"user": "who"}
    assert sequences(import_files(table, columns=columns, file_order=True, replace=True)[0])["0"] == [2, 3, 1, 0]
    with pytest.raises(DataError, match=r"ratings that are not numbers \(row 2: 'bad'\)"):
        import_files(
            table.replace("1,5\n", "1,bad\n", 1), columns=columns, file_order=True, min_rating=1.0, replace=True
        )
    assert sequences(folder)["0"] == [2, 3, 1, 0], "the existing folder stays"


def test_only_imports_are_replaced(import_files: Any, tmp_path: Path) -> None:
    folder, _ = import_files(VALID)
    (folder / "own.csv").write_text(VALID)
    with pytest.raises(UsageError, match="shop holds the file to import, so it is not replaced"):
        import_dataset(
            ImportOptions(folder / "own.csv", "shop", replace=True, core=0),
            data_dir=tmp_path / "data",
        )
    (folder / "shop.import.json").unlink()
    with pytest.raises(UsageError, match="shop was not made by an import, so it is not replaced"):
        import_files(VALID, replace=True)
    assert (folder / "own.csv").read_text() == VALID


def test_a_folder_that_can_not_be_replaced_is_restored(
    import_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = import_files(VALID)
    monkeypatch.setattr("mindrec_bench.io.work_folders._exchange", lambda first, second: False)
    rename = os.rename

    def fail(source: Path, target: Path) -> None:
        if Path(target) == folder and Path(source).name == "shop":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(MrbenchError, match="the disk is full"):
        import_files(VALID.replace("u10", "u9"), replace=True)
    assert pq.read_table(folder / "shop.users.parquet")["own_id"].to_pylist() == ["u1", "u10", "u2"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["shop"]


def test_invalid_names(import_files: Any, tmp_path: Path) -> None:
    import_files(VALID)
    with pytest.raises(UsageError, match=r"there is already a folder .*shop; choose another --name, or give --replace"):
        import_files(VALID)
    for name, message in (("Arts", "knows already"), ("../x", "letters, digits"), ("", "letters, digits")):
        with pytest.raises(UsageError, match=message):
            import_dataset(ImportOptions(tmp_path / "source", name), data_dir=tmp_path / "data")
    with pytest.raises(UsageError, match="--k-core is -1"):
        import_files(VALID, core=-1, replace=True)
