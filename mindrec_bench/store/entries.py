"""The run store as a list: one entry per run folder, whatever its state (`mrbench runs`)."""

from __future__ import annotations

import json
from calendar import timegm
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import strptime
from typing import Literal

from ..errors import UsageError, did_you_mean
from ..plugins import options
from .run_spec import RunSettings, RunSpec
from .run_summary import FINISHED_FORMAT
from .runs import SPEC, SUMMARY, OtherVersionError, Run, find_run_folder, read_run, run_folders

State = Literal["done", "compact", "unfinished", "damaged", "other version"]
INCOMPLETE: tuple[State, ...] = ("unfinished", "damaged")
"""The states of runs without a result, which the run's command computes."""


@dataclass(frozen=True)
class RunEntry:
    """One run folder.

    Attributes:
        path: the folder, `<root>/<data>/<model>/<decoder>/<id>`.
        state: `done`; `compact`, without its rankings; `unfinished`; `damaged`; or stored by an `other version`.
        spec: what the run is; None where that can't be read.
        run: the finished run, or None.
        bytes: the size of the folder's files.
        changed: when the run was finished, or when a file of the folder last changed; seconds since 1970.
    """

    path: Path
    state: State
    spec: RunSpec | None
    run: Run | None
    bytes: int
    changed: float

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def data(self) -> str:
        """The dataset as a command would name it; of a run without a result the name of its folder."""
        return self.run.summary.data if self.run else self.path.parts[-4]

    @property
    def model(self) -> str:
        """`NAME:key=value,...`"""
        if self.run or not self.spec:
            return self.run.summary.model if self.run else self.path.parts[-3]
        return _label(self.spec.model.name, {**self.spec.model.options, **self.spec.model.inference})

    @property
    def decoder(self) -> str:
        """`NAME:key=value,...`"""
        if self.run or not self.spec:
            return self.run.summary.decoder if self.run else self.path.parts[-2]
        return _label(self.spec.decoder.name, self.spec.decoder.options)

    @property
    def users(self) -> int | None:
        """How many users are decoded; None where the spec can't be read."""
        return self.spec.evaluated_users if self.spec else None

    @property
    def settings(self) -> dict[str, object]:
        """The size, and the settings that differ from their defaults.

        The categories are left out where they have the value that the data gives them.
        """
        if self.spec is None:
            return {}
        values: dict[str, object] = {"size": self.spec.model.size} if self.spec.model.size else {}
        if self.spec.categories in ("history", "given") or (
            self.spec.categories == "none" and self.run is not None and self.run.summary.slots.categories
        ):
            values["categories"] = self.spec.categories
        if self.spec.train_devices > 1:
            values["train_devices"] = self.spec.train_devices
        return values | {
            name: value for name in RunSettings.__dataclass_fields__
            if (value := getattr(self.spec, name)) != getattr(RunSettings, name)
        }  # fmt: skip


def find_entries(root: Path) -> Iterator[RunEntry]:
    """The entries of all run folders of a run store, by path; all their files are checked.

    Raises:
        DataError: a folder or a summary can't be read.
    """
    return map(_read_entry, run_folders(root, SPEC, SUMMARY))


def select_entries(
    entries: Iterable[RunEntry],
    *,
    data: str | None = None,
    model: str | None = None,
    decoder: str | None = None,
    incomplete: bool = False,
) -> list[RunEntry]:
    """The entries with these names, each a NAME for all its options or a whole NAME:key=value,...

    Args:
        entries: of a run store.
        data: a dataset, as a command or as its folder in the run store names it; None for all.
        model: a model; None for all.
        decoder: a decoder; None for all.
        incomplete: only those of a state in `INCOMPLETE`.

    Raises:
        UsageError: no run has such a name.
    """
    selected = list(entries)
    for what, text, depth in (("data", data, -4), ("model", model, -3), ("decoder", decoder, -2)):
        if text is None:
            continue
        names = {_name_of(getattr(entry, what)): None for entry in selected}
        selected = [
            entry for entry in selected
            if text.lower() in {
                getattr(entry, what).lower(), _name_of(getattr(entry, what)).lower(), entry.path.parts[depth].lower()
            }
        ]  # fmt: skip
        if not selected:
            known = f"there are runs of {', '.join(sorted(names))}" if names else "there are no runs"
            raise UsageError(f"no run has the {what} '{text}'{did_you_mean(text, names)}; {known}")
    return [entry for entry in selected if not incomplete or entry.state in INCOMPLETE]


def name_entries(root: Path, entries: Sequence[RunEntry], texts: Iterable[str]) -> list[RunEntry]:
    """The entries that a user names: by a folder, an id, or the start of an id.

    Raises:
        UsageError: no run, or several, are named so.
    """
    by_path = {entry.path.resolve(): entry for entry in entries}
    folders = dict.fromkeys(find_run_folder(root, text).resolve() for text in texts)
    outside = [folder for folder in folders if folder not in by_path]
    if outside:
        raise UsageError(f"{outside[0]} is not in the run store {root}; name its run store with --runs-dir")
    return [by_path[folder] for folder in folders]


def folder_bytes(folder: Path) -> int:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_spec(folder: Path) -> RunSpec | None:
    """The spec in a run folder, unchecked; None where it is missing, damaged, or of another version."""
    try:
        return RunSpec.from_dict(json.loads((folder / SPEC).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _read_entry(folder: Path) -> RunEntry:
    run: Run | None = None
    state: State = "damaged"
    spec = read_spec(folder)
    try:
        run = read_run(folder, verify=True, warn=False)
        if run is not None:
            state = "compact" if "rankings" in run.summary.lacks else "done"
        elif spec is not None and not (folder / SUMMARY).exists():
            state = "unfinished"
    except OtherVersionError:
        state = "other version"
    if run is not None:
        changed = float(timegm(strptime(run.summary.finished, FINISHED_FORMAT)))
    else:
        changed = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return RunEntry(folder, state, run.spec if run else spec, run, folder_bytes(folder), changed)


def _name_of(label: str) -> str:
    return label.partition(":")[0]


def _label(name: str, values: dict[str, object]) -> str:
    texts = ",".join(f"{key}={options.format_value(value)}" for key, value in values.items())
    return f"{name}:{texts}" if texts else name
