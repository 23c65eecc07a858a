"""Which interactions are held out: the last ones of every user, or all from a time on (docs/semantics.md, Data).

`leave-one-out` (the default) holds out each user's last two items, whenever they happened. A split by time holds out
what happened from a cut on, for all users alike, so that nothing in training is later than a target.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from ..errors import DataError, UsageError
from .catalogue import Int
from .choices import LEAVE_ONE_OUT
from .times import Times

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FORMS = f"it must be {LEAVE_ONE_OUT}, time:SHARE such as time:0.9, or a date such as 2014-05-01"


@dataclass(frozen=True)
class Holdout:
    """What is held out, as `--holdout` says it; neither of the two for leave-one-out.

    Attributes:
        share: this share of all interactions is before the test window.
        date: the test window starts at midnight, UTC.
    """

    share: float | None = None
    date: date | None = None

    @classmethod
    def parse(cls, text: str) -> Holdout:
        """Read `leave-one-out`, `time:0.9` or `2014-05-01`.

        Raises:
            UsageError: it is none of these, or no interaction would be left for training.
        """
        if text == LEAVE_ONE_OUT:
            return cls()
        kind, _, value = text.partition(":")
        try:
            if kind == "time":
                share = float(value)
                if not 0.5 < share < 1:
                    raise UsageError(
                        f"--holdout is {text}; the share must be above 0.5 and below 1, since the validation window is "
                        "as large as the test window and training needs the rest"
                    )
                return cls(share=share)
            if _DATE.fullmatch(text):
                return cls(date=date.fromisoformat(text))
        except ValueError:
            pass
        raise UsageError(f"--holdout is '{text}'; {_FORMS}")

    @property
    def by_time(self) -> bool:
        """Whether the split is by time."""
        return self.share is not None or self.date is not None

    def __str__(self) -> str:
        """The one way to write it: `time:0.9`, not `time:0.90`."""
        if self.date is not None:
            return self.date.isoformat()
        return LEAVE_ONE_OUT if self.share is None else f"time:{self.share:g}"


LAST_ITEMS = Holdout()
"""Leave-one-out."""


@dataclass(frozen=True, eq=False)
class SplitPositions:
    """Where the split cuts the sequences; positions count all interactions, user after user.

    Attributes:
        train_ends: the end of each user's training part. Shape: (U,)
        valid: the validation targets, one for each user that has one, by user. Shape: (V,)
        test: likewise the test targets. Shape: (W,)
        notes: facts to show beside results.
    """

    train_ends: Int
    valid: Int
    test: Int
    notes: tuple[str, ...] = ()


def leave_one_out(offsets: Int) -> SplitPositions:
    """The last item of every user for test, the one before it for validation; see `Dataset` for `offsets`."""
    return SplitPositions(offsets[1:] - 2, offsets[1:] - 2, offsets[1:] - 1)


def split_by_time(holdout: Holdout, offsets: Int, times: Times, name: str) -> SplitPositions:
    """Cut all sequences at the same times.

    The test window begins at the cut, and the validation window before it holds as many interactions. Training is what
    comes before both. A user's target is the first interaction in a window, and the history is all before it. Equal
    times stay together, on the later side of a cut.

    Args:
        holdout: by share or by date.
        offsets: as in `Dataset`. Shape: (U + 1,)
        times: of the interactions.
        name: of the dataset, for messages.

    Raises:
        DataError: one of the three parts would be empty, or the times are no dates and the cut is one.
    """
    values, per_second = times.values, times.per_second
    ordered, count = np.sort(values), len(values)
    if holdout.date is not None:
        if per_second is None:
            raise DataError(
                f"--holdout {holdout} is a date, and the times of {name} are numbers without a unit, which can only be "
                "ordered; give a share such as time:0.9"
            )
        start = datetime.combine(holdout.date, datetime.min.time(), UTC)
        test_start = int(start.timestamp()) * per_second
    else:
        assert holdout.share is not None
        index = int(np.ceil(round(holdout.share * count, 6)))  # rounded: 0.7 * 10 is a little above 7 in floats
        test_start = int(ordered[min(index, count - 1)])
    in_test = int((values >= test_start).sum())
    if in_test == 0:
        raise DataError(
            f"no interaction of {name} is at or after {holdout}: the last is of {_day(ordered[-1], per_second)}; "
            "choose an earlier --holdout"
        )
    if 2 * in_test >= count or ordered[count - 2 * in_test] == ordered[0]:
        raise DataError(
            f"{in_test:,} of {count:,} interactions of {name} are at or after {_day(test_start, per_second)}, and as "
            "many before it would be the validation window, so none is left for training; choose a later --holdout"
        )
    valid_start = int(ordered[count - 2 * in_test])
    starts, lengths = offsets[:-1], np.diff(offsets)
    user_of = np.repeat(np.arange(len(lengths)), lengths)
    before_valid = np.bincount(user_of[values < valid_start], minlength=len(lengths))
    before_test = np.bincount(user_of[values < test_start], minlength=len(lengths))
    has_valid = (before_valid > 0) & (before_valid < before_test)
    has_test = (before_test > 0) & (before_test < lengths)
    if not has_valid.any() or not has_test.any():
        window = "test" if has_valid.any() else "validation"
        raise DataError(
            f"no user of {name} has an interaction in the {window} window of --holdout {holdout} and one before it; "
            "choose another --holdout"
        )
    zone = "" if per_second is None else " (UTC)"
    notes = (
        f"holdout {holdout}: validation from {_day(valid_start, per_second)} on, "
        f"test from {_day(test_start, per_second)}{zone}; "
        f"{int(has_test.sum()):,} of {len(lengths):,} users are evaluated, "
        f"{int((before_test == lengths).sum()):,} have no interaction in the test window and "
        f"{int((before_test == 0).sum()):,} none before it",
    )
    return SplitPositions(
        train_ends=starts + before_valid,
        valid=(starts + before_valid)[has_valid],
        test=(starts + before_test)[has_test],
        notes=notes,
    )


def _day(time: int, per_second: int | None) -> str:
    """The day of a time; the number itself without a unit, and where no calendar has the day."""
    if per_second is None:
        return str(time)
    try:
        return datetime.fromtimestamp(int(time) // per_second, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return str(time)
