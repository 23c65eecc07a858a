"""The cases of `mrbench bench`: every model with every decoder, beam, batch size and history length, ready to decode.

Networks have fresh weights and histories are random items, because the time does not depend on what a network has
learnt.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..core.backbone import Task
from ..core.choices import HISTORY, Categories, Constrain
from ..core.dataset import Dataset, Examples, Histories
from ..core.lifting import adapt
from ..core.protocols import Model
from ..distributed.processes import silent
from ..errors import UsageError
from ..experiment.batch_decoder import BatchDecoder
from ..experiment.config import AUTO, ExperimentConfig
from ..experiment.resolve import ResolvedExperiment, resolve_config

logger = logging.getLogger(__name__)

TRAINING_USERS = 64
"""Users of the data that is loaded: enough for the one step that fitting a network takes."""


@dataclass(frozen=True)
class BenchmarkGrid:
    """Values of the options of `mrbench bench`; every combination is a case."""

    models: tuple[str, ...]
    decoders: tuple[str, ...]
    beams: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    history_lengths: tuple[int, ...]


@dataclass(frozen=True)
class BenchmarkOptions:
    """What all cases share; fields as in `ExperimentConfig`, and `device` and `data_dir` as in a run."""

    data: str
    size: str
    categories: Categories | None
    constrain: Constrain
    seed: int
    device: str
    data_dir: Path | None


@dataclass(frozen=True, eq=False)
class BenchmarkCase:
    """One model with one decoder and one batch.

    Attributes:
        model, decoder: with the options that differ from their defaults.
        size: of the model.
        beam: results per user.
        batch_size: users decoded together.
        history_length: items in each history.
        loaded_model: what the backbone loaded, before any adapter.
        batch_decoder: the model and the decoder, as a run sets them up.
        examples: the batch.
    """

    model: str
    decoder: str
    size: str
    beam: int
    batch_size: int
    history_length: int
    loaded_model: Model
    batch_decoder: BatchDecoder
    examples: Examples

    @property
    def precision(self) -> str:
        """The dtype of the network's matrices, by its name in torch; `float32` where there is no network."""
        network = getattr(self.loaded_model, "network", self.loaded_model)
        parameters = network.parameters() if hasattr(network, "parameters") else ()
        names = (str(parameter.dtype).removeprefix("torch.") for parameter in parameters if parameter.ndim > 1)
        return next((name for name in names if "float" in name), "float32")


def make_cases(grid: BenchmarkGrid, options: BenchmarkOptions) -> list[BenchmarkCase]:
    """All cases whose model and decoder work together; other pairs are left out, each with a notice.

    Raises:
        UsageError: unknown names, values out of range, or no pair that works together.
        DataError: the data is missing or broken, or has no semantic IDs where they are needed.
    """
    _check_range("--batch", grid.batch_sizes)
    _check_range("--history", grid.history_lengths, maximum=HISTORY)
    experiments = list(_resolve_pairs(grid, options))
    if not experiments:
        raise UsageError("no decoder of --decoder works with a model of --model; see `mrbench list models NAME`")
    with silent():  # nobody asked for these data and fits
        dataset = experiments[0].source.load(options.data_dir, users=TRAINING_USERS)
    for experiment in experiments:
        experiment.check_semantic_ids(dataset)
    models: dict[str, Model] = {}
    cases = []
    for experiment in experiments:
        name = experiment.config.model
        if name not in models:
            with silent():
                models[name] = _load_untrained(experiment, dataset, options)
        shapes = product(grid.beams, grid.batch_sizes, grid.history_lengths)
        cases += [_make_case(experiment, dataset, options, models[name], *shape) for shape in shapes]
    return cases


def _check_range(flag: str, values: Sequence[int], maximum: int | None = None) -> None:
    for value in values:
        if value < 1 or (maximum is not None and value > maximum):
            limit = "" if maximum is None else f", at most {maximum}"
            raise UsageError(f"{flag} is {value}; it must be at least 1{limit}")


def _resolve_pairs(grid: BenchmarkGrid, options: BenchmarkOptions) -> Iterator[ResolvedExperiment]:
    """The experiments of all pairs that work together; a single pair that does not is refused when resolved."""
    from ..plugins.registry import can_answer, make

    single_pair = len(grid.models) * len(grid.decoders) == 1
    for model, decoder in product(grid.models, grid.decoders):
        backbone, needs = make("model", model)[1], make("decoder", decoder)[1].needs
        if not can_answer(backbone.capability, needs) and not single_pair:
            logger.info(f"left out: decoder '{decoder}' does not work with model '{model}'")
            continue
        config = ExperimentConfig(
            model=model,
            decoder=decoder,
            data=options.data,
            size=options.size if backbone.sizes else AUTO,
            categories=options.categories,
            constrain=options.constrain,
            beam=min(grid.beams),
            seed=options.seed,
        )
        yield resolve_config(config, options.data_dir)


def _load_untrained(experiment: ResolvedExperiment, dataset: Dataset, options: BenchmarkOptions) -> Model:
    """The model after the shortest fit that its backbone makes."""
    size = experiment.size(dataset)
    backbone = experiment.backbone.with_size_defaults(size)
    space = dataset.space(categories=experiment.categories(dataset) != "none")
    task = Task(dataset, space, size, options.seed, options.device, max_minutes=1e-9, quiet=True)
    with TemporaryDirectory() as folder:
        if backbone.sizes:
            backbone.fit(task, Path(folder))
        return backbone.load(task, Path(folder))


def _make_case(
    experiment: ResolvedExperiment,
    dataset: Dataset,
    options: BenchmarkOptions,
    model: Model,
    beam: int,
    batch_size: int,
    history_length: int,
) -> BenchmarkCase:
    categories = experiment.categories(dataset)
    space = dataset.space(categories=categories != "none")
    batch_decoder = BatchDecoder(
        model=adapt(model, experiment.backbone.capability, experiment.capability, space, options.device),
        capability=experiment.capability,
        decoder=experiment.decoder,
        space=space,
        categories=categories,
        item_ids=dataset.item_ids,
        beam=beam,
        seed=options.seed,
        device=options.device,
        batch_size=batch_size,
        constrain=options.constrain,
    )
    rng = np.random.default_rng(options.seed)
    items = np.full((batch_size, HISTORY), -1)
    items[:, HISTORY - history_length :] = rng.integers(dataset.n_items, size=(batch_size, history_length))
    histories = Histories(items, np.arange(batch_size))
    return BenchmarkCase(
        model=experiment.model_label,
        decoder=experiment.decoder_label,
        size=experiment.size(dataset),
        beam=beam,
        batch_size=batch_size,
        history_length=history_length,
        loaded_model=model,
        batch_decoder=batch_decoder,
        examples=Examples(histories, rng.integers(dataset.n_items, size=batch_size)),
    )


def parse_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Distinct names separated by commas; a part such as `prune=bs` belongs to the options of the name before it."""
    names: list[str] = []
    for part in (part for text in texts for part in text.split(",")):
        if names and "=" in part.partition(":")[0]:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return tuple(dict.fromkeys(names))


def parse_numbers(flag: str, text: str) -> tuple[int, ...]:
    """Distinct whole numbers separated by commas.

    Raises:
        UsageError: the text is anything else.
    """
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{flag} is '{text}'; it must be whole numbers separated by commas") from None
