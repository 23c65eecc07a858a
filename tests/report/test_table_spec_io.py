"""Table files: the installed ones, and what is refused in users' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.plugins.options import parse
from mindrec_bench.report.table_spec_io import installed_tables, load_table_spec, parse_table_spec

PAPER = [f"fig{i}" for i in (3, 4, 5)] + [f"table{i}" for i in range(1, 7)]
OURS = [
    "adaptive",
    "adaptive-categories",
    "adaptive-prefix",
    "attention",
    "benchmark-2014",
    "benchmark-2018",
    "decoder-costs",
    "search-error",
    "search-error-trained",
]

GOOD = """
title = "mine"
data = ["arts"]
metrics = ["hr@1", "ttr"]
reference = "a"
[[rows]]
label = "a"
model = "markov"
decoder = "rank-items"
published.arts = ["0.0280", "-"]
[[rows]]
label = "b"
model = "pop"
decoder = "bs"
categories = "none"
"""


def test_the_tables_of_the_paper_and_ours_are_installed() -> None:
    assert installed_tables() == sorted([*PAPER, *OURS])


@pytest.mark.parametrize("name", [*PAPER, *OURS])
def test_every_installed_table_loads(name: str) -> None:
    spec = load_table_spec(name)
    assert spec.name == name
    assert spec.paper.split()[1:] == ([name[-1]] if name in PAPER else [])
    figures = name.startswith("fig") or name == "decoder-costs"
    assert spec.kind == ("figure" if figures else "statistics" if name == "table1" else "table")


@pytest.mark.parametrize("name", [name for name in PAPER if name.startswith("table") and name != "table1"])
def test_accuracy_tables_show_the_baselines_that_learn_nothing(name: str) -> None:
    rows = {row.model: row for row in load_table_spec(name).rows if not row.published}
    assert {"markov", "pop"} <= set(rows)
    assert rows["markov"].decoder == rows["pop"].decoder == "rank-items"


def test_rows_that_docs_semantics_requires() -> None:
    assert {"dbs-penalty", "dbs-penalty:variant=released"} <= {row.decoder for row in load_table_spec("table6").rows}
    without = [
        row.decoder
        for row in load_table_spec("table3").rows
        if row.model == "llada" and row.settings.get("categories") == "none"
    ]
    assert without == ["dbs-penalty", "dbs-dedup", "dbs-dedup:propose=sample"]
    assert [row.settings["beam"] for row in load_table_spec("fig5").rows] == [1, 2, 5, 10, 20]


@pytest.mark.parametrize("name", [name for name in PAPER if name != "table1"])
def test_a_row_said_to_be_unregistered_is_so(name: str) -> None:
    """Once a model and its decoder are registered, the reason of the row must be removed."""
    for row in load_table_spec(name).rows:
        known = all(
            parse(text)[0] in registry.names(kind) for kind, text in (("model", row.model), ("decoder", row.decoder))
        )
        assert not (known and "not registered" in row.reason("")), f"{name}, {row.label}: take `absent` out"


def test_a_file_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    spec = load_table_spec(str(path))
    assert (spec.name, spec.users_of("arts"), spec.users_of("toys"), spec.seeds) == ("mine", 5000, None, (42,))
    assert (spec.setting("beam"), spec.setting("size")) == (10, "auto")
    assert spec.rows[0].published["arts"] == ("0.0280", "-")
    assert (
        spec.command(spec.rows[1], "arts", 42) == "mrbench run --model pop --decoder bs --data arts --categories none"
    )


def test_a_file_with_other_values_than_the_defaults() -> None:
    text = GOOD.replace('title = "mine"', 'title = "mine"\nusers = "all"\neval_users = 50\nbeam = 5\nseeds = [0, 1]')
    text += 'constrain = "catalogue"\nexclude_history = true\n'
    spec = parse_table_spec(text, "mine", "mine.toml")
    assert spec.users_of("arts") is None
    assert spec.command(spec.rows[1], "arts", 1, "small") == (
        "mrbench run --model pop --decoder bs --data arts --size small --categories none --users all "
        "--constrain catalogue --beam 5 --eval-users 50 --seed 1 --exclude-history"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "mine"', 'titel = "mine"', r"unknown key 'titel' in mine.toml \(did you mean 'title'\?\)"),
        ('title = "mine"', "", "mine.toml has no key 'title'"),
        (
            'title = "mine"',
            'title = "mine"\nusers = "many"',
            "'users' in mine.toml is 'many'; it must be a whole number or 'auto' or 'all'",
        ),
        ('title = "mine"', 'title = "mine"\nusers = 0', "'users' in mine.toml is 0; it must be at least 1"),
        ('title = "mine"', 'title = "mine"\nseeds = ["a"]', r"'seeds' in mine.toml is \['a'\]; its entries"),
        ('title = "mine"', 'title = "mine"\nbeam = true', "'beam' in mine.toml is true; it must be a whole number"),
        (
            'title = "mine"',
            'title = "mine"\nkind = "tabel"',
            r"unknown kind 'tabel' in mine.toml \(did you mean 'table'",
        ),
        ('"ttr"', '"tttr"', r"unknown metric 'tttr' in mine.toml \(did you mean 'ttr'\?\)"),
        ('reference = "a"', 'reference = "c"', "unknown reference 'c'"),
        ('reference = "a"', 'reference = ["a", "c"]', "unknown reference 'c'"),
        ('reference = "a"', 'findings = ["tr"]', r"unknown finding 'tr' in mine.toml \(did you mean 'ttr'"),
        ('reference = "a"', 'findings = ["mcnemar"]', "'mcnemar' in mine.toml needs a row to compare with"),
        ('label = "b"', 'label = "a"', "two rows of mine.toml are labelled 'a'"),
        ('label = "b"', 'label = " "', "row 2 of mine.toml has an empty label"),
        ('["hr@1", "ttr"]', '["hr@1", "Recall@1"]', "'metrics' in mine.toml has 'hr@1' twice; name it once"),
        ('["arts"]', '["arts", "arts"]', "'data' in mine.toml has 'arts' twice"),
        ('title = "mine"', 'title = "mine"\nseeds = [42, 1, 42]', "'seeds' in mine.toml has 42 twice"),
        ('label = "b"', 'lable = "b"', r"unknown key 'lable' in row 2 of mine.toml \(did you mean 'label'\?\)"),
        ('model = "pop"', 'model = "popp"', r"unknown model 'popp' in row 'b' of mine.toml \(did you mean 'pop'\?\)"),
        ('decoder = "bs"', 'decoder = "sb"', "unknown decoder 'sb' in row 'b' of mine.toml"),
        ('decoder = "bs"', 'decoder = "bs:width=3"', "row 'b' of mine.toml: 'bs' has no option 'width'"),
        ('decoder = "bs"', "", "row 'b' of mine.toml has no key 'decoder'"),
        ('categories = "none"', 'categories = "some"', "'categories' in row 2 of mine.toml is 'some'"),
        ('["0.0280", "-"]', '["0.0280"]', "has 1 published values on arts for 2 metrics"),
        ('["0.0280", "-"]', '[0.028, "-"]', "must be a number in quotes, as printed"),
        ('["0.0280", "-"]', '["x", "-"]', "must be a number in quotes, as printed"),
        ("published.arts", "published.games", "unknown data 'games' in row 'a'"),
        ('["arts"]', "[]", "at least one entry"),
        ("[[rows]]", "[[rows", "is not valid TOML"),
    ],
)
def test_wrong_files_are_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=message):
        parse_table_spec(GOOD.replace(old, new), "mine", "mine.toml")


FIGURE = """
title = "mine"
kind = "figure"
data = ["arts"]
metrics = ["hr@1"]
timings = ["ms_per_user"]
"""
POINT = '[[rows]]\nlabel = "decay={0}"\nmodel = "markov:decay={0}"\ndecoder = "bs"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FIGURE + POINT.format(0.5), r"row 'decay=0\.5' of mine\.toml has no key 'x'"),
        (
            f"{FIGURE}{POINT.format(0.5)}x = 1\n{POINT.format(0.2)}x = 1.0\n",
            r"rows 'decay=0\.5' and 'decay=0\.2' .* have the same x",
        ),
        (
            f"{FIGURE.replace('ms_per', 's_per')}{POINT.format(0.5)}x = 1\n",
            "unknown timing 's_per_user'.*mean 'ms_per_user'",
        ),
    ],
)
def test_wrong_figures_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_table_spec(text, "mine", "mine.toml")


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mine\.toml has no rows"):
        parse_table_spec('title = "x"\ndata = ["arts"]\nmetrics = ["hr@1"]', "mine", "mine.toml")


def test_a_row_with_published_values_only_may_name_an_unregistered_model() -> None:
    text = GOOD.replace('model = "pop"', 'model = "another"\nabsent = "their code is not public"')
    spec = parse_table_spec(text, "mine", "mine.toml")
    assert spec.rows[1].reason("arts") == "their code is not public"


CITING = """
title = "mine"
data = ["beauty", "arts"]
metrics = ["hr@10", "hr@1", "ndcg@10"]
[[rows]]
label = "ours and theirs"
model = "markov"
decoder = "rank-items"
cite = "TIGER"
[[rows]]
label = "theirs"
cite = "RPG"
"""


def test_a_row_cites_a_published_one() -> None:
    ours, theirs = parse_table_spec(CITING, "mine", "mine.toml").rows
    assert ours.published == {"beauty": ("0.0648", "-", "0.0384")}
    assert (ours.model, ours.absent) == ("markov", {})
    assert "arXiv 2305.05065, Table 1 (checked)" in ours.note
    assert theirs.published == {"beauty": ("0.0809", "-", "0.0464")}
    assert theirs.reason("beauty") == "published by others"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"RPG"', '"RPQ"', "row 'theirs' of mine.toml cites 'RPQ', which is no published row .did you mean 'RPG'"),
        ('"beauty", "arts"', '"arts"', "cites 'TIGER', which has no value on arts in hr@10, hr@1, ndcg@10"),
        ('cite = "RPG"', 'cite = "RPG"\npublished.beauty = ["0.1", "-", "-"]', "published values and cites 'RPG'"),
    ],
)
def test_wrong_citations_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_table_spec(CITING.replace(old, new), "mine", "mine.toml")


def test_a_reason_for_one_data_set_only() -> None:
    spec = load_table_spec("table2")
    mindrec = next(row for row in spec.rows if row.label == "MindRec")
    assert mindrec.reason("arts") == ""
    assert "no categories" in mindrec.reason("games")


@pytest.mark.parametrize(
    ("name", "message"),
    [("tabel2", r"unknown table 'tabel2' \(did you mean 'table2'\?\)"), ("no.toml", "no table file")],
)
def test_unknown_tables_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_table_spec(name)


def test_a_file_that_is_not_utf8_is_refused(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"the table .*mine\.toml is not UTF-8 text"):
        load_table_spec(str(path))
