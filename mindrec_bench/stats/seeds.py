"""Seeds and users together: a bootstrap over both, and the noise of seeds (docs/semantics.md, Significance)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .paired_tests import ALPHA
from .resampling import RESAMPLES, Float, bootstrap_means


def seed_shares(n_seeds: int, resamples: int, seed: int, stream: int) -> Float:
    """The share of each seed in each bootstrap resample: one draw fewer than there are seeds, with replacement.

    As many draws as seeds would give (S - 1) / S of the variance over seeds, two thirds of it at three seeds; one fewer
    gives all of it (Rao and Wu 1988). A single seed is always drawn.

    Args:
        n_seeds: S.
        resamples: R.
        seed: of the draws.
        stream: draws of different streams are independent.

    Returns:
        Shape: (S, R), columns sum to 1
    """
    draws = max(1, n_seeds - 1)
    drawn = np.random.default_rng((seed, stream, n_seeds)).integers(0, n_seeds, size=(draws, resamples))
    return np.asarray((drawn == np.arange(n_seeds)[:, None, None]).sum(axis=1) / draws)


def bootstrap_means_over_seeds(
    blocks: Sequence[tuple[Float, int]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Float:
    """Means over seeds and over users, both drawn with replacement: the pigeonhole bootstrap (Owen 2007).

    A resample draws seeds, and users that all seeds and all blocks share. Blocks of one seed give exactly what
    `bootstrap_means` gives.

    Args:
        blocks: values of each seed and user, shape (S, U), S may differ; and the stream of the draws of seeds: blocks
            of one stream and one number of seeds draw the same seeds.
        resamples: how many.
        seed: of both draws.

    Returns:
        Shape: (blocks, resamples)
    """
    means = bootstrap_means(np.concatenate([values for values, _ in blocks]).T, resamples=resamples, seed=seed)
    ends = np.cumsum([len(values) for values, _ in blocks])
    by_block = zip(np.split(means, ends[:-1]), blocks, strict=True)
    return np.stack(
        [
            (of_seeds * seed_shares(len(values), resamples, seed, stream)).sum(axis=0)
            for of_seeds, (values, stream) in by_block
        ]
    )


def seed_noise(terms: Sequence[Float]) -> float | None:
    """Half the width of the 95% t interval, over seeds, of a sum of independent means.

    One term is a paired t interval; of two, Welch's. A term of one seed adds nothing: its noise is not known.

    Args:
        terms: the value of each seed, of each term. Shape of each: (S,)

    Returns:
        None where no term has two seeds.
    """
    from scipy.special import stdtrit

    several = [term for term in terms if len(term) > 1]
    if not several:
        return None
    squares = np.array([term.var(ddof=1) / len(term) for term in several])
    freedom = np.array([len(term) - 1 for term in several])
    if not squares.any():
        return 0.0
    welch = squares.sum() ** 2 / (squares**2 / freedom).sum()
    return float(stdtrit(welch, 1 - ALPHA / 2) * np.sqrt(squares.sum()))
