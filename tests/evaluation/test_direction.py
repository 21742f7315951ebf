"""Risks that are turned round are told from those that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.evaluation.direction import turned_round
from toy_survival import simulated


@pytest.mark.parametrize("folds", [1, 3])
def test_turned_risks_are_named_with_their_interval(folds):
    time, event, fold, truth = simulated(n=90, folds=folds)
    said = turned_round(time, event, fold, -truth)
    assert said.startswith("C is far below 0.5 (0.")
    assert "give its negative" in said
    assert turned_round(time, event, fold, np.stack([-truth, -truth])) == said
    assert turned_round(time, event, fold, truth) == ""


def test_chance_and_few_patients_are_not_called_turned():
    rng = np.random.default_rng(0)
    time, event, fold, truth = simulated(n=90, folds=3)
    assert sum(bool(turned_round(time, event, fold, rng.normal(size=90))) for _ in range(100)) < 10
    assert turned_round(time[:6], event[:6], np.zeros(6), np.full(6, 1.0)) == ""
    assert turned_round(time, np.zeros(90, dtype=bool), fold, truth) == ""
