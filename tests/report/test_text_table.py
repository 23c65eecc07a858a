"""Tables of text: aligned, and with every cell as it was."""

from __future__ import annotations

from unicodedata import east_asian_width

import pytest

from mindrec_bench.report.text_table import format_columns, format_table, shorten_columns, wrap_sentences


def terminal_width(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def test_the_first_column_is_left_aligned_and_the_others_right_aligned():
    assert format_columns([("users", "5,000", "45,141"), ("a long name", "1", "")], ("", "first", "all")) == [
        "             first     all",
        "users        5,000  45,141",
        "a long name      1",
    ]


def test_a_column_that_is_empty_below_its_heading_is_left_out():
    assert format_columns([("users", "7", "")], ("", "here", "paper")) == ["       here", "users     7"]


def test_more_columns_can_be_left_aligned_and_headings_left_out():
    assert format_columns([("a", "", "bb", "1"), ("aa", "", "b", "22")], n_left=3) == ["a   bb   1", "aa  b   22"]


def test_no_rows_are_no_lines():
    assert format_columns([]) == []


@pytest.mark.parametrize("cell", ["1e3", "0010", "1_000", "nan", "True", "None", "0.50000", "1,000.10", "-0", "inf"])
def test_numbers_are_not_reformatted(cell: str):
    assert format_columns([("a", cell), ("b", "x")], ("", "n"))[1].split() == ["a", cell]


@pytest.mark.parametrize("cell", ["  leading", "trailing  ", "a|b", "back\\slash", "<script>", "a & b", "%s {0} \\n"])
def test_cells_stay_as_they_are(cell: str):
    (line, other) = format_table([(cell, "1"), ("x" * 20, "2")], "plain")
    assert line == f"{cell:<20}  1"
    assert other == f"{'x' * 20}  2"
    assert format_table([(cell, "1")], "pipe", headings=("", "n"))[2] == f"| {cell} |   1 |"


@pytest.mark.parametrize("cell", ["two\nlines", "two\r\nlines", "two\x00lines", "two\x1blines", "two\u2028lines"])
def test_control_characters_become_spaces(cell: str):
    """Else a cell would make a line of its own, or give commands to the terminal."""
    assert format_columns([(cell, "1")]) == ["two lines  1"]


def test_no_cell_is_a_separating_line_of_tabulate():
    assert format_columns([("a", "1"), ("\x01", "2"), ("b", "\x01")]) == ["a  1", "   2", "b"]


def test_wide_characters_take_two_columns():
    lines = format_columns([("日本語", "1"), ("abcdef", "22"), ("x", "ｆ")], ("名", "n"))
    assert lines == ["名       n", "日本語   1", "abcdef  22", "x       ｆ"]
    assert {terminal_width(line) for line in lines} == {10}
    markdown = format_table([("日本", "1")], "pipe", headings=("", "語"))
    assert {terminal_width(line) for line in markdown} == {15}


def test_colours_take_no_width():
    bold = "\x1b[1m5\x1b[0m"
    assert format_columns([("a", bold), ("b", "10")]) == [f"a   {bold}", "b  10"]


def test_only_columns_that_may_be_cut_are_cut_the_longest_first():
    rows = [["0123456789abcdef", "a long name of a model", "12 characters"], ["id", "short", ""]]
    cut = shorten_columns(rows, ["run", "model", "note"], width=45, shorten=(1, 2))
    assert cut == [["0123456789abcdef", "a long name…", "12 characters"], ["id", "short", ""]]
    lines = format_columns(cut, ["run", "model", "note"], n_left=3)
    assert max(map(len, lines)) == 45
    assert shorten_columns(rows, ["run", "model", "note"], width=100, shorten=(1, 2)) == rows
    narrow = shorten_columns(rows, ["run", "model", "note"], width=10, shorten=(1, 2))
    assert narrow[0][1:] == ["a long …", "12 char…"], "no cell is cut to nothing"


def test_sentences_are_wrapped_and_tables_and_commands_are_not():
    table, command = "name      value     other", "again: mrbench run --model markov --decoder bs"
    text = f"{table}\n  a sentence that is longer\n{command}\nhttps://example.org/a-long-address\n\nend"
    assert wrap_sentences(text, 20).split("\n") == [
        table, "  a sentence that is", "  longer", command, "https://example.org/a-long-address", "", "end",
    ]  # fmt: skip
