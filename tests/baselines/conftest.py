"""Small datasets with a pattern that can be learnt: item i is followed by item i + 1."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.recbole_backend import compat
from mindrec_baselines.t5.sizes import T5_SIZES, T5Size
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError

from .item_texts import with_item_texts


@pytest.fixture(scope="session")
def chain() -> Callable[..., Dataset]:
    """chain(users=..., items=...): users who walk along the items in a circle, with categories on two levels."""

    def make(users: int = 60, items: int = 24) -> Dataset:
        rng = np.random.default_rng(0)
        lengths = rng.integers(4, 15, users)
        walks = [(rng.integers(items) + np.arange(length)) % items for length in lengths]
        number = np.arange(items)
        return Dataset(
            name="chain",
            users=np.arange(users),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            items=np.concatenate(walks),
            item_ids=[str(item) for item in number],
            sids=np.stack([number // 6, number % 3, number % 6 // 3, number % 5], axis=1),
            categories=np.stack([number // 12, number // 4 % 3], axis=1),
            fingerprint="chain",
        )

    return make


@pytest.fixture(scope="module")
def text_task(chain: Callable[..., Dataset]) -> Iterator[Task]:
    """The chain data with item texts; the T5s of size `tiny` are even smaller as long as it is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", T5Size(layers=1, hidden=16, feed_forward=32, head_width=8, heads=2))
        data = with_item_texts(chain(users=30))
        yield Task(data, data.space(categories=False), size="tiny", quiet=True)


@pytest.fixture(scope="module")
def t5_checkpoint(text_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 with random weights, in the files of published checkpoints."""
    from .textual_ids.small_models import save_t5

    return save_t5(tmp_path_factory.mktemp("t5"), text_task)


@pytest.fixture(scope="session")
def recbole() -> None:
    """Skips tests where RecBole can't be imported."""
    try:
        compat.require_recbole()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def walks(chain: Callable[..., Dataset]) -> Dataset:
    """Users with 3 to 14 interactions; items 20 to 23 are in no sequence."""
    data = chain(users=80, items=24)
    items = np.where(data.items >= 20, data.items - 20, data.items)
    offsets = data.offsets.copy()
    offsets[1:] -= data.offsets[1] - 3  # the first user keeps three interactions
    return dataclasses.replace(data, items=items[data.offsets[1] - 3 :], offsets=offsets, fingerprint="walks")
