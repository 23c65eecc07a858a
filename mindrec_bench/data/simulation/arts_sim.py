"""`arts-sim`: simulated users whose true next-item distribution is known, so the best reachable accuracy is too.

Calibrated to Arts (`simulated_items` makes the catalogue), but its users are more faithful to their categories and the
default is small, so that a tiny model learns much of it in two minutes. The next item i after a history
h_1 .. h_m, the latest last, is drawn from

    p*(i | h)  ~  popularity_i x exp( sum_l stickiness_l s_l(i) + affinity (z . v_i) ),   0 for the items of h,

with weights w_d ~ decay^(m - d) that sum to 1, s_l(i) = the weight of the history items that share i's first l category
codes, and z = the weighted mean of the history's latent vectors. h keeps the last 10 items. No file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...core.backbone import DataSource
from ...core.code_space import Int
from ...core.dataset import HISTORY, Dataset, TrueDistribution
from ..folder import fingerprint
from .items import Float, SimulatedItems, prefixes
from .texts import make_texts

BATCH_CELLS = 1 << 22
"""Users x items handled at once: 32 MiB for one array of float64."""

MAX_LENGTH = 184
"""The longest sequence of the first 5,000 users of Arts."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """A process that draws next items, with its probabilities in closed form.

    Attributes:
        catalogue: the items.
        stickiness: log-odds for an item that shares the history's first 1, 2, 3 category codes.
        affinity: log-odds per unit of the dot product of the item's vector and the history's.
        decay: weight of a history item per step of distance.
    """

    catalogue: SimulatedItems
    stickiness: tuple[float, ...] = (1.0, 2.0, 3.0)
    affinity: float = 5.0
    decay: float = 0.8

    @cached_property
    def _prefixes(self) -> Int:
        return prefixes(self.catalogue.categories)

    def log_probs(self, histories: Int) -> Float:
        """log p*(item | history), normalised over the catalogue, -inf for the items of the history.

        Needs a few arrays of B x N float64: callers with large catalogues ask in batches.

        Args:
            histories: item indices, the latest on the right, -1 before the first; only the last 10 columns count.
                Shape: (B, H)

        Returns:
            Shape: (B, N), float64
        """
        items = histories[:, -HISTORY:]
        rows, columns = np.nonzero(items >= 0)
        past = items[rows, columns]
        weights = np.zeros(items.shape)
        weights[rows, columns] = self.decay ** (items.shape[1] - 1.0 - columns)
        weights /= np.where(weights.any(axis=1), weights.sum(axis=1), 1.0)[:, None]
        mean = (weights[:, :, None] * self.catalogue.vectors[items]).sum(axis=1)
        logits = np.log(self.catalogue.popularity) + self.affinity * mean @ self.catalogue.vectors.T
        leaf = self._prefixes[:, -1]
        _, example = np.unique(leaf, return_index=True)
        loyalty = np.zeros((len(items), len(example)))  # of each leaf of the tree, which is what its items share
        for prefix, strength in zip(self._prefixes.T, self.stickiness, strict=True):
            share = np.zeros((len(items), prefix.max() + 1))
            np.add.at(share, (rows, prefix[past]), weights[rows, columns])
            loyalty += strength * share[:, prefix[example]]
        logits += loyalty[:, leaf]
        logits[rows, past] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def draw(self, histories: Int, uniforms: Float) -> Int:
        """One next item a history: p*'s distribution function inverted at numbers from [0, 1). (B, H), (B,) -> (B,)"""
        reached = np.exp(self.log_probs(histories)).cumsum(axis=1)
        below = reached <= uniforms[:, None] * reached[:, -1:]
        return below.sum(axis=1).clip(max=below.shape[1] - 1)

    def sequences(self, lengths: Int, rng: np.random.Generator) -> tuple[Int, Int]:
        """Draw a sequence of each length, at most 184; offsets and items as in `Dataset`. (U + 1,), (interactions,)"""
        longest = int(lengths.max())
        # As wide for any users, so that the first users stay the same when more are drawn.
        uniforms = rng.random((len(lengths), MAX_LENGTH))
        drawn = np.full((len(lengths), HISTORY + longest), -1, dtype=np.int64)
        for step in range(longest):
            active = np.flatnonzero(lengths > step)
            for users in _batches(active, len(self.catalogue.popularity)):
                drawn[users, HISTORY + step] = self.draw(drawn[users, step : HISTORY + step], uniforms[users, step])
        return np.concatenate([[0], np.cumsum(lengths)]), drawn[drawn >= 0]


