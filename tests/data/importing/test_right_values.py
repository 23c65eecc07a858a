"""Files as people have them: what comes out is what they hold, or one sentence says why not."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from mindrec_bench.data.importing import row_blocks
from mindrec_bench.data.importing.importer import ImportOptions, import_dataset
from mindrec_bench.data.importing.text_format import TextFormat
from mindrec_bench.errors import DataError, UsageError

from .conftest import Imported, parquet

Import = Callable[..., Imported]
ITEMS_TEXT = {"flags": "--items-"}

RATED = "user,item,rating,timestamp\na,x,5,1\na,y,5,2\na,z,{},3\nb,x,5,1\nb,y,5,2\nb,z,5,3\n"


@pytest.fixture(params=[None, 40], ids=["one block", "small blocks"])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read text in one block, and in several."""
    if request.param:
        monkeypatch.setattr(row_blocks, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("empty", ["", "NaN", "NA", " "])
def test_one_row_without_a_rating_spoils_no_other(import_content: Import, empty: str) -> None:
    data = import_content(RATED.format(empty), min_rating=4.0)
    assert data.sequences == {"a": ["x", "y"], "b": ["x", "y", "z"]}
    assert (data.report["interactions"], data.report["unrated"], data.report["below_min_rating"]) == (5, 1, 0)


def test_one_json_line_without_a_rating_spoils_no_other(import_content: Import) -> None:
    rows = [line.split(",") for line in RATED.format("").splitlines()]
    lines = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    for rating in ("", None):
        lines[2]["rating"] = rating  # type: ignore[assignment]
        data = import_content("\n".join(map(json.dumps, lines)), min_rating=4.0)
        assert (data.report["interactions"], data.report["unrated"]) == (5, 1)
    with pytest.raises(DataError, match=r"ratings that are not numbers \(line 3: '4,5'\)"):
        import_content("\n".join(map(json.dumps, [*lines[:2], {**lines[2], "rating": "4,5"}])), min_rating=4.0)


STRAY = 'user{0}item{0}timestamp\na{0}x{0}1\na{0}"y{0}2\na{0}z{0}3\nb{0}"x{0}1\nb{0}y{0}2\nb{0}z{0}3\n'


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_stray_quotes_swallow_no_row(import_content: Import, separator: str) -> None:
    with pytest.raises(DataError, match=r"line 3 of .*/source has .*; close the quote or .* give --no-quotes"):
        import_content(STRAY.format(separator))
    data = import_content(STRAY.format(separator), text=TextFormat(quotes=False))
    assert data.sequences == {"a": ["x", '"y', "z"], "b": ['"x', "y", "z"]}


def test_stray_quotes_that_look_right_swallow_no_row(import_content: Import, caplog: pytest.LogCaptureFixture) -> None:
    """An id with a line break is refused; in a column that is not read, the first swallowed line is named."""
    with pytest.raises(DataError, match=r"ids of the item with a line break \(row 3\)"):
        import_content('user,item,timestamp\na,x,1\na,"y,2\na,z",3\nb,x,1\nb,y,2\n')
    rows = 'user,item,timestamp,text\na,x,1,"fine\na,y,2,fine\na,z,3,6"\na,w,4,fine\nb,x,1,ok\nb,y,2,ok\n'
    assert import_content(rows).sequences == {"a": ["x", "w"], "b": ["x", "y"]}
    assert "line 3 of " in caplog.text
    assert "is inside a quoted field and looks like a row" in caplog.text
    caplog.clear()
    import_content(rows.replace("\na,y,2,fine\na,z,3,6", "\n\nand, in short, good\n"))
    assert "looks like a row" not in caplog.text


@pytest.mark.usefixtures("block_bytes")
def test_quotes_in_fields_are_ordinary(import_content: Import) -> None:
    rows = 'user,item,timestamp,text\na,12" disc,1,""\na,"7"" disc",2,"a ""b"", c"\nb,12" disc,1,"two\nlines"\n'
    assert import_content(rows).sequences == {"a": ['12" disc', '7" disc'], "b": ['12" disc']}


@pytest.mark.parametrize("separator", [",", "\t"])
def test_stray_quotes_in_titles(import_content: Import, separator: str) -> None:
    rows = "user,item,timestamp\na,1,1\na,2,2\na,3,3\nb,1,1\n"
    items = f'id{separator}title\n1{separator}"Great\n2{separator}Good\n3{separator}{{}}\n'
    with pytest.raises(DataError, match=r"line 2 of .*/items has a quoted field .*--items-no-quotes"):
        import_content(rows, items.format('"Best'))
    with pytest.raises(
        DataError, match=r"title that hold whole rows, as after a stray quote \(row 2\).*--items-no-quotes"
    ):
        import_content(rows, items.format('12"'))
    data = import_content(rows, items.format('"Best'), items_text=TextFormat(quotes=False, **ITEMS_TEXT))
    assert {item: fields["title"] for item, fields in data.texts.items()} == {"1": '"Great', "2": "Good", "3": '"Best'}
    data = import_content(rows, items.format("Best").replace('"Great', '"Great\nand long"'))
    assert data.texts["1"] == {"title": "Great and long"}


NANOSECONDS = [1_700_000_000_000_000_000 + below for below in (300, 200, 100, 100, 200, 300)]
PAIRS = {"user": list("aaabbb"), "item": list("xyzxyz")}


@pytest.mark.parametrize("kind", ["csv", "json", "int64", "timestamp", "time zone"])
def test_nanoseconds_keep_their_order(import_content: Import, kind: str) -> None:
    columns = {**PAIRS, "timestamp": NANOSECONDS}
    rows = list(zip(*columns.values(), strict=True))
    contents = {
        "csv": "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]),
        "json": "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows),
        "int64": parquet(**columns),
        "timestamp": parquet(**{**columns, "timestamp": pa.array(NANOSECONDS, pa.timestamp("ns"))}),
        "time zone": parquet(**{**columns, "timestamp": pa.array(NANOSECONDS, pa.timestamp("ns", "Asia/Tokyo"))}),
    }
    data = import_content(contents[kind])
    assert data.sequences == {"a": ["z", "y", "x"], "b": ["x", "y", "z"]}
    assert data.times == {"a": sorted(NANOSECONDS[:3]), "b": sorted(NANOSECONDS[:3])}
    assert data.report["times"] == {"known": True, "unit": "ns"}


TIMES = list(range(1, 7))
BIG = [2**53, 2**53 + 1, 2**53 + 2, 2**53, 2**53 + 1, 2**53 + 2]


@pytest.mark.parametrize("dtype", [pa.float64(), pa.float32()])
def test_ids_that_have_been_through_a_float_are_refused(import_content: Import, dtype: pa.DataType) -> None:
    ids = pa.array([float(id_) for id_ in BIG], pa.float64()).cast(dtype)
    for role in ("user", "item"):
        with pytest.raises(
            DataError, match=rf"6 ids in the column {role} that have been through a float, .*as integers"
        ):
            import_content(parquet(**{**PAIRS, role: ids, "timestamp": TIMES}))
    with pytest.raises(DataError, match="ids in the column id that have been through a float"):
        import_content(parquet(**PAIRS, timestamp=TIMES), parquet(id=ids, title=["x"] * 6))


def test_large_whole_numbers_stay_what_they_are(import_content: Import) -> None:
    for ids in (pa.array(BIG), pa.array(list(map(str, BIG))), pa.array(map(Decimal, BIG), pa.decimal128(20, 0))):
        data = import_content(parquet(**{**PAIRS, "user": ids, "timestamp": TIMES}))
        assert list(data.sequences) == list(map(str, BIG[:3]))
    lines = [
        {"user": user, "item": item, "timestamp": time} for user, item, time in zip(BIG, "xyzxyz", TIMES, strict=True)
    ]
    assert list(import_content("\n".join(map(json.dumps, lines))).sequences) == list(map(str, BIG[:3]))
    with pytest.raises(DataError, match=r"ids in the field user that have been through a float .*\(line 1\)"):
        import_content("\n".join(map(json.dumps, [{**lines[0], "user": float(2**53)}, *lines])))


def test_rounded_ids_and_times_are_named(import_content: Import, caplog: pytest.LogCaptureFixture) -> None:
    import_content("user,item,timestamp\n9.00719925474099e+15,x,1\n9.00719925474099e+15,y,2\nb,x,1\n")
    assert "the column user of " in caplog.text
    assert "look like rounded numbers" in caplog.text
    import_content(parquet(**PAIRS, timestamp=[float(time) for time in NANOSECONDS]))
    assert "holds whole numbers of 2^53 and more as floats" in caplog.text


def test_typed_numbers_have_one_form(import_content: Import) -> None:
    """7 and 7.0 are one user in JSON and Parquet, in any batch, beside numbers that are not whole too."""
    lines = [[7, 1, 1], [7.0, 2, 2], ["7", 3, 3], [7.5, 1, 1], [1e1, 2, 3]]
    text = "\n".join(json.dumps(dict(zip(("user", "item", "timestamp"), line, strict=True))) for line in lines)
    assert import_content(text).sequences == {"7": ["1", "2", "3"], "7.5": ["1"], "10": ["2"]}
    users = [7.0, 7.5, 8.0, 7.0]
    for column in (pa.array(users), pa.array(users, pa.float32()), pa.array([Decimal(str(user)) for user in users])):
        data = import_content(parquet(user=column, item=[1.0, 1.0, 1.0, 2.0], timestamp=[1, 2, 3, 4]))
        assert data.sequences == {"7": ["1", "2"], "7.5": ["1"], "8": ["1"]}


def test_text_is_kept_and_two_forms_of_a_number_are_refused(import_content: Import) -> None:
    rows = "user,item,timestamp\n{},x,1\n007,y,2\n7.10,x,3\n"
    assert list(import_content(rows.format("7.0")).sequences) == ["007", "7.0", "7.10"]
    match = r"column user that are one number written in two ways, .*\('7' and '7.0'\)"
    with pytest.raises(DataError, match=match):
        import_content(rows.format("7") + "7.0,y,9\n")
    lines = [{"user": user, "item": item, "timestamp": 1} for user, item in ((7, 1), ("7.0", 2))]
    with pytest.raises(DataError, match=match):
        import_content("\n".join(map(json.dumps, lines)))


def test_white_space_in_ids(import_content: Import, caplog: pytest.LogCaptureFixture) -> None:
    rows = "user,item,timestamp\na,x,1\n a,y, 2\nb,x,3\n"
    assert import_content(rows).sequences == {" a": ["y"], "a": ["x"], "b": ["x"]}
    assert "holds both 'a' and ' a', which differ in white space only" in caplog.text
    assert import_content(rows.replace("user,item", "user, item")).sequences == {"a": ["x", "y"], "b": ["x"]}


@pytest.mark.parametrize("ids", [pa.array([UUID(int=user).bytes for user in (1, 1, 2)], pa.binary(16))])
def test_uuids(import_content: Import, ids: pa.Array) -> None:
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), ids)
    data = import_content(parquet(user=uuids, item=["x", "y", "x"], timestamp=[1, 2, 3]))
    assert data.sequences == {str(UUID(int=1)): ["x", "y"], str(UUID(int=2)): ["x"]}


