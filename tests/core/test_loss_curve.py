"""The losses of a training: their file, their means, and a line to draw."""

from __future__ import annotations

import math

import pytest

from mindrec_bench.core.loss_curve import LOSSES_FILE, LossCurve, LossPoint
from mindrec_bench.errors import DataError

CURVE = LossCurve.of_steps([4.0, 2.0, 1.0, 0.1 + 0.2, 9.0], 2, [(2, 3.5), (4, 1.25)])


def test_the_file_keeps_nine_digits(tmp_path):
    CURVE.write(tmp_path)
    assert (tmp_path / LOSSES_FILE).read_text().splitlines() == [
        "step,epoch,train_loss,valid_loss", "1,0.5,4,", "2,1,2,3.5", "3,1.5,1,", "4,2,0.3,1.25", "5,2.5,9,",
    ]  # fmt: skip
    read = LossCurve.read(tmp_path)
    assert read is not None
    assert read.points[3] == LossPoint(4, 2.0, 0.3, 1.25)
    epochs_only = LossCurve((LossPoint(3, 1.0, None, 2.0), LossPoint(6, 2.0, math.nan, 1.0)))
    epochs_only.write(tmp_path)
    assert str(LossCurve.read(tmp_path)) == str(epochs_only)


def test_means_are_of_the_steps_since_the_validation_before():
    assert CURVE.train_means() == (3.0, pytest.approx(0.65))
    assert LossCurve((LossPoint(3, 1.0, None, 2.0),)).train_means() == ()


def test_a_line_has_means_of_equally_many_steps():
    assert CURVE.train_line(2) == ((1.5, pytest.approx(7 / 3)), (2.5, pytest.approx(4.65)))
    assert CURVE.train_line(5) == tuple((point.epoch, point.train_loss) for point in CURVE.points)
    assert LossCurve(()).train_line(5) == ()


@pytest.mark.parametrize("text", ["step,epoch\n1,2\n1\n", "a,b,c,d\n1,x,2,\n", "h\n1,1,1,1,1\n"])
def test_a_damaged_file_is_named(tmp_path, text):
    assert LossCurve.read(tmp_path) is None
    (tmp_path / LOSSES_FILE).write_text(text)
    with pytest.raises(DataError, match=r"losses\.csv is damaged"):
        LossCurve.read(tmp_path)
