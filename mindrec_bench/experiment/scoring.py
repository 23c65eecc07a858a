"""Score stored rankings: what every run's summary says, whether its lists were decoded here or made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.code_space import Categories, CodeSpace, canvas_slots
from ..core.dataset import Dataset, Examples
from ..metrics.accuracy import Columns
from ..metrics.lists import Catalogue, score_keys, score_lists, summarise
from ..metrics.model_codes import ModelCodes
from ..metrics.search_error import SEARCH_METRICS
from ..store.rankings import padded_codes
from ..store.run_spec import RunSpec
from ..store.shards import Shard


def score_shards(
    shards: Sequence[Shard],
    examples: Examples,
    dataset: Dataset,
    space: CodeSpace,
    *,
    categories: Categories,
    beam: int,
    own: ModelCodes | None = None,
) -> tuple[Columns, dict[str, Any]]:
    """Score all parts of a run.

    Args:
        shards: the parts by rising index; each is about the users that follow those of the part before it.
        examples: the evaluated users and their targets. U users.
        dataset: what they are from.
        space: the slots.
        categories: how category slots are used.
        beam: b, the longest list.
        own: where the rankings hold a model's own codes, these.

    Returns:
        The columns of `metrics.parquet` (of shape (U,) each), and what a summary says of results: `metrics`;
        `interactions`, by which runs over other semantic IDs of the same data are known; `search_error` where the exact
        answer of the model is known; and `optimum`, the best reachable values, where the data is simulated.
    """
    catalogue = Catalogue(space, dataset.train_counts())
    slots = canvas_slots(space, categories)
    n_slots = len(slots) if own is None else own.space.n_slots
    parts: list[Columns] = []
    corpus, start = None, 0
    for shard in shards:
        rows = slice(start, start := start + shard.meta.users)
        numbers = padded_codes(shard.table(), examples.histories.users[rows], beam, n_slots)
        if own is not None:
            scored, counts = score_keys(*own.read(numbers, space), examples.targets[rows], catalogue)
        else:
            sids = space.from_numbers(numbers[:, :, len(slots) - len(space.sid_slots) :], space.sid_slots)
            scored, counts = score_lists(sids, examples.targets[rows], catalogue)
        parts.append(scored)
        corpus = counts if corpus is None else corpus.add(counts)  # at once: a count for each SID, from every shard
    assert corpus is not None
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    results: dict[str, Any] = {
        "metrics": summarise(columns, corpus, catalogue),
        "interactions": dataset.interactions,
    }
    if all(shard.meta.missed for shard in shards):
        known = [name for name in SEARCH_METRICS if name in shards[0].meta.missed]
        missed = {name: np.concatenate([shard.meta.missed[name] for shard in shards]) for name in known}
        columns |= missed
        results["search_error"] = {name: float(values.mean()) for name, values in missed.items()}
    if dataset.simulation is not None:
        from ..data.simulation.arts_sim import optimum

        results["optimum"] = optimum(dataset.simulation, examples.histories.items, n_items=dataset.n_items)
    return columns, results


def spec_summary(spec: RunSpec, space: CodeSpace, own: ModelCodes | None = None) -> dict[str, Any]:
    """What every summary says of the question, and under `slots` how many slots and codes there are.

    `slots` has a key `code`, what a code is, exactly where the rankings hold a model's own codes.
    """
    asked = ("eval_users", "categories", "constrain", "beam", "seed", "exclude_history", "split")
    names = (*asked, "max_minutes", "train_devices")
    slots = {
        "categories": space.n_categories,
        "sid": len(space.sid_slots),
        "sid_codes": sum(space.sizes[space.n_categories :]),
        "sid_sizes": list(space.sizes[space.n_categories :]),
    }
    return {name: getattr(spec, name) for name in names} | {"slots": own.summary() if own else slots}


def data_notes(dataset: Dataset, space: CodeSpace) -> list[str]:
    """Facts about the data that stand beside results."""
    skipped = f"{dataset.skipped:,} users with fewer than 3 interactions were skipped"
    about_categories = dataset.category_notes if space.n_categories else ()
    return [*about_categories, *([skipped] if dataset.skipped else [])]
