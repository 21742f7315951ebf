"""Curves of training, over the fits of a method."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.evaluation.curves import POINTS, curves
from toy_curves import Fit, monitored


def test_curves_are_means_with_the_lowest_and_highest_fit():
    one = [(1, "train", "L_sur", 4.0), (2, "train", "L_sur", 2.0), (2, "test", "L_sur", 7.0)]
    two = [(1, "train", "L_sur", 2.0), (2, "train", "L_sur", 3.0), (3, "train", "L_sur", np.inf)]
    train, test = curves([Fit(one, [1.0], [True]), Fit(two), Fit([])])
    assert (train.steps, train.mean, train.low, train.high) == ((1, 2), (3.0, 2.5), (2.0, 2.0), (4.0, 3.0))
    assert (train.split, train.fits, train.lowest) == ("train", 2, (2, 2.5))
    assert (test.split, test.fits, test.mean) == ("test", 1, (7.0,))


def test_the_level_without_information_is_the_loss_of_equal_risks_on_the_test_fold():
    """Of n patients with n different event times, the mean over events of the logarithm of those still at risk."""
    rows = [*monitored(3.0, 2.0), *monitored(1.0, 1.0, split="train"), *monitored(0.5, 0.5, metric="C")]
    four, two = Fit(rows, [1.0, 2.0, 3.0, 4.0], [True] * 4), Fit(rows, [1.0, 2.0], [True] * 2)
    levels = {(c.metric, c.split): c.uninformed for c in curves([four, two])}
    assert levels.pop(("L_sur", "test")) == pytest.approx((np.log(24) / 4 + np.log(2) / 2) / 2)
    assert set(levels.values()) == {None}, "nothing is known of the patients of a batch"


def test_long_curves_are_averaged_over_stretches_but_the_lowest_point_is_exact():
    values = np.abs(np.arange(1, 3001) - 777.0)
    (curve,) = curves([Fit([(step, "train", "L", value) for step, value in enumerate(values, start=1)])])
    assert len(curve.steps) == POINTS
    assert (curve.steps[0], curve.steps[-1]) == (15, 3000)
    assert curve.mean[0] == pytest.approx(values[:15].mean())
    assert curve.lowest == (777, 0.0)
