"""Stored runs: a handle on each, which reads what it holds, and how to find them in the run store."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, MrbenchError, UsageError, did_you_mean
from ..io.atomic import explain_read_errors
from ..io.hashing import to_jsonable
from ..io.manifest import damaged_file, read_manifest
from ..io.schema import read_strictly
from ..metrics.names import RANK_METRICS, split_metric
from .run_spec import FIT, RunSettings, RunSpec
from .run_summary import SUMMARY_VERSION, RunSummary

if TYPE_CHECKING:  # `mrbench show` reads JSON only, and starts more quickly without Parquet
    import pyarrow as pa

    from ..metrics.accuracy import Columns

logger = logging.getLogger(__name__)

SPEC, SUMMARY = "spec.json", "summary.json"
RANKINGS, METRICS, CODES = "rankings.parquet", "metrics.parquet", "codes.parquet"


@dataclass(frozen=True)
class Run:
    """A handle on a finished run. Every file is checked against its hash before it is read.

    Attributes:
        path: its folder.
        spec: what it is.
        summary: what came out.
        files: file name -> its SHA-256.
    """

    path: Path
    spec: RunSpec
    summary: RunSummary
    files: Mapping[str, str]

    @property
    def id(self) -> str:
        """Twelve hex digits."""
        return self.summary.run

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name (`hr@10`, `ndcg@10`, `entropy`, ...), and the search error where it is known."""
        return dict(self.summary.values)

    def value(self, metric: str) -> float | None:
        """One metric by its name (`names.canonical_metric`); None where it is not known, as at a k beyond the beam.

        Raises:
            DataError: the file of the metrics of each user is needed, and is damaged, missing, or can't be read.
        """
        name, k = split_metric(metric)
        if name not in RANK_METRICS:
            return self.summary.values.get(metric)
        if k > self.spec.beam:
            return None
        if metric in self.summary.metrics:
            return self.summary.metrics[metric]
        from ..metrics.accuracy import rank_metric

        return float(rank_metric(metric, self._read(METRICS, ["hit_rank"])["hit_rank"].to_numpy()).mean())

    def __repr__(self) -> str:
        names = [name for name in ("hr@10", "ndcg@10") if name in self.metrics]
        values = "".join(f", {name} {self.metrics[name]:.4f}" for name in names)
        summary = self.summary
        return f"<Run {self.id}: {summary.model} x {summary.decoder} on {summary.data}{values}>"

    def per_user(self) -> Columns:
        """The metrics of each user, in columns of one length U: `pandas.DataFrame(run.per_user())` is a table.

        Columns: `user` (its number in the data's files, of an imported dataset too), `hit_rank` (0 for a miss),
        `RANKING_METRICS`, `results`, `valid`, `duplicates`, and `SEARCH_METRICS` where they are known. Shape of each:
        (U,)

        Raises:
            DamagedRunError: the file is damaged or missing.
            DataError: it can't be read.
        """
        from ..metrics.accuracy import hr_and_ndcg

        table = self._read(METRICS)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        users = {name: columns.pop(name) for name in ("user", "hit_rank")}
        return {**users, **hr_and_ndcg(users["hit_rank"]), **columns}

    def rankings(self, columns: list[str] | None = None) -> pa.Table:
        """The ranked lists as an Arrow table, one row per recommendation; `to_pandas()` makes it one of pandas.

        Args:
            columns: names of `rankings.SCHEMA` (user, rank, codes, score, item); None: all.

        Raises:
            DamagedRunError: the file is damaged or missing.
            DataError: the run is compact, or the file can't be read.
        """
        if "rankings" in self.summary.lacks:
            raise DataError(
                f"{self.path} is a compact run without its rankings; repeat its command with another run store: "
                f"{self.summary.command}"
            )
        return self._read(RANKINGS, columns)

    def code_counts(self) -> pa.Table | None:
        """How often each user was recommended each code (`code_counts.SCHEMA`); None where a compact run lacks it.

        Raises:
            DamagedRunError: the file is damaged or missing.
            DataError: it can't be read.
        """
        from .code_counts import count_codes

        if "codes" in self.summary.lacks:
            return None
        if CODES in self.files:
            return self._read(CODES)
        return count_codes(self.rankings(["user", "codes"]), self.summary.slots.sid)

    def is_whole(self, *, codes: bool) -> bool:
        """Whether the files that tables read are whole; logs the first that is not, and what to do.

        Args:
            codes: the tables read codes too (`code_counts`).

        Raises:
            DataError: a file can't be read, which is not damage.
        """
        with_codes = codes and "codes" not in self.summary.lacks
        names = [METRICS, *([CODES if CODES in self.files else RANKINGS] if with_codes else [])]
        try:
            for name in names:
                self.read_file(name)
        except DamagedRunError as error:
            logger.warning(f"{error}")
            return False
        return True

    def check_files(self) -> None:
        """Compare all its files with their hashes.

        Raises:
            DamagedRunError: a file is damaged or missing.
            DataError: a file can't be read.
        """
        for name in self.files:
            self.read_file(name)

    def as_dict(self, ks: Sequence[int] = ()) -> dict[str, Any]:
        """Spec and summary as one flat object in JSON's types, with the names of the command line's options as keys.

        Args:
            ks: cut-offs at which `metrics` has the accuracy too, where they are within the beam.
        """
        spec = self.spec.as_dict()
        shared = [field.name for field in fields(RunSettings)]
        settings = {name: spec[name] for name in (*shared, "categories", "train_devices")}
        size_and_users = {"size": self.spec.model.size, "users": self.spec.data.users}
        summary = to_jsonable(asdict(self.summary))
        at_ks = [f"{name}@{k}" for name in RANK_METRICS for k in ks if k <= self.spec.beam]
        summary["metrics"] = {**{metric: self.value(metric) for metric in at_ks}, **summary["metrics"]}
        return {**settings, **size_and_users, **summary, "spec": spec, "files": self.files, "path": str(self.path)}

    def read_file(self, name: str) -> bytes:
        """The content of one of its files.

        Raises:
            DamagedRunError: the file is damaged or missing.
            DataError: it can't be read.
        """
        path = self.path / name
        with explain_read_errors(path):
            content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != self.files.get(name):
            what = "damaged" if content else "missing or damaged"
            raise DamagedRunError(
                f"{path} is {what}; repeat its command, which computes it again: {self.summary.command}"
            )
        return content

    def _read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.read_table(pa.BufferReader(self.read_file(name)), columns=columns)