def test_a_mixture_of_numbers_and_dates_is_refused(import_content: Import) -> None:
    rows = "user,item,time\na,x,20140103\na,y,2014-01-02\nb,x,20140103\n"
    with pytest.raises(DataError, match=r"mixture of numbers and dates .*numbers from row 2 on, dates from row 3 on"):
        import_content(rows)
    data = import_content(rows.replace("2014-01-02", "20140102"))
    assert (data.sequences["a"], data.times["a"]) == (["y", "x"], [1_388_620_800, 1_388_707_200])
    with pytest.raises(DataError, match=r"the column time of .*/source looks like dates written as DDMMYYYY"):
        import_content("user,item,time\na,x,03012014\na,y,31122013\nb,x,03012014\n")


def test_ties_do_not_depend_on_the_order_of_rows(import_content: Import) -> None:
    rows = [f"{user},{item},7" for user in "abcdefgh" for item in "wxyz"]
    header = "user,item,time\n"
    first, again = (import_content(header + "\n".join(order)) for order in (rows, rows[::-1]))
    assert first.sequences == again.sequences
    assert len({tuple(items) for items in first.sequences.values()}) > 1
    assert first.report["ties"] == {"interactions": 32, "test_targets": 8}
    kept = import_content(header + "\n".join(rows[::-1]), file_order=True)
    assert set(map(tuple, kept.sequences.values())) == {("z", "y", "x", "w")}
    assert kept.times == first.times
    assert import_content(header + "a,x,2\na,y,1\nb,x,1\n", file_order=True).sequences["a"] == ["y", "x"]


