"""Golden tables: the same data in every format, compared as text."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.report.table_spec_io import load_table_spec, parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.report.tables.csv_json import to_csv, to_json
from mindrec_bench.report.tables.html import to_html
from mindrec_bench.report.tables.latex import escape, to_latex
from mindrec_bench.report.tables.markdown import to_markdown
from mindrec_bench.report.tables.render import FILE_ENDINGS, TableFormat, render_tables, save_tables
from mindrec_bench.report.tables.table import Table, TableCell, TableRow, TtrBound
from mindrec_bench.report.tables.terminal import to_text
from mindrec_bench.stats.comparison import Comparison

TEXT = """
title = "50% & more_or_less"
data = ["arts"]
metrics = ["hr@1", "entropy", "ttr"]
reference = "ours <1>"
notes = ["a_b costs $5 #1"]
[[rows]]
label = "ours <1>"
model = "markov"
decoder = "bs"
published.arts = ["0.0280", "8.738", "-"]
[[rows]]
label = "theirs"
model = "pop"
decoder = "bs"
[[rows]]
label = "missing"
model = "markov"
decoder = "dbs-dedup"
"""


@pytest.fixture
def table() -> Table:
    spec = parse_table_spec(TEXT, "mine", "mine.toml")
    worse = Comparison("hr@1", "mcnemar", -0.0086, -0.013, -0.004, 0.0002, 0.0004, 0.0066, -0.05, 10, 53, 4937)
    close = Comparison("entropy", "swap", 0.012, -0.01, 0.03, 0.3, 0.3, 0.021)
    rows = (
        TableRow(
            "ours <1>",
            (
                TableCell(0.0268, "0.0280", (0.0224, 0.0314), None, 1),
                TableCell(8.75, "8.738", None, None, 2),
                TableCell(0.00505),
            ),
            runs={"arts": ("abc",)},
        ),
        TableRow(
            "theirs",
            (
                TableCell(0.0182, None, (0.0146, 0.022), worse, 2),
                TableCell(8.762, None, None, close, 1),
                TableCell(0.00505),
            ),
            runs={"arts": ("def",)},
        ),
        TableRow(
            "missing",
            (TableCell(), TableCell(), TableCell()),
            missing={"arts": ("mrbench run --decoder dbs-dedup",)},
        ),
    )
    bounds = {"arts": TtrBound(1010, 200_000, {"ours <1>": 200_000, "theirs": 200_000})}
    return Table(
        spec,
        tuple(("arts", m) for m in spec.metrics),
        rows,
        {"arts": 5000},
        {"arts": "ours <1>"},
        bounds,
        10_000,
        "randomisation",
    )


def test_github(table: Table) -> None:
    assert to_markdown(table).splitlines()[2:] == [
        "|              |            HR@1↑ |       Entropy↑ |    TTR↑ |",
        "|:-------------|-----------------:|---------------:|--------:|",
        r"| ours \<1\>   |       **0.0268** |   <u>8.750</u> | 0.00505 |",
        "| *published*  | 0.0280 (-0.0012) | 8.738 (+0.012) |         |",
        r"| theirs       |  <u>0.0182</u>\* |      **8.762** | 0.00505 |",
        "| *detectable* |          ±0.0066 |         ±0.021 |         |",
        "| missing      |                - |              - |       - |",
        "",
        r"- a\_b costs $5 #1",
        "- TTR on arts can't exceed 0.00505: 1,010 codes over 200,000 tokens (5,000 users, 10 results of 4 codes).",
        "- missing on arts: `mrbench run --decoder dbs-dedup`",
    ]


def test_latex(table: Table) -> None:
    text = to_latex(table)
    body = text[text.index(r"\begin{tabular}") : text.index(r"\end{tabular}")]
    assert [" ".join(line.split()) for line in body.splitlines()] == [
        r"\begin{tabular}{@{}lrrr@{}}",
        r"\toprule",
        r"& HR@1$\uparrow$ & Entropy$\uparrow$ & TTR$\uparrow$ \\",
        r"\midrule",
        r"ours \textless{}1\textgreater{} & \textbf{0.0268} & \underline{8.750} & 0.00505 \\",
        r"\quad\textit{\scriptsize published} & {\scriptsize 0.0280 (-0.0012)} & {\scriptsize 8.738 (+0.012)} & \\",
        r"theirs & \underline{0.0182}$^{*}$ & \textbf{8.762} & 0.00505 \\",
        r"\quad\textit{\scriptsize detectable} & {\scriptsize $\pm$0.0066} & {\scriptsize $\pm$0.021} & \\",
        r"missing & -- & -- & -- \\",
        r"\bottomrule",
    ]
    assert r"\caption{50\% \& more\_or\_less." in text
    assert text.index(r"\rule{\linewidth}") < text.index("a\\_b costs"), "footnotes under a rule"
    assert "a\\_b costs \\$5 \\#1\\\\\n" in text
    assert r"mrbench run -{}-decoder dbs-dedup" in text
    assert r"* differs from `ours \textless{}1\textgreater{}' at 0.05" in text


def test_html(table: Table) -> None:
    text = to_html([table])
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    assert body.splitlines()[1:] == [
        '<tr class="values reference"><th scope="row">ours &lt;1&gt;</th><td><b>0.0268</b></td><td><u>8.750</u></td>'
        "<td>0.00505</td></tr>",
        '<tr class="published"><th scope="row">published</th><td>0.0280 (-0.0012)</td><td>8.738 (+0.012)</td>'
        "<td></td></tr>",
        '<tr class="values"><th scope="row">theirs</th><td><u>0.0182</u><sup>*</sup></td><td><b>8.762</b></td>'
        "<td>0.00505</td></tr>",
        '<tr class="detectable"><th scope="row">detectable</th><td>±0.0066</td><td>±0.021</td><td></td></tr>',
        '<tr class="values"><th scope="row">missing</th><td>–</td><td>–</td><td>–</td></tr>',
    ]
    assert "<li>missing on arts: <code>mrbench run --decoder dbs-dedup</code></li>" in text
    assert "http" not in text.replace("http-equiv", "")


def test_html_is_balanced(table: Table) -> None:
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(to_html([table, build_table(load_table_spec("table2"), [])]))
    assert open_tags == []


def test_text(table: Table) -> None:
    lines = to_text(table).splitlines()
    start = next(i for i, line in enumerate(lines) if "HR@1↑" in line)
    assert [line.split() for line in lines[start + 2 : start + 8]] == [
        ["ours", "<1>", "0.0268", "8.750", "0.00505"],
        ["published", "0.0280", "(-0.0012)", "8.738", "(+0.012)"],
        ["theirs", "0.0182*", "8.762", "0.00505"],
        ["detectable", "±0.0066", "±0.021"],
        ["missing", "-", "-", "-"],
        [],
    ]
    assert lines[-1] == "- missing on arts: mrbench run --decoder dbs-dedup"
    assert "\x1b" not in "".join(lines)


def test_text_for_a_terminal_has_bold_and_underlined_values(table: Table) -> None:
    text = to_text(table, colour=True)
    assert "\x1b[1m0.0268\x1b[0m" in text
    assert "\x1b[4m8.750\x1b[0m" in text


def test_intervals(table: Table) -> None:
    assert "| **0.0268 [0.0224, 0.0314]** |" in " ".join(to_markdown(table, with_intervals=True).split())


def test_csv(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(rows) == 9
    assert (rows[0]["value"], rows[0]["published"], rows[0]["low"], rows[0]["runs"]) == (
        "0.0268",
        "0.0280",
        "0.0224",
        "abc",
    )
    assert float(rows[0]["difference_from_published"]) == pytest.approx(-0.0012)
    assert (rows[3]["reference"], rows[3]["test_test"], rows[3]["test_p_holm"]) == ("ours <1>", "mcnemar", "0.0004")
    assert rows[8]["missing"] == "mrbench run --decoder dbs-dedup"


def test_json(table: Table) -> None:
    content = json.loads(to_json(table))
    cell = content["rows"][1]["cells"][0]
    assert (cell["value"], cell["place"], cell["significant"]) == (0.0182, 2, True)
    assert cell["comparison"]["detectable"] == 0.0066
    assert content["rows"][2]["missing"] == {"arts": ["mrbench run --decoder dbs-dedup"]}


def test_counts_have_thousands_and_show_differences_only() -> None:
    lines = to_markdown(build_table(load_table_spec("table1"), [])).splitlines()
    line = " ".join(next(line for line in lines if line.startswith("| *published*")).split())
    assert "| 24,771 (+1) | 9,921 (+1) | 206,153 |" in line
    assert "| 204,439 (-153,893) |" in line


def test_latex_escapes_everything() -> None:
    assert escape(r"\a&b%c$d#e_f{g}h~i^j<k>") == (
        r"\textbackslash{}a\&b\%c\$d\#e\_f\{g\}h\textasciitilde{}i\textasciicircum{}j\textless{}k\textgreater{}"
    )


HOSTILE = (
    "a|b", "two\nlines", "<script>alert(1)</script>", "back\\slash", "  spaces  ", "日本語", "\x01", "[optional]", "*",
    "{{ 7 * 7 }} {% raw %}", "a & b \\\\ c", "<!-- \"quoted' -->", "\x1b]0;title\x07",
)  # fmt: skip
"""Labels and names of datasets that mean something to one of the formats."""

ONE_LINE = [" ".join(re.sub(r"[\x00-\x1f]", " ", label).split()) for label in HOSTILE]
"""What is shown of them where white space does not count."""


@pytest.fixture
def hostile_table() -> Table:
    row = '[[rows]]\nlabel = "row"\nmodel = "markov"\ndecoder = "bs"'
    head = f'title = "<b>mine</b>"\ndata = {json.dumps(HOSTILE[:2])}\nmetrics = ["hr@1"]\nnotes = ["it costs $5"]\n'
    spec = parse_table_spec(head + row, "mine", "mine.toml")
    rows = tuple(TableRow(label, (TableCell(0.5, rank=1), TableCell())) for label in HOSTILE)
    columns = tuple((data, "hr@1") for data in spec.data)
    return Table(spec, columns, rows, dict.fromkeys(spec.data, 5), {}, {}, 10, "randomisation")


def lines_between(text: str, first: str, last: str) -> list[str]:
    """The lines after the first line that contains `first`, up to the next that contains `last`."""
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if first in line) + 1
    return lines[start : next(number for number in range(start, len(lines)) if last in lines[number])]


def test_hostile_labels_in_text(hostile_table: Table) -> None:
    text = to_text(hostile_table)
    rows = lines_between(text, "───", "costs")[:-1]
    assert [row.rpartition("0.5000")[0].split() for row in rows] == [label.split() for label in ONE_LINE]
    assert rows[4].startswith("   spaces  "), "leading spaces are kept"
    ends = [sum(2 if east_asian_width(char) in "WF" else 1 for char in row) for row in rows]
    assert len(set(ends)) == 1, "columns are aligned"
    assert re.findall(r"[\x00-\x09\x0b-\x1f]", text) == []


def test_hostile_labels_in_github(hostile_table: Table) -> None:
    rows = lines_between(to_markdown(hostile_table), "|:--", "costs")[:-1]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", row)] for row in rows]
    assert {(len(row), *row[2:]) for row in cells} == {(5, "**0.5000**", "-", "")}
    labels = [re.match(r"\| (.*?) +\| +\*\*0", row) for row in rows]
    assert [re.sub(r"\\(.)", r"\1", label[1]).strip() for label in labels if label] == [
        label if label.strip() else "" for label in (re.sub(r"[\x00-\x1f]", " ", label).strip() for label in HOSTILE)
    ]
    assert [row for row in rows if re.search(r"(?<!\\)[<>]", row.replace("**0", ""))] == []


def test_hostile_labels_in_latex(hostile_table: Table) -> None:
    rows = lines_between(to_latex(hostile_table), "\\midrule", "\\bottomrule")
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", row.removesuffix(r" \\"))] for row in rows]
    assert [" ".join(row[0].split()) for row in cells] == [escape(label) for label in ONE_LINE]
    assert {tuple(row[1:]) for row in cells} == {(r"\textbf{0.5000}", "--")}
    assert [row[0] for row in cells[7:9]] == ["{[}optional]", "{*}"], "not an argument of the line break before"


def test_hostile_labels_in_html(hostile_table: Table) -> None:
    tags: set[str] = set()
    headings: list[str] = []

    class Reader(HTMLParser):
        in_heading = False

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.add(tag)
            if tag == "th":
                self.in_heading = True
                headings.append("")

        def handle_endtag(self, tag: str) -> None:
            self.in_heading = self.in_heading and tag != "th"

        def handle_data(self, data: str) -> None:
            if self.in_heading:
                headings[-1] += data

        def handle_comment(self, data: str) -> None:
            raise AssertionError(f"a comment: {data}")

    page = to_html([hostile_table])
    Reader().feed(page)
    assert headings == ["", *HOSTILE[:2], "", "HR@1↑", "HR@1↑", *HOSTILE]
    assert "script" not in tags
    assert "<title>&lt;b&gt;mine&lt;/b&gt;</title>" in page
    assert page.count("<td><b>0.5000</b></td><td>–</td>") == len(HOSTILE)


def test_hostile_labels_in_csv_and_json(hostile_table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(hostile_table), newline="")))
    assert [row["row"] for row in rows] == [label for label in HOSTILE for _ in range(2)]
    assert [row["label"] for row in json.loads(to_json(hostile_table))["rows"]] == list(HOSTILE)


@pytest.mark.parametrize("render", [to_markdown, to_latex, to_text, to_csv, to_json, lambda table: to_html([table])])
def test_the_same_runs_give_the_same_bytes(store_run: Callable[..., Any], render: Callable[[Table], str]) -> None:
    spec = parse_table_spec(TEXT, "mine", "mine.toml")
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=1)]
    first, second = (render(build_table(spec, order, resamples=300)) for order in (runs, runs[::-1]))
    assert first == second


@pytest.mark.parametrize("table_format", FILE_ENDINGS)
def test_files_hold_the_text_of_their_table(table: Table, tmp_path: Path, table_format: TableFormat) -> None:
    other = build_table(load_table_spec("table1"), [])
    paths = save_tables([table, other], tmp_path / "out", table_format)
    assert [path.name for path in paths] == [f"{name}.{FILE_ENDINGS[table_format]}" for name in ("mine", "table1")]
    for one, path in zip((table, other), paths, strict=True):
        assert path.read_text(encoding="utf-8") == render_tables([one], table_format)


@pytest.mark.parametrize("table_format", ["text", "github", "latex", "csv"])
def test_several_tables_are_joined_by_an_empty_line(table: Table, table_format: TableFormat) -> None:
    single = render_tables([table], table_format)
    assert render_tables([table, table], table_format) == f"{single}\n{single}".replace("\n\n\n", "\n\n")


def test_several_tables_are_one_json_list_and_one_page(table: Table) -> None:
    assert [content["name"] for content in json.loads(render_tables([table, table], "json"))] == ["mine", "mine"]
    page = render_tables([table, table], "html")
    assert (page.count("<figure"), page.count("<html")) == (2, 1)


def test_a_folder_that_can_not_be_written(table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match="can be written with --out"):
        save_tables([table], tmp_path / "file", "csv")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX: install Debian's texlive-latex-recommended")
@pytest.mark.parametrize("options", ["", "[twocolumn]"])
def test_latex_fits_its_page(table: Table, tmp_path: Path, options: str) -> None:
    """In the narrowest of the common text widths, and in two columns."""
    names = ("table1", "table2", "table3", "table6", "benchmark-2014")
    tables = [table, *(build_table(load_table_spec(name), []) for name in names)]
    body = "\n\\clearpage\n".join(to_latex(one) for one in tables)
    head = f"\\documentclass{options}{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n"
    (tmp_path / "t.tex").write_text(f"{head}{body}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"Overfull \\hbox|Float too large", done.stdout)


def test_latex_wider_than_a_page_is_split_by_dataset_and_metric() -> None:
    text = to_latex(build_table(load_table_spec("table2"), []))
    heads = [re.findall(r"\\multicolumn{\d}{c}{(\w+)}", part) for part in text.split(r"\begin{table*}")[1:]]
    assert heads[:3] in ([["instruments", "arts", "games"]], [["instruments"], ["arts"], ["games"]])
    assert text.count(r"\label{") == 1
    assert text.count(r"\addtocounter{table}{-1}") == text.count(r"\caption{") - 1
    spec = parse_table_spec(
        'title = "t"\ndata = ["arts"]\nmetrics = ["hr@1", "hr@3", "hr@5", "hr@10", "ndcg@3"]\n'
        f'[[rows]]\nlabel = "{"a long label " * 4}"\nmodel = "markov"\ndecoder = "bs"', "mine", "mine.toml"
    )  # fmt: skip
    cells = tuple(TableCell(0.5, published="0.4") for _ in spec.metrics)
    columns = tuple(("arts", metric) for metric in spec.metrics)
    wide = Table(spec, columns, (TableRow(spec.rows[0].label, cells),), {"arts": 5}, {}, {}, 10, "randomisation")
    parts = [re.findall(r"(?:HR|NDCG)@\d+", part) for part in to_latex(wide).split(r"\toprule")[1:]]
    assert parts == [["HR@1", "HR@3"], ["HR@5", "HR@10", "NDCG@3"]]


def test_only_what_marks_the_best_says_so(table: Table) -> None:
    best = "Best in bold, second best underlined."
    assert best not in to_text(table)
    assert best not in to_json(table)
    marked = (to_text(table, colour=True), to_markdown(table), to_latex(table))
    assert all(best in " ".join(text.split()) for text in marked)
    unmarked = replace(table, rows=tuple(replace(row, cells=(TableCell(0.5),) * 3) for row in table.rows))
    assert best not in to_markdown(unmarked)


def test_html_scrolls_by_keyboard_and_says_why_a_row_is_shaded(table: Table) -> None:
    page = to_html([table])
    assert '<div class="scroll" tabindex="0" role="region" aria-labelledby="mine-caption">' in page
    assert "The shaded row is the one that the others are tested against.</figcaption>" in page
    assert "shaded" not in to_html([build_table(load_table_spec("table1"), [])])


@pytest.mark.parametrize("table_format", FILE_ENDINGS)
def test_no_format_changes_the_direction_of_writing(table: Table, table_format: TableFormat) -> None:
    label = "a\u202eb\u2066c \u05d0"
    row = replace(table.rows[0], label=label, note=label)
    text = render_tables([replace(table, rows=(row, *table.rows[1:]))], table_format)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
    assert "\u05d0" in text, "letters that are written from the right stay"
