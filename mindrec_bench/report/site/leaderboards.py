"""Stored runs in leaderboards: runs over the same users of the same data, with intervals and tests."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.code_space import Int
from ...data.slices import Slices, slice_users
from ...errors import DataError, MrbenchError, UsageError
from ...experiment.stored_data import load_run_data
from ...experiment.user_trace import UserTrace, read_traces
from ...metrics.accuracy import hr_and_ndcg
from ...stats.paired_tests import randomisation_test
from ...stats.resampling import RESAMPLES, percentile_interval
from ...store.run_spec import EXTERNAL, RunSettings, RunSpec
from ...store.runs import Run
from ..metric_format import count_users

logger = logging.getLogger(__name__)

COUNTING_MODELS = ("pop", "markov", "itemknn")
"""The models that only count; a learned model is worth something where it beats them."""

TESTED_METRICS = ("ndcg@5", "ndcg@10")
"""The metrics that are tested against the reference; HR follows from the hit ranks, and pages test it themselves."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A run of a leaderboard.

    Attributes:
        run: the run.
        users: user ids, rising. Shape: (U,)
        hit_ranks: the rank of the true item, from 1; 0 for a miss. Shape: (U,)
    """

    run: Run
    users: Int
    hit_ranks: NDArray[np.int32]

    @property
    def label(self) -> str:
        """Model and decoder, with their options."""
        summary = self.run.summary
        return summary.model if self.run.spec.decoder.name == EXTERNAL else f"{summary.model} x {summary.decoder}"

    @property
    def counts(self) -> bool:
        """Whether the model only counts."""
        return self.run.spec.model.name in COUNTING_MODELS

    def reaches(self, k: int) -> bool:
        """Whether its lists are long enough for a metric at k."""
        return self.run.spec.beam >= k

    @cached_property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """Bootstrap 95% intervals over users of HR and NDCG; none of one user.

        A mean over users depends only on how many users have each hit rank, so a resample is one multinomial draw of
        these counts.
        """
        n_users = len(self.hit_ranks)
        if n_users < 2:
            return {}
        ranks, counts = np.unique(self.hit_ranks, return_counts=True)
        drawn = np.random.default_rng(0).multinomial(n_users, counts / n_users, size=RESAMPLES)
        columns = hr_and_ndcg(ranks)
        low, high = percentile_interval(np.stack([drawn @ values / n_users for values in columns.values()]))
        return {metric: (float(low[i]), float(high[i])) for i, metric in enumerate(columns)}


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Runs over the same users of the same data.

    Attributes:
        name: of its page.
        title: data and users, in words.
        entries: best HR@10 first.
        reference: the run that the others are compared with at first, and in `p_values`.
        p_values: run id -> metric of `TESTED_METRICS` -> p against the reference, not corrected.
        slices: the users in groups, for comparisons that say who gained.
    """

    name: str
    title: str
    entries: tuple[Entry, ...]
    reference: Entry
    p_values: Mapping[str, Mapping[str, float]]
    slices: tuple[Slices, ...] = ()

    @cached_property
    def traced_users(self) -> Mapping[str, list[tuple[Entry, UserTrace]]]:
        """Own id of each user with traces -> the runs that have one, and what they have."""
        traced: dict[str, list[tuple[Entry, UserTrace]]] = {}
        for entry in self.entries:
            for user, trace in _read_traces(entry.run).items():
                traced.setdefault(user, []).append((entry, trace))
        return traced

    @property
    def best_by_counting(self) -> Entry | None:
        """The counting baseline with the best HR@10."""
        return next((entry for entry in self.entries if entry.counts), None)

    @cached_property
    def data_label(self) -> str:
        """What most of its runs call the data."""
        return Counter(entry.run.summary.data for entry in self.entries).most_common(1)[0][0]

    def settings(self, entry: Entry) -> list[str]:
        """The settings of a run beyond its model and decoder that differ from the defaults, in words."""
        spec, label = entry.run.spec, entry.run.summary.data
        words = [f"data {label}"] if label != self.data_label else []
        words += [spec.model.size] if spec.model.size else []
        words += [f"categories {spec.categories}"] if spec.categories not in (RunSpec.categories, "given") else []
        shown = {"constrain": "constrain", "beam": "beam", "seed": "seed", "max_minutes": "minutes at most"}
        words += [
            f"{word} {_number(getattr(spec, name))}"
            for name, word in shown.items()
            if getattr(spec, name) != getattr(RunSettings, name)
        ]
        words += ["history excluded"] if spec.exclude_history else []
        words += [f"history of {spec.history}"] if spec.history != RunSettings.history else []
        words += [f"trained by {spec.train_devices}"] if spec.train_devices != 1 else []
        return words + self._code_words(entry)

    def _code_words(self, entry: Entry) -> list[str]:
        """The hash of the code of a model or decoder, where another run's has the same label and other code."""
        specs = [other.run.spec for other in self.entries if other.label == entry.label]
        words = []
        for kind in ("model", "decoder"):
            code = getattr(entry.run.spec, kind).code
            if code and any(getattr(spec, kind).code != code for spec in specs):
                words.append(f"code of the {kind} {code}")
        return words


