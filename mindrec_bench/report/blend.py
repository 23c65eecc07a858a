"""The stored lists of two runs mixed, with a weight that validation chooses (`mrbench blend`).

A list's scores are taken as log-probabilities and normalised over the list; a result of one list only has probability 0
in the other. The blend ranks by (1 - w) a + w b. w is the one of `WEIGHTS` with the best NDCG@10 on the validation runs
of the same two systems, so that no test user takes part in it. Longer lists overlap more: 50 results are a good choice.
Nothing is computed by a model, and what no list holds is never found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int
from ..errors import UsageError
from ..metrics.accuracy import hr_and_ndcg
from ..stats.comparison import Comparison, System, compare
from ..stats.paired_tests import ALPHA
from ..stats.resampling import RESAMPLES
from ..store.runs import Run, find_runs
from .metric_format import format_value, metric_arrow, metric_name
from .tables.run_data import check_comparable
from .text_table import format_columns

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
"""The weights of the second run that are tried."""

CHOSEN_BY = "ndcg@10"
METRICS = ("hr@1", "hr@3", "hr@5", "hr@10", "ndcg@3", "ndcg@5", "ndcg@10")


@dataclass(frozen=True, eq=False)
class PooledLists:
    """The distinct results of two runs' lists, user after user, with their probabilities in both.

    Attributes:
        users: user ids. Shape: (U,)
        user: the index of each result's user. Shape: (R,)
        probabilities: in the list of each run, 0 where it lacks the result. Shape: (2, R)
        target: the row of each user's target among the results, -1 where no list holds it. Shape: (U,)
    """

    users: Int
    user: Int
    probabilities: NDArray[np.float64]
    target: Int

    def hit_ranks(self, weight: float) -> NDArray[np.int32]:
        """The rank of each user's target in the blend, from 1, 0 for a miss; ties go to the earlier row. Shape: (U,)

        Args:
            weight: of the second run, 0 to 1.
        """
        scores = ((1 - weight) * self.probabilities[0] + weight * self.probabilities[1]).round(12)
        found = self.target >= 0
        own = np.where(found, scores[self.target], np.inf)[self.user]
        row = np.arange(len(scores))
        before = (scores > own) | ((scores == own) & (row < self.target[self.user]))
        ranks = 1 + np.bincount(self.user[before], minlength=len(self.users))
        listed = found & (np.where(found, scores[self.target], 0.0) > 0)
        return np.where(listed, ranks, 0).astype(np.int32)


def pool_lists(first: Run, second: Run) -> PooledLists:
    """Read the lists of two runs over the same users.

    Raises:
        UsageError: the runs have different data or users, or their results have different codes.
        DataError: a run is compact, or a file of it can't be read.
    """
    check_comparable([first, second])
    if first.spec.data.fingerprint != second.spec.data.fingerprint or (
        first.summary.slots.code != second.summary.slots.code
    ):
        raise UsageError(
            f"runs {first.id} and {second.id} name items by different codes, so their lists can't be mixed; blend runs "
            "on the same semantic IDs"
        )
    users = np.sort(first.per_user()["user"])
    lists = [_read_list(run, users) for run in (first, second)]
    sids = _numbered([sids for _, sids, _, _ in lists])
    n_sids = 1 + max((int(numbers.max(initial=0)) for numbers in sids), default=0)
    keys = [user * n_sids + numbers for (user, _, _, _), numbers in zip(lists, sids, strict=True)]
    distinct = np.unique(np.concatenate(keys))
    probabilities = np.zeros((2, len(distinct)))
    target = np.full(len(users), -1)
    for row, (key, (user, _, probability, is_hit)) in enumerate(zip(keys, lists, strict=True)):
        place = np.searchsorted(distinct, key)
        np.maximum.at(probabilities[row], place, probability)  # a SID that is listed twice counts once
        target[user[is_hit]] = place[is_hit]
    return PooledLists(users, distinct // n_sids, probabilities, target)


def _read_list(run: Run, users: Int) -> tuple[Int, Int, NDArray[np.float64], NDArray[np.bool_]]:
    """Of each result: the user's index, the SID's code numbers, its probability in the list, whether it is the hit.

    Shapes: (R,), (R, M), (R,), (R,)
    """
    table = run.rankings(["user", "rank", "codes", "score"])
    user = np.searchsorted(users, table["user"].to_numpy())
    codes = table["codes"].combine_chunks().flatten().to_numpy().reshape(len(user), -1)[:, -run.summary.slots.sid :]
    score = table["score"].to_numpy()
    highest = np.full(len(users), -np.inf)
    np.maximum.at(highest, user, score)
    weight = np.exp(score - highest[user])
    probability = weight / np.bincount(user, weight, minlength=len(users))[user]
    columns = run.per_user()
    hit_rank = np.zeros(len(users), dtype=np.int64)
    hit_rank[np.searchsorted(users, columns["user"])] = columns["hit_rank"]
    return user, codes.astype(np.int64), probability, table["rank"].to_numpy() == hit_rank[user]


def _numbered(sids: Sequence[Int]) -> list[Int]:
    """One number for each SID, the same in all arrays. Shapes: (R, M) -> (R,)"""
    _, numbers = np.unique(np.concatenate(sids), axis=0, return_inverse=True)
    return np.split(numbers.reshape(-1), np.cumsum([len(part) for part in sids])[:-1])


@dataclass(frozen=True, eq=False)
class Blend:
    """A blend on the test users, beside the two runs.

    Attributes:
        runs: the two.
        weight: of the second run.
        validation_users: how many users chose it.
        values: metric -> value of the first run, the second and the blend.
        comparisons: the blend with the first run and with the second, by metric.
        n_users: test users.
    """

    runs: tuple[Run, Run]
    weight: float
    validation_users: int
    values: dict[str, tuple[float, float, float]]
    comparisons: tuple[dict[str, Comparison], dict[str, Comparison]]
    n_users: int


def choose_weight(pooled: PooledLists) -> float:
    """The weight with the best NDCG@10 on these users; of equal ones the lowest."""
    values = [hr_and_ndcg(pooled.hit_ranks(weight))[CHOSEN_BY].mean() for weight in WEIGHTS]
    return WEIGHTS[int(np.argmax(np.round(values, 12)))]


def blend_runs(runs: tuple[Run, Run], validation: tuple[Run, Run], *, resamples: int = RESAMPLES) -> Blend:
    """Choose the weight on the validation runs and apply it to the test runs.

    Args:
        runs: on the test items.
        validation: the same two systems on the validation items.
        resamples: of the tests and intervals.

    Raises:
        UsageError, DataError: see `pool_lists`.
    """
    chosen_on = pool_lists(*validation)
    weight = choose_weight(chosen_on)
    pooled = pool_lists(*runs)
    columns = [_by_user(run.per_user(), pooled.users) for run in runs]
    columns.append(hr_and_ndcg(pooled.hit_ranks(weight)))
    labels = (runs[0].id, runs[1].id, "the blend")
    systems = [System(label, pooled.users, values) for label, values in zip(labels, columns, strict=True)]
    values = {m: tuple(float(system.values[m].mean()) for system in systems) for m in METRICS}
    comparisons = tuple(compare(system, [systems[2]], METRICS, resamples=resamples)[0] for system in systems[:2])
    return Blend(runs, weight, len(chosen_on.users), values, comparisons, len(pooled.users))  # type: ignore[arg-type]


def _by_user(columns: dict[str, Any], users: Int) -> dict[str, Any]:
    order = np.argsort(columns["user"], kind="stable")
    assert np.array_equal(columns["user"][order], users)
    return {metric: columns[metric][order] for metric in METRICS}


def find_validation_run(run: Run, runs_dir: Path) -> Run:
    """The stored run of the same system on the validation items.

    Raises:
        UsageError: `run` is itself on the validation items, or there is no such run; the message has its command.
    """
    if run.spec.split != "test":
        raise UsageError(f"run {run.id} is on the validation items; name the run on the test items")
    for other in find_runs(runs_dir):
        if other.spec.split == "valid" and replace(other.spec, split="test", eval_users=0, data=run.spec.data) == (
            replace(run.spec, eval_users=0)
        ):
            return other
    raise UsageError(
        f"run {run.id} has no run on the validation items, which choose the weight; make it with: "
        f"{run.summary.command} --split valid"
    )


def to_text(blend: Blend) -> str:
    """The blend for a terminal."""
    names = [f"{run.id}  {run.summary.model} x {run.summary.decoder}, beam {run.spec.beam}" for run in blend.runs]
    head = (
        f"a  {names[0]}\nb  {names[1]}\n"
        f"blend  {1 - blend.weight:g} a + {blend.weight:g} b, by {metric_name(CHOSEN_BY)} of "
        f"{blend.validation_users:,} validation users\non {blend.runs[0].summary.data}, {blend.n_users:,} users"
    )
    rows = []
    for metric, values in blend.values.items():
        row = [f"{metric_name(metric)}{metric_arrow(metric)}", *(format_value(value, metric) for value in values)]
        for comparison in (by_metric[metric] for by_metric in blend.comparisons):
            mark = "*" if comparison.p <= ALPHA else " "
            row += [f"{comparison.difference:+.4f}{mark}", f"{comparison.p:.2g}"]
        rows.append(row)
    headings = ("", "a", "b", "blend", "blend - a", "p", "blend - b", "p")
    note = (
        "p: exact McNemar for HR, paired randomisation for NDCG; raw, * at 0.05. A list's scores count as "
        "log-probabilities, normalised over the list."
    )
    return "\n\n".join([head, "\n".join(format_columns(rows, headings)), note])


def to_dict(blend: Blend) -> dict[str, Any]:
    """The blend in JSON's types."""
    return {
        "runs": [run.id for run in blend.runs],
        "weight": blend.weight,
        "validation_users": blend.validation_users,
        "users": blend.n_users,
        "values": {metric: dict(zip(("a", "b", "blend"), row, strict=True)) for metric, row in blend.values.items()},
        "p": {
            metric: {name: by_metric[metric].p for name, by_metric in zip("ab", blend.comparisons, strict=True)}
            for metric in blend.values
        },
    }
