"""Rankings made elsewhere get the same numbers as our own, and all issues of a file are reported at once."""

from __future__ import annotations

import shlex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.interchange.score import ExternalRankings, score_file
from mindrec_bench.metrics.names import SEARCH_METRICS
from mindrec_bench.report.compare import compare_runs, to_text
from mindrec_bench.report.run_text import run_text
from mindrec_bench.report.table_spec_io import parse_table_spec
from mindrec_bench.report.tables.build import build_table
from mindrec_bench.store.runs import find_run, find_runs

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"
BEAM = 3


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=USERS, items=50).load(None, users=None)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The summary and the rankings of a run, which are scored again as if they were made elsewhere."""
    root = tmp_path_factory.mktemp("runs")
    summary = run_experiment(
        ExperimentConfig("markov", "rank-items", DATA, beam=BEAM), ExecutionOptions(runs_dir=root, device="cpu")
    ).run
    return summary, pq.ParquetFile(summary.path / "rankings.parquet").read()


@pytest.fixture
def score(tmp_path, notices):
    """score(table, name="mine", suffix=".parquet", **fields): the summary of these rankings."""

    def run(table, name="mine", suffix=".parquet", **fields):
        path = tmp_path / f"file{suffix}"
        (pq.write_table if suffix == ".parquet" else csv.write_csv)(table, path)
        external = ExternalRankings(path, name, **{"data": DATA, **fields})
        return score_file(external, runs_dir=tmp_path / "runs")

    run.notices = notices
    return run


def lists(users=USERS, **columns):
    """Rankings of items 0, 1, 2 for each user, with some columns replaced; None leaves a column out."""
    size = users * BEAM
    table = {
        "user": np.repeat(np.arange(users), BEAM),
        "rank": np.tile(np.arange(1, BEAM + 1), users),
        "item": np.tile(["0", "1", "2"], users),
    }
    table |= {name: value(size) if callable(value) else value for name, value in columns.items()}
    return pa.table({name: value for name, value in table.items() if value is not None})


def changed(column, row, value):
    """A column of `lists()` with one value replaced."""
    values = lists()[column].to_pylist()
    values[row] = value
    return values


METRICS = ("hr@1", "hr@3", "ndcg@3", "entropy", "ttr", "valid", "duplicates", "coverage", "popularity")


def as_codes(table):
    return table.select(["user", "rank", "codes", "score"])


def as_texts(table):
    """Codes like <a_11>, the category codes left out."""
    lists = [codes[-4:] for codes in table["codes"].to_pylist()]
    texts = [[f"<{letter}_{number}>" for letter, number in zip("abcd", codes, strict=True)] for codes in lists]
    return table.select(["user", "rank"]).append_column("codes", pa.array(texts))


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: t,
        lambda t: t.select(["user", "rank", "item"]),
        lambda t: t.select(["user", "rank", "item"]).set_column(0, "user", t["user"].cast(pa.string())),
        lambda t: t.take(np.random.default_rng(0).permutation(len(t))),
        as_codes,
        as_texts,
        lambda t: as_codes(t).append_column("item", pa.nulls(len(t))),
    ],
    ids=["stored", "items", "users as text", "any order", "codes", "codes as text", "empty items"],
)
def test_the_rankings_of_a_run_get_the_scores_of_the_run(stored, score, shape):
    run, table = stored
    scored = score(shape(table))
    assert {name: scored.summary.metrics[name] for name in METRICS} == {
        name: run.summary.metrics[name] for name in METRICS
    }
    assert scored.summary.optimum == run.summary.optimum
    assert (scored.spec.beam, scored.spec.data.users, scored.summary.users_asked) == (BEAM, USERS, 5000)
    assert scored.summary.slots.sid_codes == run.summary.slots.sid_codes
    a, b = (pq.read_table(run.path / "metrics.parquet") for run in (run, scored))
    assert a.select(b.column_names).equals(b)
    assert set(a.column_names) - set(b.column_names) <= set(SEARCH_METRICS), (
        "search error can't be computed from rankings alone"
    )


def test_csv(stored, score):
    run, table = stored
    texts = [" ".join(map(str, codes)) for codes in table["codes"].to_pylist()]
    rows = table.select(["user", "rank", "item", "score"])
    items, codes = (score(t, suffix=".csv") for t in (rows, rows.drop_columns("item").append_column("codes", [texts])))
    assert items.summary.metrics == codes.summary.metrics == run.summary.metrics


def test_where_the_run_is_stored_and_what_its_summary_says(stored, score, tmp_path):
    scored = score(stored[1], name="my-model", seed=7)
    assert scored.path == tmp_path / "runs" / "arts-sim" / "my-model" / "external" / scored.id
    assert {path.name for path in scored.path.iterdir()} >= {
        "spec.json", "rankings.parquet", "metrics.parquet", "summary.json",
    }  # fmt: skip
    rankings = pq.read_table(scored.path / "rankings.parquet")
    assert rankings["item"].equals(stored[1]["item"])
    assert {len(codes) for codes in rankings["codes"].to_pylist()} == {4}
    assert shlex.split(scored.summary.command) == [
        "mrbench", "score", str(tmp_path / "file.parquet"), "--name", "my-model", "--data", DATA, "--seed", "7",
    ]  # fmt: skip
    assert find_run(tmp_path / "runs", scored.id).summary.model == "my-model"
    assert "my-model x external on arts-sim" in run_text(scored)


def test_the_content_is_the_identity(stored, score):
    table = stored[1]
    first, again = score(table), score(table)
    assert again == first
    assert score.notices == ["these rankings are already scored"]
    assert score(table.slice(0, len(table) - 1)).id != first.id != score(table, seed=1).id


def test_users_left_out_are_refused_or_count_as_misses(stored, score):
    table = stored[1].slice(6 * BEAM)
    with pytest.raises(
        DataError, match=r"6 users without rows out of 60, .*--allow-missing .* \(user 0, user 1, user 2, \.\.\.\)"
    ):
        score(table)
    scored = score(table, allow_missing=True)
    whole = score(stored[1])
    per_user = [run.per_user()["hr@3"] for run in (whole, scored)]
    assert per_user[1].tolist() == [0.0] * 6 + per_user[0][6:].tolist()
    assert scored.summary.missing_users == 6
    assert any("6 of 60 users have no rankings" in note for note in scored.summary.notes)


def test_eval_users_and_users(stored, score):
    few = stored[1].slice(0, 7 * BEAM)
    scored = score(few, eval_users=7)
    assert (scored.spec.eval_users, scored.spec.data.users) == (7, USERS)
    with pytest.raises(DataError, match=r"159 rows of users that are not evaluated \(user 7, user 8, user 9, \.\.\.\)"):
        score(stored[1], eval_users=7)
    assert score(few, users=7).spec.data.users == 7


def test_shorter_lists_than_the_beam(stored, score):
    assert score(stored[1], beam=10).spec.beam == 10
    with pytest.raises(DataError, match="60 rows beyond rank 2, the beam"):
        score(stored[1], beam=2)


def test_scores_are_kept(stored, score):
    rankings = pq.read_table(score(stored[1]).path / "rankings.parquet")
    assert rankings["score"].equals(stored[1]["score"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": lambda n: np.full(n, 99)}, r"180 rows of users that are not evaluated \(user 99, \.\.\.\)"),
        ({"user": lambda n: ["x"] * n}, "the column user must hold whole numbers, not 'x'"),
        ({"user": changed("user", 5, None)}, r"rows without user \(row 6\)"),
        ({"rank": changed("rank", 4, 1)}, r"ranks that occur twice \(user 1\); gaps .* \(user 1\)"),
        ({"rank": changed("rank", 3, 0)}, r"ranks below 1 \(rank 0\)"),
        ({"rank": changed("rank", 5, 4)}, r"gaps in the ranks from 1 on \(user 1\)"),
        ({"rank": lambda n: np.tile([2, 3, 4], n // 3)}, r"60 gaps in the ranks from 1 on \(user 0, user 1"),
        ({"rank": lambda n: np.full(n, 1.5)}, "the column rank must hold whole numbers, not double"),
        ({"item": changed("item", 7, "hat")}, r"rows with unknown items \(item hat\)"),
        ({"item": changed("item", 7, None)}, r"rows without item \(row 8\)"),
        ({"item": lambda n: [["0"]] * n}, r"180 rows with unknown items \(item \[\"0\"\], \.\.\.\)"),
        ({"score": lambda n: np.full(n, -np.inf)}, r"180 infinite scores, .*\(row 1, .*; .*leave those rows out"),
        ({"score": lambda n: np.tile([3.0, 1.0, 2.0], n // 3)}, r"60 scores that rise with the rank \(user 0,"),
        ({"score": lambda n: [float("nan")] + [0.0] * (n - 1)}, r"scores that are not numbers \(row 1\)"),
        ({"score": lambda n: ["high"] * n}, "the column score must hold numbers, not 'high'"),
        ({"item": None, "codes": lambda n: [[1, 2]] * n}, r"180 rows that do not have 4 or 7 codes, of lengths"),
        ({"item": None, "codes": lambda n: [[9999, 0, 0, 0]] * n}, r"codes that no item has there \(9999 in"),
        ({"item": None, "codes": lambda n: ["<a_1> x y <d_2>"] * n}, r"numbers nor like <a_11> \(x, y\)"),
        ({"item": None, "codes": lambda n: [[1, None, 3, 4]] * n}, r"\(an empty one\)"),
        ({"item": None, "codes": lambda n: np.arange(n)}, "the column codes must hold lists of codes, not int64"),
    ],
)  # fmt: skip
def test_wrong_rows_are_refused(score, columns, message):
    with pytest.raises(DataError, match=rf"file\.parquet can't be scored: .*{message}"):
        score(lists(**columns))


def test_an_item_with_the_codes_of_another_is_refused(score, data):
    wrong = [data.sids[1].tolist()] * (USERS * BEAM)
    with pytest.raises(DataError, match="120 rows whose item has other codes"):
        score(lists(codes=wrong))


def test_all_issues_are_named_at_once(score):
    table = lists(
        user=changed("user", 0, 99),
        rank=changed("rank", 4, 3),
        item=changed("item", 9, "hat"),
        score=np.arange(USERS * BEAM),
    )
    with pytest.raises(DataError) as refused:
        score(table)
    for issue in ("users that are not evaluated", "ranks that occur twice", "unknown items", "scores that rise"):
        assert str(refused.value).count(issue) == 1
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lists(user=None), "has no column user; it needs"),
        (lists(item=None, rank=None), "has no column rank and no column item or codes"),
        (lists().slice(0, 0), "has no rows"),
        (pa.concat_tables([lists()]).append_column("rank", lists()["rank"]), "has several columns called rank"),
    ],
)
def test_files_without_the_required_columns_are_refused(score, table, message):
    with pytest.raises(DataError, match=message):
        score(table)


def test_files_that_can_not_be_read_are_refused(tmp_path):
    (tmp_path / "x.parquet").write_text("no")
    for name, message in (("x.parquet", "can't be read as parquet"), ("y.csv", "there is no file"), ("..", "no file")):
        with pytest.raises(DataError, match=message):
            score_file(ExternalRankings(tmp_path / name, "mine", DATA))
    (tmp_path / "x.txt").write_text("no")
    with pytest.raises(DataError, match=r"is neither \.parquet nor \.csv"):
        score_file(ExternalRankings(tmp_path / "x.txt", "mine", DATA))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "../up"}, "--name is '../up'"),
        ({"name": "a:b"}, "--name is 'a:b'"),
        ({"name": "markov"}, "a model that mrbench runs itself"),
        ({"beam": 0}, "--beam is 0"),
        ({"users": 0}, "--users is 0"),
        ({"seed": -1}, "--seed is -1"),
        ({"data": "artz"}, "did you mean 'arts'"),
    ],
)
def test_wrong_arguments_are_refused(score, fields, message):
    with pytest.raises(UsageError, match=message):
        score(lists(), **fields)


def test_scored_rankings_enter_tables_and_comparisons(stored, score, tmp_path):
    ours = run_experiment(
        ExperimentConfig("pop", "rank-items", DATA, beam=BEAM),
        ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu"),
    ).run
    scored = score(stored[1], name="my-model")
    spec = parse_table_spec(
        f'title = "t"\ndata = ["{DATA}"]\nmetrics = ["hr@3", "entropy"]\nbeam = {BEAM}\nreference = "pop"\n'
        '[[rows]]\nlabel = "pop"\nmodel = "pop"\ndecoder = "rank-items"\n'
        '[[rows]]\nlabel = "mine"\nmodel = "my-model"\ndecoder = "external"\n'
        '[[rows]]\nlabel = "other"\nmodel = "other-model"\ndecoder = "external"\n',
        "t",
        "t.toml",
    )
    table = build_table(spec, find_runs(tmp_path / "runs"), resamples=100)
    cells = table.rows[1].cells
    assert [cell.value for cell in cells] == pytest.approx([scored.summary.metrics[m] for m in ("hr@3", "entropy")])
    assert all(cell.comparison for cell in cells)
    assert table.rows[2].missing[DATA] == (f"mrbench score FILE --name other-model --data {DATA} --beam {BEAM}",)
    assert scored.id in to_text(compare_runs([ours, scored], resamples=100))


ROWS = "".join(f"{user},{rank},{rank - 1}\n" for user in range(USERS) for rank in (1, 2, 3))
TEXTS = {
    "CR line ends": ("user,rank,item\n" + ROWS).replace("\n", "\r"),
    "semicolons": ("user,rank,item\n" + ROWS).replace(",", ";"),
    "padded header": "user , rank , item\n" + ROWS,
    "floats": "user,rank,item\n" + ROWS.replace(",", ".0,"),
    "a byte order mark": "\ufeffuser,rank,item\n" + ROWS,
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_read_as_an_import_reads_it(score, tmp_path, kind):
    (tmp_path / "other.csv").write_bytes(TEXTS[kind].encode())
    external = ExternalRankings(tmp_path / "other.csv", "mine", DATA)
    scored = score_file(external, runs_dir=tmp_path / "runs")
    assert scored.summary.metrics == score(lists()).summary.metrics


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ROWS.replace("5,2,1", '5,2,"1'), r"line 18 of .* has a quoted field that does not end .*; close the quote or"),
        (
            ROWS.replace("5,2,1", "5,2,é", 1),
            r"can't be scored: rows that are not UTF-8 text \(row 18\); correct the file",
        ),
        (ROWS.replace("5,2,1", "5,2"), r"can't be scored: .*rows with more or fewer fields than the header \(row 18"),
        ("", "has no rows; it needs user"),
    ],
)
def test_broken_text_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(("user,rank,item\n" + content).encode("latin-1"))
    with pytest.raises(DataError, match=message) as error:
        score_file(ExternalRankings(path, "mine", DATA), runs_dir=tmp_path / "runs")
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value), "the options of an import are none of this command"
