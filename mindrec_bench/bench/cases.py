"""What `mrbench bench` times: each model, decoder, beam, batch and history length, ready to decode.

Networks have fresh weights and histories are random items: time does not depend on what a network has learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..core.backbone import Task
from ..core.code_space import Categories
from ..core.dataset import HISTORY, Dataset, Examples, Histories
from ..core.lifting import adapt
from ..core.protocols import Constrain, Model
from ..errors import UsageError
from ..experiment.batch_decoder import BatchDecoder
from ..experiment.config import AUTO, ExperimentConfig
from ..experiment.resolve import ResolvedExperiment, resolve_config

TRAINING_USERS = 64
"""Enough for the one step that a network's fit takes."""


@dataclass(frozen=True)
class Axes:
    """The values of `mrbench bench`'s options; their product is what is timed."""

    models: tuple[str, ...]
    decoders: tuple[str, ...]
    beams: tuple[int, ...]
    batches: tuple[int, ...]
    histories: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One line of the table.

    Attributes:
        model, decoder, size: as asked, the size resolved.
        beam, batch, history: results a user, users together, items in each history.
        loaded: the model as its backbone loaded it.
        users: the model and the decoder as a run has them.
        examples: the batch.
    """

    model: str
    decoder: str
    size: str
    beam: int
    batch: int
    history: int
    loaded: Model
    users: BatchDecoder
    examples: Examples


@dataclass(frozen=True)
class Setting:
    """What all cases share; fields as in `ExperimentConfig`, and where to find data and compute."""

    data: str
    size: str
    categories: Categories | None
    constrain: Constrain
    seed: int
    device: str
    data_dir: Path | None
    notify: Callable[[str], None]


def make_cases(axes: Axes, setting: Setting) -> list[Case]:
    """All cases whose model and decoder fit each other; one notice names each pair that does not.

    Raises:
        UsageError: unknown names, values out of range, or no pair that fits.
    """
    for name, values, most in (("--batch", axes.batches, None), ("--history", axes.histories, HISTORY)):
        for value in values:
            if value < 1 or (most is not None and value > most):
                raise UsageError(f"{name} is {value}; it must be at least 1" + (f", at most {most}" if most else ""))
    pairs = list(_pairs(axes, setting))
    if not pairs:
        raise UsageError("no decoder of --decoder works with a model of --model; see `mrbench list models NAME`")
    dataset = pairs[0].source.load(setting.data_dir, users=TRAINING_USERS, notify=lambda line: None)
    models: dict[str, Model] = {}
    cases = []
    for resolved in pairs:
        name = resolved.question.model
        if name not in models:
            models[name] = _fresh(resolved, dataset, setting)
        sizes = product(axes.beams, axes.batches, axes.histories)
        cases += [_case(resolved, dataset, setting, models[name], *size) for size in sizes]
    return cases


def _pairs(axes: Axes, setting: Setting) -> Iterator[ResolvedExperiment]:
    from ..plugins.registry import fits, make

    for model, decoder in product(axes.models, axes.decoders):
        capability, needs = make("model", model)[1].capability, make("decoder", decoder)[1].needs
        if not fits(capability, needs) and len(axes.models) * len(axes.decoders) > 1:
            setting.notify(f"left out: decoder '{decoder}' can't work with model '{model}'")
            continue
        question = ExperimentConfig(
            model=model,
            decoder=decoder,
            data=setting.data,
            size=setting.size if make("model", model)[1].sizes else AUTO,
            categories=setting.categories,
            constrain=setting.constrain,
            beam=min(axes.beams),
            seed=setting.seed,
        )
        yield resolve_config(question, setting.data_dir)


def _fresh(resolved: ResolvedExperiment, dataset: Dataset, setting: Setting) -> Model:
    """The model after as little fitting as its backbone does."""
    size = resolved.size(dataset)
    backbone = resolved.backbone.with_size_defaults(size)
    space = dataset.space(categories=resolved.categories(dataset) != "none")
    task = Task(dataset, space, size, setting.seed, setting.device, max_minutes=1e-9, quiet=True)
    with TemporaryDirectory() as folder:
        if backbone.sizes:
            backbone.fit(task, Path(folder))
        return backbone.load(task, Path(folder))


def _case(
    resolved: ResolvedExperiment, dataset: Dataset, setting: Setting, model: Model, beam: int, batch: int, history: int
) -> Case:
    categories = resolved.categories(dataset)
    space = dataset.space(categories=categories != "none")
    users = BatchDecoder(
        model=adapt(model, resolved.backbone.capability, resolved.decoder.needs, space),
        decoder=resolved.decoder,
        space=space,
        categories=categories,
        item_ids=dataset.item_ids,
        beam=beam,
        seed=setting.seed,
        device=setting.device,
        batch_size=batch,
        constrain=setting.constrain,
    )
    rng = np.random.default_rng(setting.seed)
    items = np.full((batch, HISTORY), -1)
    items[:, HISTORY - history :] = rng.integers(dataset.n_items, size=(batch, history))
    examples = Examples(Histories(items, np.arange(batch)), rng.integers(dataset.n_items, size=batch))
    size = resolved.size(dataset)
    return Case(resolved.model_label, resolved.decoder_label, size, beam, batch, history, model, users, examples)


def named_list(texts: Sequence[str]) -> tuple[str, ...]:
    """Names between commas; a part such as `prune=bs` belongs to the options of the name before it."""
    found: list[str] = []
    for part in (part for text in texts for part in text.split(",")):
        if found and "=" in part.partition(":")[0]:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return tuple(dict.fromkeys(found))


def numbers(flag: str, text: str) -> tuple[int, ...]:
    """Whole numbers between commas.

    Raises:
        UsageError: something else.
    """
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{flag} is '{text}'; it must be whole numbers with commas between them") from None