class DamagedRunError(DataError):
    """A file of a run is damaged or missing."""


class OtherVersionError(UsageError):
    """Another version of this package stored the run."""

    def __init__(self, folder: Path, *, earlier: bool) -> None:
        remedy = f"carry its run store over with: mrbench migrate {folder.parents[3]} --runs-dir NEW"
        super().__init__(
            f"{folder} was stored by {'an earlier' if earlier else 'a later'} version; "
            f"{remedy if earlier else 'update mindrec-bench'}"
        )
        self.earlier = earlier


def read_run(folder: Path, *, verify: bool, warn: bool = True) -> Run | None:
    """The run in a folder; None when it is not finished or, with a notice, damaged.

    Args:
        folder: of the run.
        verify: check the Parquet files too.
        warn: log the notice.

    Raises:
        OtherVersionError: another version stored it.
    """
    content = read_manifest(folder / SUMMARY, check=None if verify else (SPEC,), warn=warn)
    if content is None:
        return None
    if content.get("version", 1) < SUMMARY_VERSION:
        raise OtherVersionError(folder, earlier=True)
    files = content.pop("files")
    spec = json.loads((folder / SPEC).read_bytes().decode(errors="surrogatepass"))
    try:
        return Run(folder, RunSpec.from_dict(spec), read_strictly(RunSummary, content), files)
    except ValueError as error:  # whole, and with fields that this version does not know
        raise OtherVersionError(folder, earlier=False) from error


