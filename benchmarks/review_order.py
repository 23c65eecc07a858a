"""What the order of neighbouring reviews and the validation items are worth to counting.

    python benchmarks/review_order.py --data beauty --data instruments

Reviews are dated by the day, and the released files have an order but no dates. Printed for each dataset:

- how often two occurrences of one pair of neighbouring items have the same direction, in the training parts. It is 0.5
  where the order of neighbours is chance;
- HR@10 and NDCG@10 of `markov` on the test items (all users, items of the history left out, a hit is the item itself):
  on the order as filed; with both directions of a pair counted; with neighbours swapped at random, in pairs, in the
  whole data; and with the validation items in training.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from mindrec_baselines.markov import Markov
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset, Examples
from mindrec_bench.data.sources import resolve_data
from mindrec_bench.metrics.accuracy import hr_and_ndcg

BATCH = 500


def main() -> None:
    """Print the numbers of each dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="the name or folder of a dataset")
    for name in parser.parse_args().data:
        data = resolve_data(name, None)[1].load(None, users=None)
        rows = {
            "as filed": accuracy(data, data.test()),
            "both directions counted": accuracy(both_directions(data), data.test()),
            "neighbours swapped": accuracy(swapped := swap_neighbours(data), swapped.test()),
            "validation items in training": accuracy(later := repeat_last_items(data), later.validation()),
        }
        print(f"{name}: two occurrences of a pair have the same direction in {same_direction(data):.3f}")
        for label, (hr, ndcg) in rows.items():
            print(f"    markov, {label:30} HR@10 {hr:.4f}  NDCG@10 {ndcg:.4f}", flush=True)


def same_direction(data: Dataset) -> float:
    """The share, over pairs of items that are neighbours more than once, of two occurrences with the same direction."""
    first, second = data.train_pairs()
    pair = np.minimum(first, second) * data.n_items + np.maximum(first, second)
    _, index, counts = np.unique(pair, return_inverse=True, return_counts=True)
    rising = np.bincount(index, first < second)
    falling = counts - rising
    same = (rising * (rising - 1) + falling * (falling - 1))[counts > 1]
    return float((same / (counts * (counts - 1))[counts > 1]).mean())


def swap_neighbours(data: Dataset, seed: int = 0) -> Dataset:
    """The data with each sequence divided into pairs of neighbours, and half of the pairs swapped."""
    rng = np.random.default_rng(seed)
    items = data.items.copy()
    place = np.arange(len(items)) - data.offsets[data.user_of]
    is_first = (place + rng.integers(2, size=data.n_users)[data.user_of]) % 2 == 0
    is_first[data.offsets[1:] - 1] = False
    first = np.flatnonzero(is_first & (rng.random(len(items)) < 0.5))
    items[first], items[first + 1] = items[first + 1], items[first]
    return replace(data, items=items)


def repeat_last_items(data: Dataset) -> Dataset:
    """The data with each user's last item twice: it is the validation item too, and what was that is trained on."""
    items = np.insert(data.items, data.offsets[1:], data.items[data.offsets[1:] - 1])
    return replace(data, items=items, offsets=data.offsets + np.arange(len(data.offsets)))


def both_directions(data: Dataset) -> Dataset:
    """The data with as many users more, whose training parts are those of the first ones backwards."""
    held_out = np.flatnonzero(~data.in_training)
    backwards = data.items.copy()
    order = np.lexsort((-np.arange(len(backwards)), data.user_of, ~data.in_training))
    backwards[np.flatnonzero(data.in_training)] = data.items[order[: data.in_training.sum()]]
    backwards[held_out] = data.items[held_out]
    return replace(
        data,
        users=np.concatenate([data.users, data.users + data.users.max() + 1]),
        items=np.concatenate([data.items, backwards]),
        offsets=np.concatenate([data.offsets, data.offsets[1:] + data.offsets[-1]]),
    )


def accuracy(data: Dataset, targets: Examples) -> tuple[float, float]:
    """HR@10 and NDCG@10 of `markov`, counted in the training parts of the data. Ties go to the lower item index."""
    model = Markov().load(Task(data, data.space(categories=False)), Path("unused"))
    ranks = []
    for start in range(0, len(targets), BATCH):
        batch = slice(start, start + BATCH)
        histories, target = targets.histories[batch], targets.targets[batch, None]
        scores = model.begin(histories, ()).log_probs().numpy().round(9)
        user, place = (histories.items >= 0).nonzero()
        scores[user, histories.items[user, place]] = -np.inf
        own = np.take_along_axis(scores, target, axis=1)
        better = (scores > own) | ((scores == own) & (np.arange(data.n_items) < target))
        ranks.append(np.where(np.isfinite(own[:, 0]), better.sum(axis=1) + 1, 0))
    values = hr_and_ndcg(np.concatenate(ranks))
    return float(values["hr@10"].mean()), float(values["ndcg@10"].mean())


if __name__ == "__main__":
    main()