def build_leaderboards(runs: Iterable[Run], references: Sequence[Run] = ()) -> list[Leaderboard]:
    """Sort runs into leaderboards, those with most runs first.

    Args:
        runs: stored runs; damaged ones are left out with a notice.
        references: the run to compare the others with, for the leaderboards that hold one of these; elsewhere it is the
            best counting baseline, or else the best run.

    Raises:
        UsageError: two references are in one leaderboard, or one is not among the runs.
    """
    groups: dict[tuple, list[Entry]] = {}
    for run in runs:
        entry = _read_entry(run)
        if entry is not None:
            groups.setdefault(_group(entry), []).append(entry)
    boards: list[Leaderboard] = []
    for entries in sorted(groups.values(), key=lambda group: (-len(group), group[0].run.spec.data.name)):
        ordered = sorted(entries, key=lambda entry: (-entry.run.metrics["hr@10"], entry.run.id))
        boards.append(_leaderboard(ordered, references, {board.name for board in boards}))
    known = {entry.run.id for board in boards for entry in board.entries}
    for reference in references:
        if reference.id not in known:
            raise UsageError(f"--reference {reference.id} is none of the runs that the report shows")
    return boards


def with_slices(board: Leaderboard, by: Sequence[str], data_dir: Path | None) -> Leaderboard:
    """The leaderboard with its users in groups; as it was, with a notice, where its data can't be read.

    Args:
        board: the leaderboard.
        by: keys of `data.slices.SLICES`.
        data_dir: where data folders are, or None for the usual places.
    """
    run = board.reference.run
    try:
        dataset = load_run_data(run, data_dir)
        return replace(board, slices=tuple(slice_users(dataset, name, run.spec.split) for name in by))
    except MrbenchError as error:
        logger.warning(f"{board.title} has no slices: {error}")
        return board


def _read_entry(run: Run) -> Entry | None:
    try:
        run.check_files()
        columns = run.per_user()
    except DataError as error:
        logger.warning(f"left out: {error}")
        return None
    order = np.argsort(columns["user"], kind="stable")
    return Entry(run, columns["user"][order], columns["hit_rank"][order])


def _read_traces(run: Run) -> Mapping[str, UserTrace]:
    try:
        return read_traces(run)
    except DataError as error:
        logger.warning(f"left out: {error}")
        return {}


def _group(entry: Entry) -> tuple:
    """Equal for runs that can be compared user by user, and of which all or none are told a part of the answer."""
    spec, summary = entry.run.spec, entry.run.summary
    users = hashlib.sha256(entry.users.tobytes()).hexdigest()
    given = spec.categories == "given"
    return spec.data.name, summary.interactions, spec.holdout, spec.split, given, spec.evaluated_users, users


def _leaderboard(entries: Sequence[Entry], references: Sequence[Run], taken: set[str]) -> Leaderboard:
    wanted = {run.id for run in references}
    named = [entry for entry in entries if entry.run.id in wanted]
    if len(named) > 1:
        ids = " and ".join(entry.run.id for entry in named[:2])
        raise UsageError(f"--reference {ids} are in the same leaderboard; name one of them")
    counting = [entry for entry in entries if entry.counts]
    reference = (named or counting or list(entries))[0]
    spec = entries[0].run.spec
    title = ", ".join(_title_parts(spec))
    stem = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title.lower().replace(",", "")).split())
    name, number = stem, 1
    while name in taken or name == "index":
        number += 1
        name = f"{stem}-{number}"
    return Leaderboard(name, title, tuple(entries), reference, _p_values(entries, reference))


def _title_parts(spec: RunSpec) -> list[str]:
    first = "first " if spec.eval_users else ""
    parts = [spec.data.name, f"{first}{count_users(spec.evaluated_users)}"]
    parts += [f"holdout {spec.holdout}"] if spec.holdout != RunSettings.holdout else []
    parts += ["validation items"] if spec.split == "valid" else []
    parts += ["true categories given"] if spec.categories == "given" else []
    return parts


def _p_values(entries: Sequence[Entry], reference: Entry) -> dict[str, dict[str, float]]:
    """The tests of `TESTED_METRICS`, those of all runs at once."""
    others = [entry for entry in entries if entry is not reference]
    cells = [
        (entry, metric)
        for entry in others
        for metric in TESTED_METRICS
        if all(side.reaches(int(metric.partition("@")[2])) for side in (entry, reference))
    ]
    p_values: dict[str, dict[str, float]] = {entry.run.id: {} for entry in others}
    if not cells:
        return p_values
    columns = {entry.run.id: hr_and_ndcg(entry.hit_ranks) for entry in entries}
    base = columns[reference.run.id]
    differences = np.stack([columns[entry.run.id][metric] - base[metric] for entry, metric in cells], axis=1)
    for (entry, metric), p in zip(cells, randomisation_test(differences), strict=True):
        p_values[entry.run.id][metric] = float(p)
    return p_values


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
