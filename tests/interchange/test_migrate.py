"""Run stores of contract 1 are carried over: same results, today's ids."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.interchange.migrate import migrate
from mindrec_bench.io.hashing import short_hash, to_jsonable
from mindrec_bench.io.manifest import read_manifest, write_manifest
from mindrec_bench.metrics.accuracy import hr_and_ndcg
from mindrec_bench.plugins import options, registry
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.run_spec import FitSpec, ModelSpec, RunSpec
from mindrec_bench.store.runs import Run, find_run, find_runs

DATA = "arts-sim:users=40,items=50"


def all_options(kind: str, name: str, values: dict[str, Any], size: str = "") -> dict[str, Any]:
    """All options with their defaults, as specs of contract 1 had them."""
    instance = registry.load(kind, name)(**values)
    return to_jsonable(options.as_dict(instance.with_size_defaults(size) if size else instance))


def write_run(run: Run, root: Path) -> Path:
    """The run as contract 1 stored it: all options, a label, no version, and HR and NDCG beside the rank."""
    spec = run.spec.as_dict()
    model, decoder = spec["model"], spec["decoder"]
    old = {key: value for key, value in spec.items() if key != "texts"} | {
        "contract": 1,
        "data": {**spec["data"], "label": run.summary.data},
        "model": {"name": model["name"], "options": all_options("model", model["name"], model["options"]), "size": ""},
        "decoder": {
            "name": decoder["name"],
            "options": all_options("decoder", decoder["name"], decoder["options"]),
        },
    }
    folder = root / run.path.relative_to(run.path.parents[3]).parent / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(old))
    (folder / "rankings.parquet").write_bytes((run.path / "rankings.parquet").read_bytes())
    table = pq.read_table(run.path / "metrics.parquet", partitioning=None)
    for name, column in hr_and_ndcg(table["hit_rank"].to_numpy()).items():
        table = table.append_column(name, [column])
    pq.write_table(table, folder / "metrics.parquet")
    gone = ("spec", "files", "path", "version", "lacks", "weights", "missing_users", "fit", "coverage_at")
    content = {key: value for key, value in run.as_dict().items() if key not in gone}
    content |= {"spec": old, "fit": None, "run": folder.name}
    write_manifest(folder / "summary.json", content, [folder / "rankings.parquet", folder / "metrics.parquet"])
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    execution = ExecutionOptions(runs_dir=tmp_path_factory.mktemp("today"), device="cpu")
    return run_experiment(ExperimentConfig("markov:decay=0.5", "dbs-penalty", DATA), execution).run


def test_a_run_has_the_id_of_today_and_the_same_results(run: Run, tmp_path: Path) -> None:
    write_run(run, tmp_path / "old")
    done = migrate(tmp_path / "old", tmp_path / "new")
    assert (len(done.runs), done.fits, done.left_out) == (1, [], [])
    carried = find_run(tmp_path / "new", run.id)
    assert (carried.spec, carried.summary) == (run.spec, replace(run.summary, coverage_at=()))
    assert carried.rankings(["codes", "score"]).equals(run.rankings(["codes", "score"]))
    assert all(np.array_equal(carried.per_user()[name], column) for name, column in run.per_user().items())
    assert migrate(tmp_path / "old", tmp_path / "new").runs == done.runs, "a second time nothing changes"


def test_a_run_without_a_hash_of_its_interactions_gets_that_of_its_data(run: Run, tmp_path: Path) -> None:
    folder = write_run(run, tmp_path / "old")
    content = json.loads((folder / "summary.json").read_text())
    del content["interactions"], content["checksum"], content["files"]
    write_manifest(folder / "summary.json", content, [folder / "rankings.parquet", folder / "metrics.parquet"])
    migrate(tmp_path / "old", tmp_path / "new")
    assert find_run(tmp_path / "new", run.id).summary.interactions == run.summary.interactions


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet", "summary.json"])
def test_damage_is_left_out_and_named(run: Run, tmp_path: Path, name: str) -> None:
    folder = write_run(run, tmp_path / "old")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    done = migrate(tmp_path / "old", tmp_path / "new")
    assert (done.runs, done.left_out) == ([], [f"{folder} is damaged"])
    assert list(find_runs(tmp_path / "new")) == []


def test_hits_that_do_not_follow_from_the_ranks_are_left_out(run: Run, tmp_path: Path) -> None:
    folder = write_run(run, tmp_path / "old")
    table = pq.read_table(folder / "metrics.parquet", partitioning=None)
    index = table.column_names.index("hr@3")
    pq.write_table(table.set_column(index, "hr@3", [1 - table["hr@3"].to_numpy()]), folder / "metrics.parquet")
    content = json.loads((folder / "summary.json").read_text())
    rest = {key: value for key, value in content.items() if key not in ("checksum", "files")}
    write_manifest(folder / "summary.json", rest, [folder / "rankings.parquet", folder / "metrics.parquet"])
    (reason,) = migrate(tmp_path / "old", tmp_path / "new").left_out
    assert reason == f"HR and NDCG in {folder / 'metrics.parquet'} do not follow from its ranks"


def test_todays_runs_are_counted(run: Run, tmp_path: Path) -> None:
    RunFolder(run.spec, tmp_path / "today").store_compact(run, with_codes=False)
    done = migrate(tmp_path / "today", tmp_path / "new")
    assert (done.current, done.runs, done.left_out) == (1, [], [])


REPORT = FitReport(epochs=2.0, steps=4, parameters=9, seconds=1.0, valid_loss=(1.0,), under_trained=True)


def write_fit(root: Path, name: str = "") -> Path:
    """A model of 'llada' as contract 1 stored it; weights are not looked into."""
    spec = {
        "contract": 1,
        "data": "0123",
        "model": {
            "name": "llada",
            "options": all_options("model", "llada", {"batch": 64}, "tiny"),
            "size": "tiny",
        },
        "categories": True,
        "seed": 7,
        "max_minutes": 3.5,
    }
    folder = root / "Arts" / "llada" / "fit" / (name or short_hash(spec))
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    write_manifest(folder / "report.json", {"report": asdict(REPORT), "spec": spec}, [folder / "weights.safetensors"])
    return folder


def test_a_fitted_model_is_found_by_the_runs_of_today(tmp_path: Path) -> None:
    write_fit(tmp_path / "old")
    (folder,) = migrate(tmp_path / "old", tmp_path / "new").fits
    spec = FitSpec(
        data="0123", model=ModelSpec("llada", {"batch": 64}, "tiny"), categories=True, seed=7, max_minutes=3.5
    )
    assert folder == tmp_path / "new" / "Arts" / "llada" / "fit" / spec.id
    content = read_manifest(folder / "report.json", check=None)
    assert content is not None
    assert (FitSpec.from_dict(content["spec"]), content["report"]) == (spec, to_jsonable(asdict(REPORT)))
    assert (folder / "weights.safetensors").read_bytes() == b"weights"


def test_a_fitted_model_of_today_is_copied(tmp_path: Path) -> None:
    write_fit(tmp_path / "old")
    (first,) = migrate(tmp_path / "old", tmp_path / "new").fits
    (second,) = migrate(tmp_path / "new", tmp_path / "other").fits
    assert second.relative_to(tmp_path / "other") == first.relative_to(tmp_path / "new")
    assert [path.read_bytes() for path in sorted(second.iterdir())] == [
        path.read_bytes() for path in sorted(first.iterdir())
    ]


def test_a_fitted_model_that_is_not_what_its_name_says_is_left_out(tmp_path: Path) -> None:
    folder = write_fit(tmp_path / "old", "0123456789ab")
    done = migrate(tmp_path / "old", tmp_path / "new")
    assert (done.fits, done.left_out) == ([], [f"{folder} is not the model that its name says"])


def test_options_that_no_longer_exist_are_left_out(run: Run, tmp_path: Path) -> None:
    folder = write_run(run, tmp_path / "old")
    content = json.loads((folder / "summary.json").read_text())
    content["spec"]["decoder"]["options"]["gone"] = 1
    rest = {key: value for key, value in content.items() if key not in ("checksum", "files")}
    write_manifest(folder / "summary.json", rest, [folder / "rankings.parquet", folder / "metrics.parquet"])
    (reason,) = migrate(tmp_path / "old", tmp_path / "new").left_out
    assert reason.startswith("decoder 'dbs-penalty' no longer takes the options")


def test_every_stored_result_has_the_id_that_its_spec_says() -> None:
    stored = sorted((Path(__file__).parents[2] / "results" / "runs").rglob("spec.json"))
    assert len(stored) > 20
    for path in stored:
        assert RunSpec.from_dict(json.loads(path.read_text())).id == path.parent.name
