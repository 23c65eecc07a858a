"""`arts-sim`: simulated users whose true next-item distribution is known, and with it the best reachable accuracy.

It is calibrated to Arts, but its users stay closer to their categories, and it is small by default, so that a tiny
model learns much of it in two minutes. The next item i after a history h_1 .. h_m, the latest last, is drawn from

    p*(i | h)  ~  popularity_i x exp( sum_l stickiness_l s_l(i) + affinity (z . v_i) ),   0 for the items of h,

with weights w_d ~ decay^(m - d) that sum to 1, s_l(i) = the weight of the history items that share i's first l category
codes, and z = the weighted mean of the history's latent vectors. h keeps the latest 10 items. No file is read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ...core.backbone import DataSource
from ...core.choices import HISTORY
from ...core.code_space import Int
from ...core.dataset import Dataset, TrueDistribution
from ...plugins.options import option
from .catalogue import Float, SimulatedCatalogue, prefix_ids
from .texts import generate_texts

logger = logging.getLogger(__name__)

BATCH_ELEMENTS = 1 << 22
"""Users x items at once: 32 MiB for one array of float64."""

MAX_LENGTH = 184
"""The longest sequence of the first 5,000 users of Arts."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """A process that draws next items from known probabilities.

    Attributes:
        catalogue: the items.
        stickiness: log-odds for an item that shares the history's first 1, 2, 3 category codes.
        affinity: log-odds per unit of the dot product of the item's vector and the history's.
        decay: weight of a history item per step of distance.
    """

    catalogue: SimulatedCatalogue
    stickiness: tuple[float, ...] = (1.0, 2.0, 3.0)
    affinity: float = 5.0
    decay: float = 0.8

    @cached_property
    def _category_prefixes(self) -> Int:
        return prefix_ids(self.catalogue.categories)

    def log_probs(self, histories: Int) -> Float:
        """log p*(item | history), normalised over the catalogue, -inf for the items of the history.

        Takes a few arrays of B x N float64: call it in batches for large catalogues.

        Args:
            histories: item indices, the latest on the right, -1 before the first; only the last 10 columns count.
                Shape: (B, H)

        Returns:
            Shape: (B, N), float64
        """
        items = histories[:, -HISTORY:]
        rows, columns = np.nonzero(items >= 0)
        history_items = items[rows, columns]
        weights = np.zeros(items.shape)
        weights[rows, columns] = self.decay ** (items.shape[1] - 1.0 - columns)
        weights /= np.where(weights.any(axis=1), weights.sum(axis=1), 1.0)[:, None]
        mean = (weights[:, :, None] * self.catalogue.vectors[items]).sum(axis=1)
        logits = np.log(self.catalogue.popularity) + self.affinity * mean @ self.catalogue.vectors.T
        leaves = self._category_prefixes[:, -1]
        _, item_of_leaf = np.unique(leaves, return_index=True)
        # All items of a leaf of the category tree share the same prefixes.
        leaf_logits = np.zeros((len(items), len(item_of_leaf)))
        for nodes, strength in zip(self._category_prefixes.T, self.stickiness, strict=True):
            shares = np.zeros((len(items), nodes.max() + 1))
            np.add.at(shares, (rows, nodes[history_items]), weights[rows, columns])
            leaf_logits += strength * shares[:, nodes[item_of_leaf]]
        logits += leaf_logits[:, leaves]
        logits[rows, history_items] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def sample_items(self, histories: Int, uniforms: Float) -> Int:
        """Draw one next item per history, by inverting the cumulative distribution.

        Args:
            histories: as in `log_probs`. Shape: (B, H)
            uniforms: random numbers from [0, 1). Shape: (B,)

        Returns:
            Item indices. Shape: (B,)
        """
        cumulative = np.exp(self.log_probs(histories)).cumsum(axis=1)
        below = cumulative <= uniforms[:, None] * cumulative[:, -1:]
        return below.sum(axis=1).clip(max=below.shape[1] - 1)

    def sample_sequences(self, lengths: Int, rng: np.random.Generator) -> tuple[Int, Int]:
        """Draw one sequence per length.

        Args:
            lengths: at most 184 each. Shape: (U,)
            rng: source of the random numbers.

        Returns:
            offsets (U + 1,) and items (interactions,), as in `Dataset`.
        """
        longest = int(lengths.max())
        # The same width for all users, so that the first users stay the same when more are drawn.
        uniforms = rng.random((len(lengths), MAX_LENGTH))
        sequences = np.full((len(lengths), HISTORY + longest), -1, dtype=np.int64)
        for step in range(longest):
            active = np.flatnonzero(lengths > step)
            for users in _batches(active, len(self.catalogue.popularity)):
                histories = sequences[users, step : HISTORY + step]
                sequences[users, HISTORY + step] = self.sample_items(histories, uniforms[users, step])
        return np.concatenate([[0], np.cumsum(lengths)]), sequences[sequences >= 0]


@dataclass(frozen=True)
class ArtsSim(DataSource):
    """Simulated users and items like those of Arts, with the best reachable accuracy known (needs no files)."""

    users: int = option(2000, help="number of users, 1 to 100,000.")
    items: int = option(400, help="number of items in the catalogue, 50 to 100,000.")
    seed: int = option(0, help="of all random numbers, 0 or more.")

    def __post_init__(self) -> None:
        for name, low, high in (("users", 1, 100_000), ("items", 50, 100_000), ("seed", 0, 2**32 - 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must be from {low} to {high}")

    def load(self, data_dir: Path | None, *, users: int | None) -> Dataset:
        """Draw the catalogue and the sequences of the first `users` users; `data_dir` is not used."""
        if users is not None and users < self.users:
            logger.info(f"the first {users:,} of {self.users:,} simulated users; --users all takes all")
        return _draw(self, self.users if users is None else min(users, self.users))


@lru_cache(maxsize=1)  # the runs of a table or a notebook are mostly on the same data
def _draw(options: ArtsSim, n_users: int) -> Dataset:
    """The dataset of the first `n_users` users."""
    from ..folder import fingerprint  # which imports what reads files

    catalogue_rng, length_rng, item_rng = (np.random.default_rng([options.seed, stream]) for stream in range(3))
    simulation = Simulation(SimulatedCatalogue.generate(options.items, catalogue_rng))
    lengths = _sequence_lengths(length_rng.random(options.users))[:n_users]
    offsets, items = simulation.sample_sequences(lengths, item_rng)
    user_ids = np.arange(len(lengths), dtype=np.int64)
    item_ids = [str(item) for item in range(options.items)]
    sids, categories = simulation.catalogue.sids, simulation.catalogue.categories
    return Dataset(
        name="arts-sim",
        users=user_ids,
        offsets=offsets,
        items=items,
        item_ids=item_ids,
        sids=sids,
        categories=categories,
        fingerprint=fingerprint(user_ids, offsets, items, item_ids, sids, categories),
        simulation=simulation,
        read_texts=lambda: generate_texts(simulation.catalogue, np.random.default_rng([options.seed, 3])),
    )


def optimum(
    simulation: TrueDistribution, histories: Int, *, n_items: int, ks: Sequence[int] = (1, 3, 5, 10)
) -> dict[str, float]:
    """The best HR@k and NDCG@k that any model can expect on these histories: those of a ranking by p*.

    Args:
        simulation: the distribution that the users come from.
        histories: item indices, -1 before the first. Shape: (B, H)
        n_items: N.
        ks: cut-offs.

    Returns:
        `hr@k`: mean over users of the sum of the k largest p*; `ndcg@k`: likewise, the r-th largest over log2(r + 1).
    """
    max_k = max(ks)
    top = [
        np.partition(simulation.log_probs(batch), n_items - max_k, axis=1)[:, n_items - max_k :]
        for batch in _batches(histories, n_items)
    ]
    mean = np.exp(np.sort(np.concatenate(top), axis=1)[:, ::-1]).mean(axis=0)
    discounted = mean / np.log2(np.arange(max_k) + 2)
    hr = {f"hr@{k}": float(mean[:k].sum()) for k in ks}
    return hr | {f"ndcg@{k}": float(discounted[:k].sum()) for k in ks}


def _batches(rows: Int, n_items: int) -> list[Int]:
    size = max(1, BATCH_ELEMENTS // n_items)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _sequence_lengths(uniforms: Float) -> Int:
    """Sequence lengths: 5 plus a heavy tail (Lomax, shape 2, scale 9), fitted to the quantiles of Arts."""
    return (5 + np.floor(9 * ((1 - uniforms) ** -0.5 - 1))).clip(max=MAX_LENGTH).astype(np.int64)
