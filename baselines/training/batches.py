"""Batches of training examples: which examples, in which order, and what the network reads of them.

Order and noise are pure functions of the seed, the epoch and the example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Examples

Batch = dict[str, Tensor]
"""The arguments of a network's `forward`."""
Collator = Callable[[Examples, Int], Batch]
"""(examples, their keys for noise) -> the arguments of the network's `forward`."""


class ExampleDataset(Dataset):  # type: ignore[type-arg]
    """Examples by key = repeat * E + index; a whole batch is made at once."""

    def __init__(self, examples: Examples, collator: Collator, repeats: int = 1) -> None:
        self.examples, self.collator, self.repeats = examples, collator, repeats

    def __len__(self) -> int:
        return len(self.examples) * self.repeats

    def __getitems__(self, keys: list[int]) -> Batch:
        key_array = np.asarray(keys)
        rows = key_array % len(self.examples)
        examples = Examples(self.examples.histories[rows], self.examples.targets[rows])
        return self.collator(examples, key_array)


class EpochSampler(Sampler[int]):
    """Keys of one epoch: epoch * E + index, shuffled by (seed, epoch) alone."""

    def __init__(self, examples: int, seed: int, shuffle: bool) -> None:
        self.examples, self.seed, self.shuffle, self.epoch = examples, seed, shuffle, 0

    def __len__(self) -> int:
        return self.examples

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's loader before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.examples)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.examples)
        return iter((self.epoch * self.examples + order).tolist())