def find_runs(root: Path) -> Iterator[Run]:
    """All finished runs, by path; damaged ones and those of other versions are left out with a notice.

    The Parquet files are checked when they are read.

    Raises:
        DataError: a folder or a summary can't be read.
    """
    earlier, later = 0, 0
    for folder in run_folders(root, SUMMARY):
        try:
            run = read_run(folder, verify=False)
        except OtherVersionError as error:
            earlier, later = earlier + error.earlier, later + (not error.earlier)
            continue
        if run is not None:
            yield run
    if earlier:
        logger.warning(
            f"{earlier} runs under {root} were stored by an earlier version and are left out; carry them over with: "
            f"mrbench migrate {root} --runs-dir NEW"
        )
    if later:
        logger.warning(
            f"{later} runs under {root} were stored by a later version and are left out; update mindrec-bench"
        )


def find_run(root: Path, text: str) -> Run:
    """The finished run that a user names.

    Args:
        root: the run store.
        text: the run's folder (or a file in it), its id, or a prefix of the id that no other run has.

    Raises:
        UsageError: no run, or several, are named so; or another version stored it.
        MrbenchError: the run is not finished.
        DataError: its summary is damaged, or a folder can't be read.
    """
    folder = find_run_folder(root, text)
    if not holds(folder, SUMMARY):
        raise MrbenchError(f"the run {folder} is not finished; repeat its command, which continues from what is done")
    run = read_run(folder, verify=False, warn=False)  # the error below names the file
    if run is None:
        damaged = damaged_file(folder / SUMMARY, check=(SPEC,)) or folder / SUMMARY
        raise DamagedRunError(f"{damaged} is missing or damaged; repeat the run's command, which computes it again")
    return run


def store_folders(root: Path) -> list[Path]:
    """The folders `<root>/<data>/<model>/<decoder or fit>/<id>` of a run store, in a fixed order.

    Raises:
        DataError: a folder can't be read, so that nobody knows what is in it.
    """
    folders = [root]
    for _ in range(4):
        folders = [inner for folder in folders for inner in _folders_in(folder)]
    return folders


def run_folders(root: Path, *file_names: str) -> list[Path]:
    """The folders of a run store, without those of fitted models, that hold one of these files, in a fixed order.

    Raises:
        DataError: as of `store_folders`.
    """
    folders = [folder for folder in store_folders(root) if folder.parent.name != FIT]
    return [folder for folder in folders if any(holds(folder, name) for name in file_names)]


def holds(folder: Path, file_name: str) -> bool:
    """Whether there is this file in a folder.

    Raises:
        DataError: the folder can't be read.
    """
    with explain_read_errors(folder):
        return (folder / file_name).is_file()


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none where it is missing."""
    with explain_read_errors(folder):
        try:
            with os.scandir(folder) as entries:
                return [folder / name for name in sorted(entry.name for entry in entries if entry.is_dir())]
        except (FileNotFoundError, NotADirectoryError):
            return []


def find_run_folder(root: Path, text: str) -> Path:
    """The folder of the run that a user names, finished or not; arguments and errors as of `find_run`."""
    path = Path(text)
    with explain_read_errors(path):
        folders = (path, path.parent) if path.is_file() else (path,)
    for folder in folders:
        if text and (holds(folder, SUMMARY) or holds(folder, SPEC)):
            return folder
    ids = {folder.name: folder for folder in run_folders(root, SUMMARY, SPEC)}
    matches = [name for name in ids if text and name.startswith(text.lower())]
    if len(matches) == 1:
        return ids[matches[0]]
    if matches:
        candidates = ", ".join(f"{name} ({_title(ids[name])})" for name in sorted(matches)[:5])
        raise UsageError(f"'{text}' is the start of {len(matches)} runs: {candidates}; give more of the id")
    content = f"it has {', '.join(sorted(ids)[:5])}{' and more' if len(ids) > 5 else ''}" if ids else "it holds no runs"
    raise UsageError(f"no run '{text}' under {root}{did_you_mean(text, ids)}; {content}")


def _title(folder: Path) -> str:
    """`<data>/<model>/<decoder>` of a run folder."""
    return "/".join(folder.parts[-4:-1])
