"""Other tools compute our numbers from exported runs."""

from __future__ import annotations

import json
import math
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, MrbenchError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.interchange.export import escape_field, export_run, unescape_field
from mindrec_bench.interchange.score import ExternalRankings, score_file

from ..summaries import with_summary

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"
KS = (1, 3, 5, 10)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Rankings of items, of codes with duplicates, of some users, and rankings made elsewhere with gaps."""
    root = tmp_path_factory.mktemp("runs")
    execution = ExecutionOptions(runs_dir=root, device="cpu")
    summaries = {
        "items": run_experiment(ExperimentConfig("markov", "rank-items", DATA), execution).run,
        "duplicates": run_experiment(ExperimentConfig("markov", "bs", DATA), execution).run,
        "some users": run_experiment(ExperimentConfig("markov", "bs", DATA, eval_users=30, beam=4), execution).run,
    }
    assert summaries["duplicates"].summary.metrics["duplicates"] > 0.05
    rankings = pq.read_table(summaries["items"].path / "rankings.parquet")
    user, rank = rankings["user"].to_numpy(), rankings["rank"].to_numpy()
    keep = (user % 3 > 0) & (rank <= 1 + user % 10)
    pq.write_table(rankings.filter(keep), root / "file.parquet")
    external = ExternalRankings(root / "file.parquet", "mine", DATA, allow_missing=True)
    summaries["gaps"] = score_file(external, runs_dir=root)
    assert summaries["gaps"].summary.missing_users == 20
    return summaries


RUNS = pytest.mark.parametrize("name", ["items", "duplicates", "some users", "gaps"])
FORMATS = pytest.mark.parametrize("export_format", ["trec", "ranx", "parquet"])


def export(run, export_format, folder):
    return export_run(run, export_format, folder)


def read(path):
    """Read a file of any format, by the definition of the format, as query -> document -> score."""
    scores = defaultdict(dict)
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".parquet":
        rows = [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
    else:
        fields = [line.split() for line in path.read_text().splitlines()]
        assert {len(line) for line in fields} == {6 if ".run." in path.name else 4}
        rows = [(line[0], line[2], float(line[4 if ".run." in path.name else 3])) for line in fields]
    for query, document, score in rows:
        assert document not in scores[query], "trec_eval refuses a document that occurs twice"
        scores[query][document] = score
    return dict(scores)


def evaluate(results, qrels):
    """HR@k and NDCG@k by their definitions, from scores alone, averaged over the queries of the qrels."""
    values = defaultdict(list)
    for query, relevant in qrels.items():
        ranked = sorted(results[query], key=results[query].get, reverse=True)
        for k in KS:
            gains = [relevant.get(document, 0) / math.log2(index + 2) for index, document in enumerate(ranked[:k])]
            ideal = sum(1 / math.log2(index + 2) for index in range(min(k, len(relevant))))
            values[f"hr@{k}"].append(float(any(gains)))
            values[f"ndcg@{k}"].append(sum(gains) / ideal)
    return {name: np.mean(column) for name, column in values.items()}


@RUNS
@FORMATS
def test_an_independent_computation_gives_our_numbers(runs, name, export_format, tmp_path):
    run = runs[name]
    results, qrels = (read(path) for path in export(run, export_format, tmp_path))
    assert set(results) == set(qrels)
    assert len(qrels) == (run.spec.eval_users or run.spec.data.users)
    assert {len(documents) for documents in qrels.values()} == {1}
    ours = {metric: run.summary.metrics[metric] for metric in evaluate(results, qrels)}
    assert evaluate(results, qrels) == pytest.approx(ours, abs=1e-12)
    assert ours["hr@10"] > 0


@RUNS
@FORMATS
def test_scores_fall_strictly_even_in_single_precision(runs, name, export_format, tmp_path):
    results = read(export(runs[name], export_format, tmp_path)[0])
    for documents in results.values():
        assert (np.diff(np.array(list(documents.values()), dtype=np.float32)) < 0).all()


@RUNS
@FORMATS
def test_ranx_agrees(runs, name, export_format, tmp_path):
    ranx = pytest.importorskip("ranx", reason="ranx is not installed: pip install 'mindrec-bench[ranx]'")
    results, qrels = export(runs[name], export_format, tmp_path)

    def load(kind, path):
        if (
            export_format == "parquet"
        ):  # ranx 0.3.21 takes strings as objects only, which pandas 3 no longer makes of them
            return kind.from_df(pq.read_table(path).to_pandas().astype({"q_id": object, "doc_id": object}))
        return kind.from_file(str(path))

    names = {f"{theirs}@{k}": f"{ours}@{k}" for theirs, ours in (("hit_rate", "hr"), ("ndcg", "ndcg")) for k in KS}
    values = ranx.evaluate(load(ranx.Qrels, qrels), load(ranx.Run, results), list(names))
    ours = {theirs: runs[name].summary.metrics[metric] for theirs, metric in names.items()}
    assert values == pytest.approx(ours, abs=1e-12)


def test_documents_are_sids(runs, tmp_path):
    data = ArtsSim(users=USERS, items=50).load(None, users=None)
    results, qrels = (read(path) for path in export(runs["items"], "ranx", tmp_path))
    for user, target in zip(data.users.tolist(), data.test().targets.tolist(), strict=True):
        assert list(qrels[str(user)]) == ["-".join(map(str, data.sids[target].tolist()))]
    stored = pq.read_table(runs["items"].path / "rankings.parquet").slice(0, 1)
    assert next(iter(results["0"])) == "-".join(map(str, stored["codes"].to_pylist()[0][-4:]))


def test_repeats_and_users_without_results(runs, tmp_path):
    results = read(export(runs["duplicates"], "ranx", tmp_path)[0])
    repeated = [document for documents in results.values() for document in documents if "#" in document]
    run = runs["duplicates"]
    assert len(repeated) == round(run.summary.metrics["duplicates"] * sum(map(len, results.values())))
    for documents in results.values():
        names = list(documents)
        for index, name in enumerate(names):
            sid, _, occurrence = name.partition("#")
            assert sum(other.partition("#")[0] == sid for other in names[: index + 1]) == int(occurrence or 1)
    gaps = read(export(runs["gaps"], "ranx", tmp_path)[0])
    assert [query for query, documents in gaps.items() if list(documents) == ["none"]] == [
        str(user) for user in range(0, USERS, 3)
    ]


def test_trec_lines(runs, tmp_path):
    run = runs["items"]
    results, qrels = export(run, "trec", tmp_path)
    assert (results.name, qrels.name) == (f"{run.id}.run.trec", f"{run.id}.qrels.trec")
    first, second = (line.split() for line in results.read_text().splitlines()[:2])
    assert first[:2] == ["0", "Q0"]
    assert [first[3:], second[3:]] == [[str(n), str(11 - n), f"markov/rank-items/{run.id}"] for n in (1, 2)]
    assert qrels.read_text().splitlines()[0].split()[::3] == ["0", "1"]


@FORMATS
def test_the_same_run_gives_the_same_bytes(runs, export_format, tmp_path):
    first, second = (export(runs["duplicates"], export_format, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_data_that_has_changed_is_refused(runs, tmp_path):
    run = with_summary(runs["items"], data=f"arts-sim:users={USERS},items=51")
    with pytest.raises(DataError, match=rf"has changed since run {run.id}; repeat it: mrbench run"):
        export(run, "trec", tmp_path)


def test_a_folder_that_can_not_be_written(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match="choose a folder that can be written with --out"):
        export(runs["items"], "trec", tmp_path / "file")


@pytest.mark.parametrize("name", ["a b", "a  b", "a%20b", "a\tb", "a\u00a0b", "%", " ", "a\u2028b", "ä", "a+b", '"'])
def test_an_escaped_id_is_one_field_and_comes_back(name):
    field = escape_field(name)
    assert len(field.split()) == 1
    assert unescape_field(field) == name


def test_escapes_are_one_to_one():
    assert (escape_field("a b"), escape_field("a  b"), escape_field("a%20b")) == ("a%20b", "a%20%20b", "a%2520b")
