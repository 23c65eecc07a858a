"""Splits by time, against plain loops and by hand, and the ways to write `--holdout`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.core.choices import LEAVE_ONE_OUT
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.core.holdout import Holdout
from mindrec_bench.core.times import Times, Unit
from mindrec_bench.errors import DataError, UsageError

DAY = 86_400


def make_dataset(sequences: list[list[int]], times: list[list[int]], unit: Unit | None = "s") -> Dataset:
    """Users 0, 10, 20, ... with these items and times."""
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in sequences])])
    n_items = 1 + max(map(max, sequences))
    values = np.array([time for of_user in times for time in of_user])
    return Dataset(
        name="hand",
        users=10 * np.arange(len(sequences)),
        offsets=offsets,
        items=np.array([item for items in sequences for item in items]),
        item_ids=[str(item) for item in range(n_items)],
        sids=np.arange(n_items)[:, None],
        categories=None,
        fingerprint="base",
        read_times=lambda: Times(values, unit),
    )


def by_hand() -> Dataset:
    """Ten interactions at the days 0 to 9."""
    sequences, days = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0, 2, 7, 9], [1, 3, 6], [4, 5, 8]]
    return make_dataset(sequences, [[day * DAY for day in of_user] for of_user in days])


@pytest.mark.parametrize("text", ["time:0.8", "time:0.80", "1970-01-09"])
def test_by_hand(text: str) -> None:
    """80% are before day 8, and the 2 before it are the validation window."""
    holdout = Holdout.parse(text)
    data = by_hand().with_split(holdout, 10)
    test, valid = data.test(), data.validation()
    assert (test.histories.users.tolist(), test.targets.tolist()) == ([0, 20], [3, 9])
    assert [row[row >= 0].tolist() for row in test.histories.items] == [[0, 1, 2], [7, 8]]
    assert (valid.histories.users.tolist(), valid.targets.tolist()) == ([0, 10], [2, 6])
    assert [row[row >= 0].tolist() for row in valid.histories.items] == [[0, 1], [4, 5]]
    assert data.items[data.in_training].tolist() == [0, 1, 4, 5, 7, 8]
    assert data.train_examples().targets.tolist() == [1, 5, 8]
    (note,) = data.notes
    assert note == (
        f"holdout {holdout}: validation from 1970-01-07 on, test from 1970-01-09 (UTC); 2 of 3 users are evaluated, "
        "1 have no interaction in the test window and 0 none before it"
    )


def test_numbers_that_are_no_dates_are_cut_by_share_only() -> None:
    data = replace(by_hand(), read_times=lambda: Times(np.array([0, 2, 7, 9, 1, 3, 6, 4, 5, 8]), None))
    split = data.with_split(Holdout(share=0.8), 10)
    assert split.test().targets.tolist() == by_hand().with_split(Holdout(share=0.8), 10).test().targets.tolist()
    assert "validation from 6 on, test from 8; 2 of 3 users" in split.notes[0]
    with pytest.raises(
        DataError,
        match=r"--holdout 1970-01-09 is a date, and the times of hand are numbers without a unit, .* such as time:0\.9",
    ):
        data.with_split(Holdout.parse("1970-01-09"), 10)


def test_users_without_history_are_skipped_and_counted() -> None:
    days = [[0, 2, 7, 9], [1, 3, 6], [4, 5, 8], [9, 9, 9]]
    times = [[day * DAY for day in of_user] for of_user in days]
    data = make_dataset([[0, 1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 2, 3]], times).with_split(Holdout(share=0.8), 10)
    assert (data.test().histories.users.tolist(), data.test().targets.tolist()) == ([0], [3])
    (note,) = data.notes
    assert note.endswith("1 of 4 users are evaluated, 2 have no interaction in the test window and 1 none before it")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("unit", ["s", "ns"])
def test_a_plain_loop_finds_the_same(seed: int, unit: Unit) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 12, size=30)
    scale = {"s": DAY, "ns": DAY * 10**9}[unit]
    times = [(np.sort(rng.integers(0, 60, size=length)) * scale).tolist() for length in lengths]
    data = make_dataset([rng.integers(0, 9, size=length).tolist() for length in lengths], times, unit)
    share = 0.8
    split = data.with_split(Holdout(share=share), 5)
    ordered = sorted(time for of_user in times for time in of_user)
    cut = ordered[int(np.ceil(round(share * len(ordered), 6)))]
    in_window = sum(time >= cut for time in ordered)
    valid_cut = ordered[len(ordered) - 2 * in_window]
    expected: dict[str, list[tuple[int, list[int], int]]] = {"valid": [], "test": []}
    trained = []
    for user, of_user in enumerate(times):
        items = data.items[data.offsets[user] : data.offsets[user + 1]].tolist()
        trained += [item for item, time in zip(items, of_user, strict=True) if time < valid_cut]
        for name, start, end in (("valid", valid_cut, cut), ("test", cut, np.inf)):
            first = next((p for p, time in enumerate(of_user) if start <= time < end), None)
            if first:
                expected[name].append((10 * user, items[max(0, first - 5) : first], items[first]))
    for name, rows in expected.items():
        held_out = split.held_out(name)
        found = [
            (user, [item for item in history if item >= 0], target)
            for user, history, target in zip(
                held_out.histories.users.tolist(),
                held_out.histories.items.tolist(),
                held_out.targets.tolist(),
                strict=True,
            )
        ]
        assert found == rows
        assert split.n_held_out(name) == len(rows) > 0
    assert split.items[split.in_training].tolist() == trained


def test_the_split_is_part_of_fingerprint_and_interactions() -> None:
    data = by_hand()
    splits = [data, *(data.with_split(Holdout.parse(text), 10) for text in ("time:0.7", "time:0.8"))]
    assert len({split.fingerprint for split in splits}) == 3
    assert len({split.interactions_hash for split in splits}) == 3
    assert data.with_split(Holdout(), 10) is data
    longer = data.with_split(Holdout(), 20)
    assert (longer.fingerprint, longer.test().histories.items.shape[1]) == ("base", 20)
    other_times = replace(data, read_times=lambda: Times(np.array([0, 2, 3, 8, 1, 3, 6, 4, 5, 9]) * DAY, "s"))
    assert other_times.with_split(Holdout(share=0.8), 10).fingerprint != splits[2].fingerprint


def test_training_is_never_later_than_a_target() -> None:
    data = by_hand().with_split(Holdout(share=0.7), 10)
    times = data.require_times("the test").values
    assert times[data.in_training].max() < times[data.split.valid].min()
    assert times[data.split.valid].max() < times[data.split.test].min()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time", "--holdout is 'time'; it must be leave-one-out, time:SHARE such as time:0.9, or a date"),
        ("time:much", "it must be leave-one-out"),
        ("time:0.5", "the share must be above 0.5 and below 1"),
        ("time:1", "the share must be above 0.5 and below 1"),
        ("time:nan", "the share must be above 0.5"),
        ("20140501", "it must be leave-one-out"),
        ("2014-13-01", "or a date such as 2014-05-01"),
        ("", "it must be leave-one-out"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Holdout.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1999-01-01", "no interaction of hand is at or after 1999-01-01: the last is of 1970-01-10"),
        ("1970-01-05", "6 of 10 interactions of hand are at or after 1970-01-05, .* so none is left for training"),
        ("1970-01-01", "none is left for training"),
    ],
)
def test_a_split_with_an_empty_part_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        by_hand().with_split(Holdout.parse(text), 10)


def test_data_without_times_are_refused() -> None:
    data = replace(by_hand(), read_times=lambda: None)
    with pytest.raises(DataError, match=r"--holdout time:0.9 needs the times of the interactions, and hand has only"):
        data.with_split(Holdout(share=0.9), 10)


def test_one_way_to_write_each() -> None:
    assert [str(Holdout.parse(text)) for text in (LEAVE_ONE_OUT, "time:0.90", "2014-05-01")] == [
        "leave-one-out",
        "time:0.9",
        "2014-05-01",
    ]
