"""Anyone's table of results: what it may look like, and what arithmetic says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.audit.checks import check_system
from mindrec_bench.report.audit.results_file import read_results


def write(folder: Path, text: str) -> Path:
    path = folder / "results.csv"
    path.write_text(text)
    return path


def test_columns_by_the_names_that_papers_use(tmp_path: Path) -> None:
    text = 'Model,data,Users,Recall@5,N@5,R@20\nA,beauty,"22,363",0.0454,0.0321,-\nB,,,0.05,0.03,0.0912\n'
    first, second = read_results(write(tmp_path, text))
    assert (first.subject, first.users) == ("beauty, A", 22363)
    assert first.metrics == {"hr@5": "0.0454", "ndcg@5": "0.0321"}
    assert (second.subject, second.users) == ("B", 0)
    assert second.metrics == {"hr@5": "0.05", "ndcg@5": "0.03", "hr@20": "0.0912"}


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("0.0454,0.0321,0.0648,0.0384", []),
        ("0.0454,0.0460,0.0648,0.0480", ["ndcg-of-hr"]),  # an NDCG above its HR
        ("0.0454,0.0100,0.0648,0.0384", ["ndcg-of-hr"]),  # below all hits at rank 5
        ("0.0454,0.0321,0.0448,0.0384", ["growth"]),  # fewer hits in a longer list
        ("0.0454,0.0421,0.0648,0.0384", ["growth"]),
    ],
)
def test_impossible_values_are_found_without_the_number_of_users(tmp_path: Path, line: str, kinds: list[str]) -> None:
    (system,) = read_results(write(tmp_path, f"model,HR@5,NDCG@5,HR@10,NDCG@10\nA,{line}\n"))
    assert [finding.id for finding in check_system(system) if finding.problem] == kinds


def test_the_number_of_users_makes_hits_whole(tmp_path: Path) -> None:
    (system,) = read_results(write(tmp_path, "model,users,HR@1\nA,5000,0.0281\n"))
    assert [finding.id for finding in check_system(system) if finding.problem] == ["counts"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no results"),
        ("model,HR@5\n", "has no results"),
        ("model;HR@5\nA;0.1\n", "has its columns apart by ';'; separate them by commas"),
        ("model,HR@5\nA,5.2\n", r"hr@5 in line 2 .* is '5.2'; .* \(a percentage divided by 100\)"),
        ("model,data\nA,beauty\n", "has no column of a metric"),
        ("model,MRR@5\nA,0.1\n", "column 'MRR@5' of .* is no metric that can be checked"),
        ("model,HR@5,R@5\nA,0.1,0.1\n", "has two columns of hr@5"),
        ("model,HR@5\nA,0.1,0.2\n", "line 2 of .* has 3 cells, and the header has 2"),
        ("model,HR@5\nA,5.1\n", "hr@5 in line 2 of .* is '5.1'; write it as a share"),
        ("model,HR@5\nA,good\n", "hr@5 in line 2 of .* is 'good'"),
        ("model,users,HR@5\nA,many,0.1\n", "users in line 2 of .* is 'many'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_results(write(tmp_path, text))