def test_file_order_without_times(import_content: Import, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match=r"no column timestamp.*give --file-order if the rows are in time order"):
        import_content("user,item\na,y\na,x\nb,x\n")
    data = import_content("user,item\na,y\na,x\nb,x\n", file_order=True)
    assert (data.sequences["a"], data.times, data.report["times"]["known"]) == (["y", "x"], {}, False)
    data = import_content("user,item,time\na,y,late\na,x,early\nb,x,\n", file_order=True)
    assert (data.sequences["a"], data.times) == (["y", "x"], {})
    assert "the times are not kept" in caplog.text


def test_the_report_says_which_columns_were_read(import_content: Import) -> None:
    rows = "id,user,{},time,extra\n1,a,x,1,\n2,a,y,2,\n3,b,x,3,\n"
    with pytest.raises(DataError, match=r"no column item; .*id, user, song, .*--column item=id if id is the item"):
        import_content(rows.format("song"))
    data = import_content(rows.format("song"), columns={"item": "song"})
    assert data.sequences == {"a": ["x", "y"], "b": ["x"]}
    assert data.report["columns"] == {
        "read": {"user": "user", "item": "song", "timestamp": "time"},
        "not_read": ["id", "extra"],
    }
    assert import_content(rows.format("song"), columns={"item": "id"}).sequences == {"a": ["1", "2"], "b": ["3"]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id,User ID,item,timestamp", "columns user_id and User ID, and each could be the user"),
        ("user,item,date,time", "columns date and time, and each could be the timestamp"),
    ],
)
def test_two_columns_that_could_be_meant_are_asked_for(import_content: Import, header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_content(f"{header}\na,x,1,1\n")


LINE_ENDS = "user,item,timestamp\na,x,1\na,y,2\nb,x,3\n"


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("line_end", ["\r", "\r\n", "\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_line_ends(import_content: Import, line_end: str, quoted: bool) -> None:
    rows = LINE_ENDS.replace("x", '"x"') if quoted else LINE_ENDS
    assert import_content(rows.replace("\n", line_end)).sequences == {"a": ["x", "y"], "b": ["x"]}
    lines = '{"user":"a","item":"x","timestamp":1}\n{"user":"b","item":"y","timestamp":2}\n'
    if not quoted and row_blocks.BLOCK_BYTES > 40:
        assert import_content(lines.replace("\n", line_end)).sequences == {"a": ["x"], "b": ["y"]}


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "N/A"])
def test_words_for_missing_ids(import_content: Import, word: str) -> None:
    rows = f"user,item,timestamp\n{word},x,1\n{word},y,2\nb,x,3\n"
    with pytest.raises(DataError, match=rf"2 rows whose user is read as missing \(row 2: '{word}', .*give --keep-na"):
        import_content(rows)
    data = import_content(rows, f"id,title\nx,{word}\n", keep_na=True)
    assert data.sequences == {"b": ["x"], word: ["x", "y"]}
    assert data.texts["x"] == {"title": word}
    with pytest.raises(DataError, match=r"rows without user \(row 5, row 6\)"):
        import_content(rows + ",x,4\n ,x,5\n", keep_na=True)
    with pytest.raises(DataError, match=rf"rows whose id is read as missing \(row 3: '{word}'\)"):
        import_content(LINE_ENDS, f"id,title\nx,X\n{word},Y\n")


RATINGS = "1::1193::5::978300760\n1::661::3::978302109\n2::661::3::978302109\n"
MOVIES = "1193::Café (1995)::Drama\n661::James: the end (1996)::Animation|Musical\n"


@pytest.mark.usefixtures("block_bytes")
def test_movielens_1m_as_it_is(import_content: Import) -> None:
    columns = {"user": "1", "item": "2", "rating": "3", "timestamp": "4"}
    with pytest.raises(DataError, match=r"its columns are 1, 1193, 5, 978300760: .*give --no-header if the first row"):
        import_content(RATINGS)
    no_header = TextFormat(has_header=False)
    assert import_content(RATINGS, columns=columns, text=no_header).sequences == {"1": ["1193", "661"], "2": ["661"]}
    movies = {"items": MOVIES.encode("latin-1"), "columns": {**columns, "id": "1", "title": "2", "categories": "3"}}
    with pytest.raises(DataError, match=r"is not UTF-8 text .* give --items-encoding .* such as latin-1"):
        import_content(RATINGS, text=no_header, items_text=TextFormat(has_header=False, flags="--items-"), **movies)
    latin = TextFormat(has_header=False, encoding="latin-1", flags="--items-")
    texts = import_content(RATINGS, text=no_header, items_text=latin, **movies).texts
    assert (texts["1193"]["title"], texts["661"]["title"]) == ("Café (1995)", "James: the end (1996)")


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "cp1252", "shift_jis"])
@pytest.mark.parametrize("separator", [",", "~", " "])
def test_encodings_and_separators(import_content: Import, encoding: str, separator: str) -> None:
    user = "ソ" if encoding == "shift_jis" else "ä"
    rows = LINE_ENDS.replace("a,", f"{user},").replace(",", separator).encode(encoding)
    text = TextFormat(separator=None if separator == "," else separator, encoding=encoding)
    assert import_content(rows, text=text).sequences == {"b": ["x"], user: ["x", "y"]}


