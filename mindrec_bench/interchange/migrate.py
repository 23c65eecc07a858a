"""Carry runs of contract 1 over to today's identities, where the answer is the same, and fitted models of that contract
and of today's from one store to another (`mrbench migrate`).

This module, and the command, stay until the first release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ..core.backbone import FitReport
from ..data.sources import resolve_data
from ..distributed.processes import silent
from ..errors import DataError, UsageError
from ..io.atomic import atomic_write
from ..io.hashing import short_hash
from ..io.manifest import read_manifest, write_manifest
from ..io.schema import read_strictly
from ..metrics.accuracy import hr_and_ndcg
from ..plugins import registry
from ..store.models import REPORT
from ..store.run_folder import RunFolder
from ..store.run_spec import (
    CONTRACT_VERSION,
    EXTERNAL,
    FIT,
    RANKINGS_FILE,
    DataSpec,
    DecoderSpec,
    FitSpec,
    ModelSpec,
    RunSpec,
)
from ..store.run_summary import SUMMARY_VERSION, Environment, RunSummary, SlotCounts, Timings
from ..store.runs import METRICS, RANKINGS, SUMMARY, holds, run_folders, store_folders

OLD_CONTRACT = 1
"""The contract of the runs that can be carried over."""


@dataclass
class Migration:
    """What was carried over.

    Attributes:
        runs, fits: the new folders.
        left_out: why the others were not, one sentence each.
        current: how many runs this version stored; there is nothing to carry over of them.
    """

    runs: list[Path] = field(default_factory=list)
    fits: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    current: int = 0


@silent()  # it returns what is left out, and why
def migrate(source: Path, target: Path, *, data_dir: Path | None = None) -> Migration:
    """Copy runs and fitted models to another run store; what is in the target already stays as it is.

    Args:
        source: the run store.
        target: the run store to write to.
        data_dir: where data folders are; read only for runs stored before interactions had a hash.

    Raises:
        DataError: a folder of the source can't be read.
        MrbenchError: the target can't be written.
    """
    folders = store_folders(source)
    done, weights, stored = Migration(), {}, {}
    for folder in folders:
        with _leave_out(done):
            if folder.parent.name == FIT and holds(folder, REPORT):
                content = _read(folder / REPORT, (OLD_CONTRACT, CONTRACT_VERSION))
                weights[folder.name] = short_hash(content["files"])
                done.fits.append(_migrate_fit(folder, content, target))
    for folder in run_folders(source, SUMMARY):
        with _leave_out(done):
            content = _read(folder / SUMMARY, (OLD_CONTRACT,))
            if content.get("version") == SUMMARY_VERSION:
                done.current += 1
            else:
                stored[folder] = content
    interactions = _Interactions(stored.values(), data_dir)
    for folder, content in stored.items():
        with _leave_out(done):
            done.runs.append(_migrate_run(folder, content, weights, interactions, target))
    return done


@contextmanager
def _leave_out(done: Migration) -> Iterator[None]:
    """Note why something can't be carried over, and go on."""
    try:
        yield
    except (DataError, UsageError) as error:
        done.left_out.append(str(error))


def _read(path: Path, contracts: tuple[int, ...]) -> dict[str, Any]:
    """The content of a summary or report, all files of its folder checked.

    Raises:
        DataError: it is damaged, or of another contract.
    """
    content = read_manifest(path, check=None, warn=False)
    if content is None:
        raise DataError(f"{path.parent} is damaged")
    if content.get("version") != SUMMARY_VERSION and content.get("spec", {}).get("contract") not in contracts:
        raise DataError(f"{path.parent} is not of contract {' or '.join(map(str, contracts))}")
    return content


def _migrate_fit(folder: Path, content: dict[str, Any], target: Path) -> Path:
    stored = content["spec"]
    if stored["contract"] == CONTRACT_VERSION:
        spec = FitSpec.from_dict(stored)
        stored_id = spec.id
    else:
        spec = FitSpec(**{**stored, "model": _model_spec(stored["model"]), "contract": CONTRACT_VERSION})
        stored_id = short_hash(stored)
    if stored_id != folder.name:
        raise DataError(f"{folder} is not the model that its name says")
    new = target / folder.relative_to(folder.parents[3]).parent / spec.id
    if not (new / REPORT).exists():
        for name in content["files"]:
            _copy(folder / name, new / name)
        report = read_strictly(FitReport, content["report"])
        write_manifest(
            new / REPORT, {"report": asdict(report), "spec": spec.as_dict()}, [new / name for name in content["files"]]
        )
    return new


