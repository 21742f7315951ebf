"""Harrell's C, losses and overlap against values of R, of scikit-survival and of definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from reference_values import DATA_SETS, from_r
from survbench.metrics import (
    concordance_index,
    cox_loss,
    dice,
    fold_mean_concordance,
    hd95,
    pooled_concordance,
    soft_dice_loss,
)
from survbench.statistics import pairs
from toy_survival import cohorts


@pytest.mark.parametrize("name", DATA_SETS)
def test_concordance_and_pair_counts_equal_rs(name, monkeypatch):
    values, data, risks = from_r(name)
    for key, expected in values["concordance"].items():
        for limit in (1000, 0):  # by matrix and by tree
            monkeypatch.setattr(pairs, "MATRIX_LIMIT", limit)
            found = concordance_index(data.time, data.event, risks[key])
            assert found.value == pytest.approx(expected["C"], abs=1e-12)
            assert found.concordant == expected["counts"]["concordant"]
            assert found.discordant == expected["counts"]["discordant"]
            assert found.tied_risk == expected["counts"]["tied.x"]


@pytest.mark.parametrize("name", DATA_SETS)
def test_cox_loss_equals_rs_breslow_likelihood(name):
    values, data, _ = from_r(name)
    risk = data.x @ values["fixed_beta"]
    assert cox_loss(data.time, data.event, risk) * data.event.sum() == pytest.approx(
        -values["cox_breslow"]["loglik_at_fixed_beta"], abs=1e-9
    )


@settings(max_examples=200, deadline=None)
@given(cohorts())
def test_concordance_equals_its_definition_with_every_kind_of_tie(cohort):
    time, event, (risk, *_) = cohort
    n, credit, pairs = len(time), 0.0, 0
    for i in range(n):
        for j in range(n):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                credit += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    found = concordance_index(time, event, risk)
    if pairs == 0:
        assert np.isnan(found.value)
        assert "no comparable pair" in found.reason
        return
    assert found.value == pytest.approx(credit / pairs, abs=1e-14)
    assert concordance_index(time, event, -risk).value == pytest.approx(1 - found.value, abs=1e-14)
    assert concordance_index(time * 7, event, np.exp(risk)).value == found.value


def test_near_ties_are_not_merged():
    assert concordance_index([1.0, 2.0], [True, True], [1.0 + 1e-12, 1.0]).value == 1.0


def test_fold_mean_never_compares_patients_of_different_folds():
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool)
    fold = np.array([0, 0, 1, 1])
    risk = np.array([2.0, 1.0, 20.0, 10.0])
    assert fold_mean_concordance(time, event, fold, risk) == 1.0
    assert pooled_concordance(time, event, fold, risk) == 1.0
    assert concordance_index(time, event, risk).value < 0.5
    assert np.isnan(fold_mean_concordance(time, ~event, fold, risk))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        concordance_index([1.0, 2.0], [True, False], [bad, 1.0])


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="must have the same length"):
        concordance_index([1.0, 2.0], [True], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"risk needs the shape \(2,\)"):
        concordance_index([1.0, 2.0], [True, False], [1.0])


def test_cox_loss_is_finite_for_extreme_risks_and_nan_without_events():
    risk = np.array([1e4, -1e4, 0.0])
    assert np.isfinite(cox_loss([1.0, 2.0, 3.0], [True, True, True], risk))
    assert np.isnan(cox_loss([1.0, 2.0], [False, False], [0.0, 1.0]))


def test_dice_and_its_soft_loss():
    mask = np.array([[True, True], [False, False]])
    assert dice(mask, mask) == 1.0
    assert dice(~mask, mask) == 0.0
    assert dice(np.zeros_like(mask), np.zeros_like(mask)) == 1.0
    assert soft_dice_loss(mask.astype(float), mask) == -1.0
    assert soft_dice_loss(np.full(mask.shape, 0.5), mask) == pytest.approx(-2 / 3)


def test_hd95_equals_the_distances_of_all_pairs_of_surface_voxels():
    from scipy.ndimage import binary_erosion

    rng = np.random.default_rng(0)
    spacing = (1.0, 2.0, 3.0)
    grid = np.indices((12, 12, 12))
    for _ in range(3):
        masks = [
            sum((g - c) ** 2 for g, c in zip(grid, rng.uniform(4, 8, 3), strict=True)) < rng.uniform(6, 14)
            for _ in range(2)
        ]
        points = [np.argwhere(m & ~binary_erosion(m)) * spacing for m in masks]
        distances = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
        expected = np.percentile(np.concatenate([distances.min(axis=1), distances.min(axis=0)]), 95)
        assert hd95(masks[0], masks[1], spacing) == pytest.approx(expected)
    assert hd95(masks[0], masks[0], spacing) == 0
    assert np.isnan(hd95(masks[0], np.zeros_like(masks[0]), spacing))