def test_wrong_encodings_and_separators(import_content: Import) -> None:
    rows = LINE_ENDS.replace("b,x", "ä,x")
    with pytest.raises(DataError, match=r"is not ascii text .* give --encoding with another one"):
        import_content(rows, text=TextFormat(encoding="ascii"))
    with pytest.raises(DataError, match=r"rows that are not UTF-8 text \(row 4\); .*give --encoding with .* latin-1"):
        import_content(rows.encode("latin-1"))
    for text, message in (
        (TextFormat(encoding="klingon"), "--encoding is 'klingon', which is no text encoding"),
        (TextFormat(encoding="base64"), "which is no text encoding"),
        (TextFormat(separator=""), "--sep is ''"),
        (TextFormat(separator='"'), "--sep is '\"'"),
    ):
        with pytest.raises(UsageError, match=message):
            import_content(rows, text=text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "x" * 300}, "--name has 300 letters; give a name of at most 100"),
        ({"interactions": Path("x" * 5000)}, "can't be read .*File name too long"),
        ({"items": Path("x" * 300)}, "can't be read .*File name too long"),
        ({"user_core": -1}, "--user-core is -1"),
        ({"since": "soon"}, "--since is 'soon'; give a date"),
        ({"category_separator": ""}, "--category-sep is empty"),
    ],
)
def test_other_arguments(import_content: Import, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    import_content(LINE_ENDS)
    options = {"interactions": tmp_path / "source", "name": "m", "core": 0, **changes}
    with pytest.raises((DataError, UsageError), match=message):
        import_dataset(ImportOptions(**options), data_dir=tmp_path / "data")


@pytest.mark.parametrize("suffix", [b"csv", pytest.param(b"parquet", marks=pytest.mark.slow)], ids=bytes.decode)
def test_the_names_of_folders_need_not_be_utf8(tmp_path: Path, suffix: bytes) -> None:
    """From import to validation, in a process of its own, with its output on a pipe."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    contents = {
        b"csv": STRAY.format(",").replace('"', "").encode(),
        b"parquet": parquet(user=list("aaabbb"), item=list("xyzxyz"), timestamp=TIMES),
    }
    file = folder + b"/r\xe9." + suffix
    Path(os.fsdecode(file)).write_bytes(contents[suffix])
    mrbench = [os.fsencode(sys.executable), b"-m", b"mindrec_bench", b"data"]
    for code, words in (
        (0, [b"import", file, b"--name", b"n", b"--k-core", b"0"]),
        (0, [b"validate", b"n", b"--json"] if suffix == b"csv" else [b"validate", b"n"]),
        (3, [b"import", folder + b"/none", b"--name", b"m"]),
    ):
        words = [*mrbench, *words, b"--data-dir", folder]
        done = subprocess.run(words, capture_output=True, cwd=tmp_path, env=strict, check=False)
        assert done.returncode == code, done.stderr
        assert b"unexpected" not in done.stderr


MiB = 1 << 20
MEASURE = """
import resource, sys
from pathlib import Path
from mindrec_bench.data.importing.importer import ImportOptions, import_dataset
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    import_dataset(ImportOptions(Path(sys.argv[1]), "n", core=0), data_dir=Path(sys.argv[2]))
except Exception as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def measure(path: Path) -> tuple[list[str], int]:
    """What an import in a new process prints, and the MiB it took."""
    command = [sys.executable, "-c", MEASURE, str(path), str(path.parent / "data")]
    *lines, memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return lines, int(memory)


def test_a_bomb_of_rows_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"user,item,timestamp\n")
        for _ in range(40):
            file.write(b"a,x,1\na,y,2\nb,x,3\n" * (MiB // 18))
    lines, memory = measure(path)
    assert lines == []
    assert memory < 200
    assert json.loads((tmp_path / "data" / "n" / "n.import.json").read_text())["rows"] == 120 * (MiB // 18)


@pytest.mark.parametrize(
    "start",
    [
        b"user,item,timestamp\na,x,",
        pytest.param(b'{"user": "', marks=pytest.mark.slow),
        pytest.param(b'user,item,timestamp\n"', marks=pytest.mark.slow),
    ],
)
def test_a_bomb_of_one_line_is_refused_and_the_process_ends(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "line.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(60):
            file.write(b"0" * MiB)
    lines, memory = measure(path)  # raises if the process is aborted
    assert "has more than 8,388,608 bytes" in lines[0]
    assert memory < 200


@pytest.mark.parametrize("name", ["bz2", "lzma"])
def test_other_compressions(import_content: Import, name: str) -> None:
    compressed = __import__(name).compress(LINE_ENDS.encode())
    assert import_content(compressed).sequences == {"a": ["x", "y"], "b": ["x"]}
    with pytest.raises(DataError, match=r"damaged|can't be read"):
        import_content(compressed[:-8])


def test_zstd(import_content: Import) -> None:
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as file:
        file.write(LINE_ENDS.encode())
    assert import_content(stream.getvalue().to_pybytes()).sequences == {"a": ["x", "y"], "b": ["x"]}


def test_a_period_in_dates_and_numbers(import_content: Import) -> None:
    rows = "user,item,time\n" + "".join(f"{user},{day},2014-01-0{day}\n" for user in "ab" for day in range(1, 7))
    data = import_content(rows, since="2014-01-02", until="2014-01-05T00:00:00Z")
    assert data.sequences == {user: ["2", "3", "4"] for user in "ab"}
    assert data.report["outside_period"] == 6
    milliseconds = rows.replace("2014-01-0", "138862080000")
    assert import_content(milliseconds, since="1388620800003").sequences["a"] == ["3", "4", "5", "6"]
    assert import_content(milliseconds, until="1388620800003").sequences["a"] == ["1", "2"]
    with pytest.raises(UsageError, match="--since is a date, and the times of the file are not"):
        import_content(LINE_ENDS, since="2014-01-01")
    with pytest.raises(UsageError, match="--until needs times"):
        import_content("user,item\na,y\na,x\nb,x\n", file_order=True, until="5")