def _migrate_run(
    folder: Path, content: dict[str, Any], weights: Mapping[str, str], interactions: _Interactions, target: Path
) -> Path:
    old = content["spec"]
    spec = _run_spec(old)
    new = RunFolder(spec, target)
    if new.load_run(verify=False) is not None:
        return new.path
    summary = {name: content[name] for name in _KEPT if name in content}
    timings, environment, fit = content["timings"], content["environment"], content["fit"]
    if timings:
        defaults = {"processes": 1, "smallest_batch_size": timings["batch_size"]}
        summary["timings"] = read_strictly(Timings, defaults | timings)
    if environment:
        summary["environment"] = read_strictly(Environment, environment)
    if fit:
        summary["fit"] = read_strictly(FitReport, fit)
        summary["weights"] = weights.get(_old_fit_id(old), "")
    columns = pq.read_table(folder / METRICS, partitioning=None)
    derived = hr_and_ndcg(columns["hit_rank"].to_numpy())
    if any(not np.array_equal(columns[name].to_numpy(), values) for name, values in derived.items()):
        raise DataError(f"HR and NDCG in {folder / METRICS} do not follow from its ranks")
    new.start()
    stored = columns.drop_columns(list(derived))
    atomic_write(new.path / METRICS, lambda file: pq.write_table(stored, file, compression="zstd"))
    _copy(folder / RANKINGS, new.path / RANKINGS)
    new.seal(
        RunSummary(
            **{**summary, "run": spec.id, "notes": tuple(content["notes"])},
            slots=read_strictly(SlotCounts, content["slots"]),
            interactions=interactions.of(content),
        ),
        (RANKINGS, METRICS),
    )
    return new.path


_KEPT = (
    "model", "decoder", "data", "users_asked", "metrics", "search_error", "optimum", "seconds", "missing_users",
    "finished", "command",
)  # fmt: skip
"""What the summary has as before."""


def _run_spec(old: dict[str, Any]) -> RunSpec:
    data = {name: value for name, value in old["data"].items() if name != "label"}
    external = old["decoder"]["name"] == EXTERNAL
    parts = {
        "data": DataSpec(**data),
        "model": _external_model(old["model"]) if external else _model_spec(old["model"]),
        "decoder": DecoderSpec(EXTERNAL) if external else _decoder_spec(old["decoder"]),
        "contract": CONTRACT_VERSION,
    }
    return RunSpec(**{**old, **parts})


def _old_fit_id(old: dict[str, Any]) -> str:
    """The id that the run's fitted model has in the old store."""
    model = old["model"]
    options = {name: value for name, value in model["options"].items() if name not in model.get("answering", ())}
    spec = {
        "contract": old["contract"],
        "data": old["data"]["fingerprint"],
        "model": {"name": model["name"], "options": options, "size": model["size"]},
        "categories": old["categories"] != "none",
        "seed": old["seed"],
        "max_minutes": old["max_minutes"],
    }
    parallel = {"train_devices": old["train_devices"]} if old.get("train_devices", 1) > 1 else {}
    texts = {"texts": old["texts"]} if old.get("texts") else {}
    return short_hash(spec | parallel | texts)


def _external_model(old: dict[str, Any]) -> ModelSpec:
    return ModelSpec(old["name"], files={RANKINGS_FILE: old["options"]["sha256"]})


def _model_spec(old: dict[str, Any]) -> ModelSpec:
    options = dict(old["options"])
    files = options.pop("files", {})
    backbone = _instance("model", old["name"], options)
    return replace(ModelSpec.of(old["name"], backbone, old["size"]), files=files)


def _decoder_spec(old: dict[str, Any]) -> DecoderSpec:
    return DecoderSpec.of(old["name"], _instance("decoder", old["name"], old["options"]))


def _instance(kind: registry.Kind, name: str, options: dict[str, Any]) -> Any:
    try:
        return registry.load(kind, name)(**options)
    except (TypeError, ValueError) as error:
        raise DataError(f"{kind} '{name}' no longer takes the options {options}: {error}") from error


@dataclass
class _Interactions:
    """The hash of the interactions of a run's data; runs stored before it existed have that of another run, or of the
    data itself."""

    stored: Iterable[dict[str, Any]]
    data_dir: Path | None

    def __post_init__(self) -> None:
        contents = [content for content in self.stored if "interactions" in content]
        self.known = {content["spec"]["data"]["fingerprint"]: content["interactions"] for content in contents}

    def of(self, content: dict[str, Any]) -> str:
        """The hash for a run's data.

        Raises:
            DataError: the data is missing, or has changed.
        """
        fingerprint = content["spec"]["data"]["fingerprint"]
        if fingerprint not in self.known:
            _, source = resolve_data(content["data"], self.data_dir)
            dataset = source.load(self.data_dir, users=content["users_asked"])
            if dataset.fingerprint != fingerprint:
                raise DataError(f"the data '{content['data']}' has changed since run {content['run']}")
            self.known[fingerprint] = dataset.interactions_hash
        return self.known[fingerprint]


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    atomic_write(target, lambda file: file.write(content))
