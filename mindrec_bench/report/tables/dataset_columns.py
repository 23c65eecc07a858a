"""The columns of one dataset: the values of its runs, their intervals, and the comparisons with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.code_space import Int
from ...stats.comparison import Comparison, PairedTest, System, compare, intervals
from ...stats.diversity_tests import DIVERSITY_METRICS
from ...store.runs import Run
from ..comparability import unlike_systems
from ..slices import of_users
from ..table_spec import NOT_REPORTED, RowSpec, TableSpec
from .run_data import load_systems, system_value
from .table import TableCell, TtrBound


@dataclass(frozen=True, eq=False)
class DatasetColumns:
    """The columns of one dataset.

    Attributes:
        spec: what the table shows.
        data: the dataset.
        runs: label -> the row's runs, one per seed; only rows that have runs.
        systems: label -> the same runs as a system.
        reference: label of the row that the others are tested against; None for no tests.
        comparisons: label -> metric -> comparison with the reference.
        intervals: label -> metric -> bootstrap 95% interval.
        of_members: only some of the users count.
    """

    spec: TableSpec
    data: str
    runs: dict[str, Sequence[Run]]
    systems: dict[str, System]
    reference: str | None
    comparisons: dict[str, dict[str, Comparison]]
    intervals: dict[str, dict[str, tuple[float, float]]]
    of_members: bool = False

    @classmethod
    def load(
        cls,
        spec: TableSpec,
        data: str,
        runs: Mapping[str, Sequence[Run]],
        *,
        with_intervals: bool,
        test: PairedTest,
        resamples: int,
        seed: int,
        members: Int | None = None,
    ) -> DatasetColumns:
        """Read the runs of all rows on one dataset and compare them.

        Args:
            spec: what the table shows.
            data: the dataset.
            runs: label -> the row's runs; empty where there are none.
            with_intervals, test, resamples, seed: see `build_table`.
            members: ids of the users that count; None for all.
        """
        present = {label: of_row for label, of_row in runs.items() if of_row}
        with_codes = any(metric in DIVERSITY_METRICS for metric in spec.metrics)
        loaded = load_systems(list(present.items()), with_codes=with_codes, metrics=spec.metrics) if present else []
        if members is not None:
            loaded = [of_users(system, np.isin(system.users, members)) for system in loaded]
            loaded = [system for system in loaded if len(system.users)]
        systems = {system.label: system for system in loaded}
        reference = next((label for label in spec.reference if label in systems), None)
        comparisons, spans = {}, {}
        if reference:
            pairs = unlike_systems(present)
            alike = [label for label in systems if not {(label, reference), (reference, label)} & {*pairs}]
            others = [systems[label] for label in alike if label != reference]
            tested = compare(systems[reference], others, spec.metrics, test=test, resamples=resamples, seed=seed)
            comparisons = {other.label: by_metric for other, by_metric in zip(others, tested, strict=True)}
        if with_intervals:
            spans = dict(zip(systems, intervals(loaded, spec.metrics, resamples=resamples, seed=seed), strict=True))
        return cls(spec, data, present, systems, reference, comparisons, spans, members is not None)

    @property
    def unlike(self) -> dict[tuple[str, str], str]:
        """Pairs of rows that are the results of unlike trainings of one model, with the reason; they are not tested."""
        return unlike_systems(self.runs)

    @property
    def collisions(self) -> tuple[int, int] | None:
        """How many of how many items share their semantic ID; None where none do, or it is not known."""
        known = (run.summary.collisions for runs in self.runs.values() for run in runs)
        return next(((of_run.items, of_run.of) for of_run in known if of_run), None)

    @property
    def n_users(self) -> int:
        """How many users the runs evaluated."""
        return len(next(iter(self.systems.values())).users)

    def ttr_bound(self) -> TtrBound | None:
        """The bound of TTR for systems that recommend the data's codes; None where there is no such system."""
        slots = {label: runs[0].summary.slots for label, runs in self.runs.items()}
        model_codes = {label: of_run.code for label, of_run in slots.items() if of_run.are_the_models_own}
        data_slots = next((of_run for label, of_run in slots.items() if label not in model_codes), None)
        if data_slots is None:
            return None
        tokens = {
            label: int(system.counts.sum())
            for label, system in self.systems.items()
            if system.counts is not None and label not in model_codes
        }
        full_tokens = self.n_users * len(self.spec.seeds) * self.spec.setting("beam") * data_slots.sid
        return TtrBound(data_slots.sid_codes, full_tokens, tokens, model_codes)

    def value(self, label: str, metric: str) -> float | None:
        """The value of one cell: the mean over users, the statistic of all lists, or the mean over the seeds.

        None where a run lacks the metric: search error is known only for models that score items, and a metric at k
        only for lists of that length.
        """
        if label not in self.systems:
            return None
        value = system_value(self.systems[label], metric)
        if value is not None or self.of_members:
            return value
        by_seed = [run.value(metric) for run in self.runs[label]]
        known = [value for value in by_seed if value is not None]
        return float(np.mean(known)) if len(known) == len(by_seed) else None

    def values(self, metric: str) -> list[float | None]:
        """One column, in the order of the rows."""
        return [self.value(row.label, metric) for row in self.spec.rows]

    def cells(self, row: RowSpec) -> list[TableCell]:
        """The cells of one row, without their ranks."""
        return [
            TableCell(
                value=self.value(row.label, metric),
                published=published,
                interval=self.intervals.get(row.label, {}).get(metric),
                comparison=self.comparisons.get(row.label, {}).get(metric),
            )
            for metric, published in zip(self.spec.metrics, published_values(self.spec, row, self.data), strict=True)
        ]


def published_values(spec: TableSpec, row: RowSpec, data: str) -> list[str | None]:
    """The published values of one row on one dataset, one for each metric; None where there is none."""
    printed = row.published.get(data, (NOT_REPORTED,) * len(spec.metrics))
    return [None if text == NOT_REPORTED else text for text in printed]
