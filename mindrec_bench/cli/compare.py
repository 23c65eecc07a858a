"""`mrbench compare`: test stored runs against the first one; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .flags import (
    by_option,
    data_dir_option,
    json_option,
    k_option,
    print_result,
    require_reachable,
    runs_option,
    test_option,
)


@click.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@test_option
@k_option
@by_option
@data_dir_option
@runs_option
@json_option
def compare(
    runs: Sequence[str],
    test: Any,
    ks: tuple[int, ...],
    by: tuple[str, ...],
    data_dir: Path | None,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Compare stored runs with the first one: every metric is tested over the same users.

    Runs that differ only in the seed are one system: its mean, the spread over seeds, and what is above their noise.
    With --by, HR and NDCG at the largest k are tested on each group of users.

    A RUN is the id of a run, the start of its id, or its folder.
    """
    from ..report.compare import compare_runs, to_dict, to_text
    from ..store.runs import find_run

    found = [find_run(runs_dir, run) for run in runs]
    require_reachable(ks, max(run.spec.beam for run in found), "the longest list")
    comparison = compare_runs(found, test=test, ks=ks)
    values, texts = to_dict(comparison), [to_text(comparison)]
    if by:
        from ..data.slices import slice_users
        from ..experiment.stored_data import load_run_data
        from ..report.slices import compare_slices, slices_dict, slices_text

        dataset = load_run_data(found[0], data_dir)
        k = max((k for k in ks if k <= min(run.spec.beam for run in found)), default=1)
        sliced = [
            compare_slices(found, slice_users(dataset, name, found[0].spec.split), (f"hr@{k}", f"ndcg@{k}"), test=test)
            for name in dict.fromkeys(by)
        ]
        texts += map(slices_text, sliced)
        values["slices"] = [slices_dict(of_slice) for of_slice in sliced]
    print_result(values, "\n\n".join(texts), as_json)