@dataclass(frozen=True)
class ArtsSim(DataSource):
    """Simulated users and items like those of Arts, with the best reachable accuracy known (needs no files).

    Attributes:
        users: how many users to draw, 1 to 100,000.
        items: how many items the catalogue has, 50 to 100,000.
        seed: of everything drawn, 0 or more.
    """

    users: int = 2000
    items: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("users", 1, 100_000), ("items", 50, 100_000), ("seed", 0, 2**32 - 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must be from {low} to {high}")

    def load(self, data_dir: Path | None, *, users: int | None, notify: Callable[[str], None]) -> Dataset:
        """Draw the catalogue and the sequences of the first `users` users; `data_dir` is not looked at."""
        if users is not None and users < self.users:
            notify(f"the first {users:,} of {self.users:,} simulated users; --users all takes all")
        catalogue_rng, length_rng, item_rng = (np.random.default_rng([self.seed, part]) for part in range(3))
        simulation = Simulation(SimulatedItems.make(self.items, catalogue_rng))
        lengths = _lengths(length_rng.random(self.users))[:users]
        offsets, items = simulation.sequences(lengths, item_rng)
        ids = np.arange(len(lengths), dtype=np.int64)
        item_ids = [str(item) for item in range(self.items)]
        sids, categories = simulation.catalogue.sids, simulation.catalogue.categories
        return Dataset(
            name="arts-sim",
            users=ids,
            offsets=offsets,
            items=items,
            item_ids=item_ids,
            sids=sids,
            categories=categories,
            fingerprint=fingerprint(ids, offsets, items, item_ids, sids, categories),
            simulation=simulation,
            read_texts=lambda: make_texts(simulation.catalogue, np.random.default_rng([self.seed, 3])),
        )


def optimum(
    simulation: TrueDistribution, histories: Int, *, n_items: int, ks: Sequence[int] = (1, 3, 5, 10)
) -> dict[str, float]:
    """The best HR@k and NDCG@k that any model can expect on these histories: it ranks by p*.

    Args:
        simulation: the process the users come from.
        histories: item indices, -1 before the first. Shape: (B, H)
        n_items: N.
        ks: cut-offs.

    Returns:
        `hr@k`: mean over users of the sum of the k largest p*; `ndcg@k`: the same, the r-th largest over log2(r + 1).
    """
    deepest = max(ks)
    top = [
        np.partition(simulation.log_probs(batch), n_items - deepest, axis=1)[:, n_items - deepest :]
        for batch in _batches(histories, n_items)
    ]
    mean = np.exp(np.sort(np.concatenate(top), axis=1)[:, ::-1]).mean(axis=0)
    discounted = mean / np.log2(np.arange(deepest) + 2)
    hr = {f"hr@{k}": float(mean[:k].sum()) for k in ks}
    return hr | {f"ndcg@{k}": float(discounted[:k].sum()) for k in ks}


def _batches(rows: Int, n_items: int) -> list[Int]:
    size = max(1, BATCH_CELLS // n_items)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _lengths(uniforms: Float) -> Int:
    """Sequence lengths: 5 and a heavy tail (Lomax, shape 2, scale 9), fitted to the quantiles of Arts."""
    return (5 + np.floor(9 * ((1 - uniforms) ** -0.5 - 1))).clip(max=MAX_LENGTH).astype(np.int64)
