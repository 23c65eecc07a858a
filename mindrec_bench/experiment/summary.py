"""A run's summary: the scores of its stored rankings, what the run is, its cost, and the command that repeats it.

Rankings made elsewhere (`interchange.score`) are scored and described by the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.choices import HISTORY, Categories
from ..core.code_space import CodeSpace
from ..core.dataset import Dataset, Examples
from ..metrics.accuracy import Columns
from ..metrics.lists import ITEM_PREFIX, Catalogue, coverage_at, score_lists, score_sequences, summarise
from ..metrics.model_codes import ModelCodes
from ..metrics.names import HIT_RATES, SEARCH_METRICS
from ..plugins import options, registry
from ..store.rankings import padded_codes
from ..store.run_spec import RunSpec
from ..store.run_summary import ITEM_CODE, SID_CODE, Collisions, SlotCounts, Timings
from ..store.shards import Shard
from .config import AUTO, changed_settings
from .resolve import ResolvedExperiment


def score_shards(
    shards: Sequence[Shard],
    examples: Examples,
    dataset: Dataset,
    space: CodeSpace,
    *,
    categories: Categories,
    beam: int,
    model_codes: ModelCodes | None = None,
) -> tuple[Columns, dict[str, Any]]:
    """Score all shards of a run.

    Args:
        shards: by rising index; the users of each follow those of the shard before it.
        examples: the evaluated users and their targets. U users.
        dataset: what they are from.
        space: the slots of the data.
        categories: how category slots are used.
        beam: b, the longest list.
        model_codes: the codes of the rankings where they are the model's own; None where they are the data's.

    Returns:
        The metrics of each user (of shape (U,) each), and the fields of `RunSummary` about results: `metrics`,
        `coverage_at`, `interactions`, and, where they are known, `collisions`, `search_error` and `optimum`.
    """
    catalogue = Catalogue(space, dataset.train_counts())
    slots = space.canvas_slots(categories)
    n_slots = len(slots) if model_codes is None else model_codes.space.n_slots
    scores: list[Columns] = []
    code_counts, start = None, 0
    for shard in shards:
        rows = slice(start, start := start + shard.meta.users)
        targets = examples.targets[rows]
        numbers = padded_codes(shard.table(), examples.histories.users[rows], beam, n_slots)
        if model_codes is not None:
            shard_scores, shard_counts = score_sequences(*model_codes.read(numbers, space), targets, catalogue)
        else:
            sids = space.from_numbers(numbers[:, :, len(slots) - len(space.sid_slots) :], space.sid_slots)
            shard_scores, shard_counts = score_lists(sids, targets, catalogue)
        scores.append(shard_scores)
        code_counts = shard_counts if code_counts is None else code_counts.add(shard_counts)
    assert code_counts is not None
    columns = {name: np.concatenate([shard[name] for shard in scores]) for name in scores[0]}
    by_item = {name: float(columns.pop(f"{ITEM_PREFIX}{name}").mean()) for name in HIT_RATES if catalogue.n_sharing}
    results: dict[str, Any] = {
        "metrics": summarise(columns, code_counts, catalogue),
        "coverage_at": coverage_at(code_counts, beam),
        "interactions": dataset.interactions_hash,
    }
    if by_item and model_codes is None:
        results["collisions"] = Collisions(catalogue.n_sharing, dataset.n_items, by_item)
    if all(shard.meta.search_error for shard in shards):
        names = [name for name in SEARCH_METRICS if name in shards[0].meta.search_error]
        errors = {name: np.concatenate([shard.meta.search_error[name] for shard in shards]) for name in names}
        columns |= errors
        results["search_error"] = {name: float(values.mean()) for name, values in errors.items()}
    if dataset.simulation is not None and dataset.history >= HISTORY:  # with fewer, the best model is not known
        from ..data.simulation.arts_sim import optimum

        results["optimum"] = optimum(dataset.simulation, examples.histories.items, n_items=dataset.n_items)
    return columns, results


def slot_counts(space: CodeSpace, model_codes: ModelCodes | None = None, *, has_sids: bool = True) -> SlotCounts:
    """The slots of the data, or those of a model that names items in codes of its own.

    Args:
        space: the slots of the data.
        model_codes: the model's own codes, or None.
        has_sids: False where the data has no semantic IDs and an item is its own code.
    """
    if model_codes is not None:
        sizes = model_codes.slot_sizes
        return SlotCounts(0, len(sizes), sum(sizes), sizes, model_codes.code)
    sizes = tuple(space.sizes[space.n_categories :])
    return SlotCounts(space.n_categories, len(sizes), sum(sizes), sizes, SID_CODE if has_sids else ITEM_CODE)


def decoding_costs(shards: Sequence[Shard]) -> dict[str, Any]:
    """The fields of `RunSummary` about cost, over all shards: `seconds` and `timings`."""
    seconds = np.concatenate([shard.meta.batch_seconds for shard in shards])
    total = float(seconds.sum())
    timings = Timings(
        users_per_second=sum(shard.meta.users for shard in shards) / total,
        processes=max(shard.meta.processes for shard in shards),
        batch_size=shards[0].meta.batch_size,
        smallest_batch_size=min(shard.meta.used_batch_size for shard in shards),
        batch_p50=float(np.quantile(seconds, 0.5)),
        batch_p95=float(np.quantile(seconds, 0.95)),
        forward_passes=sum(shard.meta.forward_passes for shard in shards),
        peak_bytes=max(shard.meta.peak_bytes for shard in shards),
        states=sum(shard.meta.states for shard in shards) if all(shard.meta.states for shard in shards) else None,
    )
    return {"seconds": total, "timings": timings}


def code_origins(resolved: ResolvedExperiment) -> dict[str, str]:
    """The model and the decoder that are not built in: role -> `registry.code_origin`."""
    names: dict[registry.Kind, str] = {"model": resolved.model_name, "decoder": resolved.decoder_name}
    origins = {str(kind): registry.code_origin(kind, name) for kind, name in names.items()}
    return {kind: origin for kind, origin in origins.items() if origin}


def run_notes(spec: RunSpec, dataset: Dataset, space: CodeSpace, model_codes: ModelCodes | None = None) -> list[str]:
    """Facts to show beside the results of a run."""
    notes = data_notes(dataset, space, counts_items=model_codes is None)
    notes += [model_codes.note()] if model_codes else []
    if dataset.simulation is not None and spec.categories == "given":
        notes.append("the best reachable values do not know the given categories, so this run may exceed them")
    return notes


def data_notes(dataset: Dataset, space: CodeSpace, *, counts_items: bool = True) -> list[str]:
    """Facts about the data to show beside results.

    Args:
        dataset: the data.
        space: its slots.
        counts_items: on data without semantic IDs, the codes that Entropy and TTR count are items.
    """
    skipped = f"{dataset.skipped:,} users with fewer than 3 interactions were skipped"
    category_notes = dataset.category_notes if space.n_categories else ()
    without_sids = "the data has no semantic IDs: a hit is a match of items"
    without_sids += ", and Entropy and TTR count items" if counts_items else ""
    return [
        *category_notes,
        *dataset.notes,
        *([] if dataset.has_sids else [without_sids]),
        *([skipped] if dataset.skipped else []),
    ]


def run_command(resolved: ResolvedExperiment, spec: RunSpec) -> str:
    """The shortest command that repeats the run, with what was resolved in place of `auto` and of defaults.

    With a class that no package registers it is a call in Python, with a comment that says so.
    """
    resolved_config = replace(
        resolved.config,
        users=AUTO if resolved.users == resolved.source.default_users() else resolved.users,
        model=resolved.model_label,
        decoder=resolved.decoder_label,
        size=spec.model.size or AUTO,
        checkpoint=None,  # an option of the model's label
        categories=spec.categories,
        train_devices=spec.train_devices if spec.train_devices > 1 else None,
    )
    of_process = {
        "model": registry.is_of_process("model", resolved.model_name),
        "decoder": registry.is_of_process("decoder", resolved.decoder_name),
    }
    if not any(of_process.values()):
        return resolved_config.command()
    texts = {name: repr(value) for name, value in changed_settings(resolved_config, always=("data",)).items()}
    for name, instance in (("model", resolved.backbone), ("decoder", resolved.decoder)):
        if of_process[name]:
            changed = options.changed(instance, options.with_defaults(instance))
            arguments = ", ".join(f"{key}={value!r}" for key, value in changed.items())
            texts[name] = f"{type(instance).__name__}({arguments})"
    call = ", ".join(f"{name}={text}" for name, text in texts.items())
    return f"mindrec_bench.run({call})  # in Python only: no command line knows this class"
