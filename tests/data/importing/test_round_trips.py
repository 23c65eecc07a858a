"""Rows that other libraries write come back exactly, whatever their ids, their order and the size of blocks."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mindrec_bench.data.importing import json_lines, parquet, row_blocks
from mindrec_bench.data.importing.importer import ImportOptions, import_dataset
from mindrec_bench.data.importing.text_format import TextFormat
from mindrec_bench.errors import DataError

from .conftest import read_folder

Row = tuple[str, str, int]
HEADER = ("user", "item", "timestamp")

AWKWARD = [
    *("NA", "None", "null", "nan", "007", "7", "-0", "+1", "1e5", "0x10", "True", "2014-01-01"),
    *(str(2**53 + change) for change in (-1, 0, 1)),
    *(
        " a",
        "a ",
        "a\tb",
        "a  b",
        "\u00a0",
        '"',
        '""',
        'a"b',
        '"a"',
        "a,b",
        ",",
        ";",
        "|",
        "::",
        "'",
        "\\",
        "\\n",
        "%20",
    ),
    *("👩\u200d🔬", "é", "e\u0301", "ß", "#", "[1]", "{}", "\ufeffx", "\u2028", "\x1f", "\x0b"),
]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")
IDS = (st.sampled_from(AWKWARD) | st.text(LETTERS, min_size=1, max_size=6)).filter(lambda text: text.strip() != "")


def written_csv(rows: list[Row], **options: object) -> bytes:
    file = io.StringIO()
    csv.writer(file, **options).writerows([HEADER, *rows])  # type: ignore[arg-type]
    return file.getvalue().encode()


def written_json(rows: list[Row], *, ensure_ascii: bool) -> bytes:
    lines = (json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=ensure_ascii) for row in rows)
    return "\n".join(lines).encode()


def written_parquet(rows: list[Row], *, dictionary: bool) -> bytes:
    file = io.BytesIO()
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    columns[0] = columns[0].dictionary_encode() if dictionary else columns[0]
    pq.write_table(pa.table(columns, names=HEADER), file, row_group_size=3)
    return file.getvalue()


WRITERS: dict[str, Callable[[list[Row]], bytes]] = {
    "csv": written_csv,
    "csv, all quoted": lambda rows: written_csv(rows, quoting=csv.QUOTE_ALL),
    "csv, LF": lambda rows: written_csv(rows, lineterminator="\n"),
    "csv, CR": lambda rows: written_csv(rows, lineterminator="\r"),
    "tabs": lambda rows: written_csv(rows, delimiter="\t"),
    "semicolons, text quoted": lambda rows: written_csv(rows, delimiter=";", quoting=csv.QUOTE_NONNUMERIC),
    "JSON lines": lambda rows: written_json(rows, ensure_ascii=True),
    "JSON lines in UTF-8": lambda rows: written_json(rows, ensure_ascii=False),
    "Parquet": lambda rows: written_parquet(rows, dictionary=False),
    "Parquet with a dictionary": lambda rows: written_parquet(rows, dictionary=True),
}
COMPRESSIONS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, bz2.compress]


@pytest.mark.parametrize("kind", WRITERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    users=st.lists(IDS, min_size=2, max_size=4, unique=True),
    items=st.lists(IDS, min_size=2, max_size=6, unique=True),
    data=st.data(),
)
def test_rows_come_back(
    kind: str, users: list[str], items: list[str], data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {user: data.draw(st.permutations(items)) for user in users}
    rows = [(user, item, time) for user, order in expected.items() for time, item in enumerate(order, 1)]
    compress = bytes if "Parquet" in kind else data.draw(st.sampled_from(COMPRESSIONS))
    content = compress(WRITERS[kind](data.draw(st.permutations(rows))))
    longest = max(len(repr(row).encode()) for row in rows)
    with monkeypatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(row_blocks, "BLOCK_BYTES", data.draw(st.integers(6 * longest + 100, 6 * longest + 400)))
        patch.setattr(json_lines, "_BATCH_LINES", data.draw(st.integers(1, 5)))
        patch.setattr(parquet, "_BATCH_ROWS", data.draw(st.integers(1, 5)))
        path = Path(folder) / "rows"
        path.write_bytes(content)
        options = ImportOptions(path, "n", core=0, keep_na=True)
        imported = read_folder(*import_dataset(options, data_dir=Path(folder) / "data"))
    assert imported.sequences == expected
    assert imported.times == {user: list(range(1, len(items) + 1)) for user in users}


@pytest.mark.parametrize("block", [7, 13, 31, 64])
@given(rows=st.lists(st.lists(st.text('a,"\n', max_size=5), min_size=2, max_size=2), min_size=1, max_size=12))
def test_blocks_hold_whole_rows(block: int, rows: list[list[str]]) -> None:
    """However small they are, and none is lost."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    content = file.getvalue().encode()
    stream = io.BytesIO(content)
    try:
        blocks = list(row_blocks.split_rows(stream, Path("x"), TextFormat(), b",", 2, block_bytes=block))
    except DataError as error:
        assert "has more than" in str(error)  # noqa: PT017 - smaller blocks need not hold a row
        return
    assert b"".join(part.data for part in blocks) == content
    read = [row for part in blocks for row in csv.reader(io.StringIO(part.data.decode(), newline=""))]
    assert [row for row in read if row] == [row for row in rows if row]
    lines = 1
    for part in blocks:
        assert part.line == lines
        lines += part.data.count(b"\n")


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("role", [0, 1])
def test_line_breaks_in_ids_are_refused(tmp_path: Path, kind: str, line_break: str, role: int) -> None:
    rows = [("u", "x", 1), ("u", "y", 2), ("v", "x", 3)]
    rows[1] = tuple(f"a{line_break}b" if column == role else cell for column, cell in enumerate(rows[1]))  # type: ignore[assignment]
    (tmp_path / "rows").write_bytes(WRITERS[kind](rows))
    with pytest.raises(DataError, match=r"with a line break \((row|line) [23]\)|with more or fewer fields .*\(row"):
        import_dataset(ImportOptions(tmp_path / "rows", "n", core=0), data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", WRITERS)
def test_any_order_of_rows_gives_the_same_data(tmp_path: Path, kind: str) -> None:
    rows = [(f"u{user}", f"i{item}", (user * item) % 3) for user in range(6) for item in range(5)]
    results = []
    for order in (rows, rows[::-1], rows[7:] + rows[:7]):
        (tmp_path / "rows").write_bytes(WRITERS[kind](order))
        options = ImportOptions(tmp_path / "rows", "n", core=0, replace=True)
        folder, _ = import_dataset(options, data_dir=tmp_path / "data")
        results.append({path.name: path.read_bytes() for path in folder.iterdir() if "import" not in path.name})
    assert results[0] == results[1] == results[2]
