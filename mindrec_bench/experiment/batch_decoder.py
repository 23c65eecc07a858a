"""Decode users in batches: open a context, decode a canvas, turn the ranking into rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..core.choices import Categories, Constrain
from ..core.code_space import MASK, CodeSpace, Int
from ..core.dataset import Examples
from ..core.devices import search_device
from ..core.protocols import Canvas, Capability, Decoder, Model, Ranking
from ..core.timing import timed_section
from ..errors import MrbenchError
from ..metrics.names import SCORE_ROUNDING
from ..store.rankings import rankings_table

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.catalogue import CatalogueIndex
    from ..core.constraint import CatalogueConstraint
    from ..metrics.accuracy import Columns


@dataclass
class Meter:
    """What decoding cost, and how far its results are from the model's exact ones.

    Attributes:
        forward_passes: model calls.
        states: what these calls asked for: one state of each beam of each user, padding included; of a model that
            scores items, one of each user.
        batch_seconds: wall time of each batch.
        search_error: `metrics.search_error.search_error` of the users so far; empty where the exact ranking is unknown.
    """

    forward_passes: int = 0
    states: int = 0
    batch_seconds: list[float] = field(default_factory=list)
    search_error: dict[str, list[float]] = field(default_factory=dict)


class ErrorMeter(Protocol):
    """Measures search error."""

    def measure(self, batch: Examples, ranking: Ranking) -> Columns:
        """What the results of a batch miss, by user; see `metrics.search_error`."""
        ...


class MeteredContext:
    """A context of any capability that counts its calls and the states that they ask for."""

    def __init__(self, context: Any, meter: Meter) -> None:
        self._context = context
        self._meter = meter

    def log_probs(self, *arguments: Any) -> Tensor:
        """The log-probabilities of the wrapped context (denoiser and items)."""
        self._meter.forward_passes += 1
        with timed_section("model"):
            log_probs: Tensor = self._context.log_probs(*arguments)
        states = arguments[0].shape if arguments else log_probs.shape[:1]
        self._meter.states += math.prod(states[:2])
        return log_probs

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """The log-probabilities of the wrapped context (causal)."""
        self._meter.forward_passes += 1
        self._meter.states += math.prod(prefix.shape[:2])
        with timed_section("model"):
            return self._context.next_log_probs(prefix)


@dataclass(frozen=True, eq=False)
class BatchDecoder:
    """A model and a decoder, set up for one catalogue.

    Attributes:
        model: has a capability that the decoder needs.
        capability: which.
        decoder: fills canvases.
        space: the slots.
        categories: `history` leaves the category slots out of the canvas; `given` reveals the true ones at the start.
        item_ids: the item id in the files of each item index.
        beam: results per user.
        seed: the run's seed.
        device: where the network is; canvases are on its `search_device`.
        batch_size: users decoded together.
        constrain: `catalogue` allows only codes that keep an item reachable.
        unique_codes: no two items have the same codes, so the rows of any decoder can name the item.
        error_meter: measures search error by another decoder; None: it is measured where the model scores items.
        never_again: the index of the data's semantic IDs, by which results of the history are excluded; None: they are
            not.
    """

    model: Model
    capability: Capability
    decoder: Decoder
    space: CodeSpace
    categories: Categories
    item_ids: Sequence[str]
    beam: int
    seed: int
    device: str
    batch_size: int
    constrain: Constrain = "slots"
    unique_codes: bool = False
    error_meter: ErrorMeter | None = None
    never_again: CatalogueIndex | None = None

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots of the canvas."""
        return self.space.canvas_slots(self.categories)

    @cached_property
    def _item_ids(self) -> NDArray[np.str_]:
        return np.array(self.item_ids)

    @cached_property
    def _catalogue(self) -> Tensor:
        import torch

        return torch.as_tensor(self.space.item_codes[:, list(self.slots)], device=search_device(self.device))

    @cached_property
    def _index(self) -> CatalogueIndex:
        return self.space.index(self.slots)

    @cached_property
    def _constraint(self) -> CatalogueConstraint | None:
        from ..core.constraint import CatalogueConstraint

        if self.constrain == "slots":
            return None
        return CatalogueConstraint(self._catalogue, self.space.canvas_sizes(self.slots))

    def decode_batches(self, examples: Examples, meter: Meter) -> Iterator[tuple[pa.Table, int]]:
        """Decode users batch by batch.

        Args:
            examples: the users, and their targets, whose categories may be given.
            meter: counts the cost.

        Yields:
            The rankings of a batch (`store.rankings.SCHEMA`), and its number of users.
        """
        for start in range(0, len(examples), self.batch_size):
            rows = slice(start, start + self.batch_size)
            start_time = time.perf_counter()
            batch = Examples(examples.histories[rows], examples.targets[rows])
            context, canvas, ranking = self.decode_batch(batch, meter)
            with timed_section("output"):
                self._check(ranking, len(batch))
                table = self._table(ranking, batch.histories.users)
            meter.batch_seconds.append(time.perf_counter() - start_time)
            for name, values in self._search_error(batch, context, canvas, ranking).items():
                meter.search_error.setdefault(name, []).extend(values.tolist())
            yield table, len(batch)

    def decode_batch(self, batch: Examples, meter: Meter) -> tuple[Any, Canvas, Ranking]:
        """Decode the users of one batch; returns the model's context, the canvas and the ranking."""
        import torch

        from ..core.lifting import CachedItems

        with torch.inference_mode():
            with timed_section("model"):
                context = self.model.begin(batch.histories, self.slots)
            canvas = self._canvas(batch)
            if self.capability == "items":
                context = CachedItems(context)
            return context, canvas, self.decoder.decode(MeteredContext(context, meter), canvas, beam=self.beam)

    def _search_error(self, batch: Examples, context: Any, canvas: Canvas, ranking: Ranking) -> Columns:
        import torch

        if self.error_meter is not None:
            return self.error_meter.measure(batch, ranking)

        from ..core.lifting import item_weights
        from ..metrics.search_error import certified, search_error

        with torch.inference_mode(), timed_section("search error"):
            weights = item_weights(context)
            columns = {} if weights is None else search_error(weights, canvas, ranking, self._index)
            return columns if ranking.certified is None else columns | certified(ranking.certified, self.beam)

    def _canvas(self, batch: Examples) -> Canvas:
        import torch

        from ..core.exclusion import ExcludedItems, seen_items

        start = np.full((len(batch), len(self.slots)), MASK)
        if self.categories == "given":
            n_categories = self.space.n_categories
            start[:, :n_categories] = self.space.item_codes[batch.targets, :n_categories]
        sizes = self.space.canvas_sizes(self.slots)
        n_categories = self.space.n_categories if len(self.slots) == self.space.n_slots else 0
        excluded = None
        if self.never_again is not None:
            seen = torch.as_tensor(seen_items(batch.histories, self.never_again), device=search_device(self.device))
            excluded = ExcludedItems.on_canvas(seen, self._catalogue, sizes, n_categories)
        return Canvas(
            start=torch.as_tensor(start, device=search_device(self.device)),
            sizes=sizes,
            n_categories=n_categories,
            items=self._catalogue,
            users=torch.as_tensor(batch.histories.users, device=search_device(self.device)),
            seed=self.seed,
            constraint=self._constraint,
            excluded=excluded,
            capability=self.capability,
        )

    def _check(self, ranking: Ranking, n_users: int) -> None:
        """Refuse rankings that the decoder contract does not allow, which would be stored as results.

        Raises:
            MrbenchError: names the decoder's class, what is wrong, and what checks the whole contract.
        """
        codes, scores, lengths = ranking.codes, ranking.scores, ranking.lengths
        shapes = [tuple(tensor.shape) for tensor in (codes, scores, lengths)]
        expected = [(n_users, self.beam, len(self.slots)), (n_users, self.beam), (n_users,)]
        if shapes != expected:
            self._refuse(f"codes, scores and lengths of shapes {shapes}, not {expected}")
        results, numbers = lengths.cpu().numpy(), scores.cpu().numpy()
        if ((results < 0) | (results > self.beam)).any():
            self._refuse(f"lengths from {results.min()} to {results.max()}, not from 0 to {self.beam}")
        is_result = np.arange(self.beam) < results[:, None]
        if not np.isfinite(numbers[is_result]).all():
            self._refuse("scores that are not finite")
        if ((numbers[:, 1:] > numbers[:, :-1] + SCORE_ROUNDING) & is_result[:, 1:]).any():
            self._refuse("scores that rise with the rank")
        sizes = np.array(self.space.canvas_sizes(self.slots))
        if (codes.cpu().numpy()[is_result] >= sizes).any():
            self._refuse("codes beyond the size of their slots")

    def _refuse(self, what: str) -> NoReturn:
        raise MrbenchError(
            f"the decoder {type(self.decoder).__qualname__} returned {what}; correct it: "
            "mindrec_bench.testing.check_decoder names the rest"
        )

    def _table(self, ranking: Ranking, users: Int) -> pa.Table:
        indices = ranking.codes.cpu().numpy()
        codes = self.space.to_numbers(indices, self.slots)
        item_ids: NDArray[Any] | None = None
        if ranking.items is not None:
            item_ids = self._item_ids[ranking.items.cpu().numpy()]
        elif self.unique_codes:
            items = self.space.find(indices)
            item_ids = self._item_ids[items].astype(object)
            item_ids[items < 0] = None
        return rankings_table(users, codes, ranking.scores.cpu().numpy(), ranking.lengths.cpu().numpy(), item_ids)
