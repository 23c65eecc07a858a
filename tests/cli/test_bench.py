"""`mrbench bench` as a user runs it, on a tiny model with one repeat."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mindrec_bench.bench import measure
from mindrec_bench.cli.main import cli
from mindrec_bench.errors import UsageError

WORDS = ["bench", "--data", "arts-sim:users=30,items=60", "--repeats", "1", "--batch", "2", "-q"]


def bench(*words):
    result = CliRunner().invoke(cli, [*WORDS, *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("small_networks")
def test_json_has_a_line_a_case():
    value = json.loads(bench("--model", "llada", "--beam", "1,2", "--history", "3", "--json"))
    assert value["weights"] == "fresh"
    assert {*value["matrix_product_flops_per_second"]} == {"float32"}
    assert value["matrix_product_flops_per_second"]["float32"] > 0
    assert [case["beam"] for case in value["cases"]] == [1, 2]
    for case in value["cases"]:
        assert (case["model"], case["decoder"], case["size"], case["batch"]) == ("llada", "dbs-penalty", "tiny", 2)
        assert case["users_per_second"] == pytest.approx(2 / case["batch_p50"])
        assert case["flops_per_second"] == pytest.approx(case["flops"] / case["batch_p50"])
        assert sum(case["shares"].values()) == pytest.approx(1)
        assert case["forward_passes"] == 7
        assert case["peak_bytes"] > 0


def test_text_has_a_column_for_each_number():
    head, empty, header, *lines = bench("--model", "pop,markov", "--decoder", "rank-items").splitlines()
    assert "fresh weights, random histories" in head
    assert empty == ""
    for column in ("users/s", "p50 ms", "p95 ms", "passes", "positions", "peak MB", "GFLOP/s", "of rate", "x plain"):
        assert column in header
    for part in ("model", "expansion", "pruning", "constraint"):
        assert f"{part} %" in header
    assert [line.split()[0] for line in lines] == ["pop", "markov"]


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        pytest.param("png", b"\x89PNG", marks=pytest.mark.slow),
        ("svg", b"<?xml"),
        pytest.param("pdf", b"%PDF", marks=pytest.mark.slow),
    ],
)
def test_a_plot(tmp_path, ending, start):
    path = tmp_path / f"bench.{ending}"
    bench("--model", "markov", "--decoder", "bs,dbs-dedup", "--plot", str(path))
    assert path.read_bytes().startswith(start)


def test_an_unknown_format_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match=r"it must end in \.png, \.svg, \.pdf"):
        bench("--plot", str(tmp_path / "bench.gif"))


def test_cases_are_said_and_stored_as_they_come(tmp_path, monkeypatch):
    """A run that is stopped leaves what it has measured."""
    path, measure_case = tmp_path / "bench.json", measure._time_batch
    calls = []

    def stopped(case):
        calls.append(case.decoder)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return measure_case(case)

    monkeypatch.setattr(measure, "_time_batch", stopped)
    words = [*WORDS, "--model", "markov", "--decoder", "bs,dbs-dedup", "--out", str(path)]
    CliRunner().invoke(cli, words)
    assert [case["decoder"] for case in json.loads(path.read_text())["cases"]] == ["bs"]
