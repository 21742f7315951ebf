"""What predictions are worth at their best slope, against statsmodels and lifelines; the best constant mask."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from survbench.api import SURVIVAL_MONTHS
from survbench.statistics.learning import chance_sd, constant_mask_dice, cox_best_slope, discrete_time_best_slope
from survbench.statistics.metrics import concordance_index, cox_loss, dice

BREAKS = np.array([12.0, 24.0, 36.0, 60.0, 84.0, 120.0])


def simulated(n=150, slope=0.7):
    rng = np.random.default_rng(1)
    risk = rng.normal(2.0, 3.0, n)
    time = rng.exponential(40 * np.exp(-slope * risk / 3.0 + 0.5))
    censored = rng.uniform(5, 110, n)
    # whole months, so that many are tied
    return risk, np.maximum(np.ceil(np.minimum(time, censored)), 1.0), time <= censored


def test_the_slope_of_a_risk_is_that_of_a_cox_model_by_statsmodels_with_ties():
    from statsmodels.duration.hazard_regression import PHReg

    risk, time, event = simulated()
    found = cox_best_slope(time, event, risk)
    theirs = PHReg(time, risk[:, None], status=event.astype(int), ties="breslow").fit()
    assert found.slope == pytest.approx(float(theirs.params[0]), rel=1e-4)
    assert found.loss == pytest.approx(-theirs.llf / event.sum(), rel=1e-8)
    assert found.uninformed == pytest.approx(cox_loss(time, event, np.zeros(len(time))), rel=1e-12)


def test_the_loss_at_the_best_slope_is_free_of_scale_and_place():
    risk, time, event = simulated()
    plain, shrunk, turned = (cox_best_slope(time, event, r) for r in (risk, 1e-4 * risk + 7, -risk))
    assert shrunk.loss == pytest.approx(plain.loss, rel=1e-9)
    assert shrunk.slope == pytest.approx(1e4 * plain.slope, rel=1e-3)
    assert turned.slope == pytest.approx(-plain.slope, rel=1e-3)
    assert turned.loss == pytest.approx(plain.loss, rel=1e-9)


def test_a_risk_that_makes_no_mistake_has_a_loss_near_nothing():
    time = np.arange(1.0, 21.0)
    found = cox_best_slope(time, np.ones(20, dtype=bool), -time)
    assert 0 <= found.loss < 0.02
    assert np.isfinite(found.slope)
    assert found.slope > 0


def test_equal_risks_and_equal_curves_say_nothing():
    _, time, event = simulated()
    curve = np.exp(-0.01 * BREAKS)
    for found in (
        cox_best_slope(time, event, np.full(len(time), 0.3)),
        discrete_time_best_slope(time, event, np.tile(curve, (len(time), 1)), BREAKS),
    ):
        assert found.loss == pytest.approx(found.uninformed, rel=1e-9)


def curves(risk, months):
    """Survival with another baseline than the data's, and a scale of its own."""
    return np.exp(-0.002 * months[None, :] ** 1.3 * np.exp(0.1 * risk)[:, None])


def person_intervals(time, event, breaks):
    """Return a row per patient and interval that it lives to see: whether it died in it, patient, interval."""
    rows = []
    for i, (t, e) in enumerate(zip(time, event, strict=True)):
        for j, (low, high) in enumerate(zip([0.0, *breaks[:-1]], breaks, strict=True)):
            if e and low <= t < high:
                rows.append((1.0, i, j))
            elif t >= (high if e else (low + high) / 2):
                rows.append((0.0, i, j))
    died, patient, interval = (np.array(column) for column in zip(*rows, strict=True))
    share = np.array([died[interval == j].mean() if (interval == j).any() else 0.0 for j in range(len(breaks))])
    telling = ((share > 0) & (share < 1))[interval]  # in the others the hazard is certain, and stays so
    return died[telling], patient[telling], interval[telling]


def logistic_regression(time, event, survival, breaks):
    """Fit a discrete-time model as what it is, a logistic regression with an intercept per interval, by statsmodels."""
    import statsmodels.api as sm

    died, patient, interval = person_intervals(time, event, breaks)
    conditional = survival / np.hstack([np.ones((len(survival), 1)), survival[:, :-1]])
    logit = np.log((1 - conditional) / conditional)
    dummies = (interval[:, None] == np.unique(interval)).astype(float)
    columns = np.hstack([dummies, (logit - logit.mean(axis=0))[patient, interval][:, None]])
    family = sm.families.Binomial()
    return sm.GLM(died, columns, family=family).fit(tol=1e-12), sm.GLM(died, dummies, family=family).fit(tol=1e-12)


def test_the_slope_of_curves_is_that_of_a_logistic_regression_with_an_intercept_per_interval():
    risk, time, event = simulated()
    survival = curves(risk, BREAKS)
    theirs, without = logistic_regression(time, event, survival, BREAKS)
    found = discrete_time_best_slope(time, event, survival, BREAKS)
    assert found.slope == pytest.approx(float(theirs.params[-1]), rel=1e-4)
    assert found.loss == pytest.approx(-theirs.llf / event.sum(), rel=1e-8)
    assert found.uninformed == pytest.approx(-without.llf / event.sum(), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_slope_of_true_hazards_is_near_one(seed):
    rng = np.random.default_rng(seed)
    rate = 0.02 * np.exp(rng.normal(0, 1, 400))
    death, censored = rng.exponential(1 / rate), rng.uniform(0, 150, 400)
    time, event = np.minimum(death, censored), death <= censored
    truth = np.exp(-rate[:, None] * BREAKS)
    found = discrete_time_best_slope(time, event, truth, BREAKS)
    theirs, _ = logistic_regression(time, event, truth, BREAKS)
    assert found.slope == pytest.approx(float(theirs.params[-1]), rel=1e-4)
    assert found.slope == pytest.approx(1, abs=2 * float(theirs.bse[-1]))


def test_curves_that_make_no_mistake_have_a_loss_near_nothing():
    time = np.repeat(BREAKS[:4], 5) - 1.0
    event = np.ones(20, dtype=bool)
    truth = np.clip((time[:, None] >= BREAKS).astype(float), 0.01, 0.99).cumprod(axis=1)
    found = discrete_time_best_slope(time, event, truth, BREAKS)
    assert 0 <= found.loss < 1e-3
    assert np.isfinite(found.slope)
    assert found.slope > 0


def test_without_events_nothing_is_known():
    risk, time, event = simulated(20)
    for found in (
        cox_best_slope(time, np.zeros_like(event), risk),
        discrete_time_best_slope(time, np.zeros_like(event), curves(risk, BREAKS), BREAKS),
    ):
        assert np.isnan([found.slope, found.loss, found.uninformed]).all()


def test_one_risk_far_from_the_others_does_not_hold_their_slope_down():
    risk, time, event = simulated()
    alone = cox_best_slope(time, event, risk)
    # the last of all, censored, with by far the lowest risk
    time, event = np.append(time, time.max() + 1), np.append(event, False)
    found = cox_best_slope(time, event, np.append(risk, -1e6))
    assert found.slope == pytest.approx(alone.slope, rel=1e-3)
    assert found.loss == pytest.approx(alone.loss, rel=1e-6)


def test_a_score_that_most_patients_share_has_a_slope():
    _, time, event = simulated(40)
    score = np.zeros(40)
    score[np.argsort(time)[:5]] = 1.0  # the quartiles are equal
    assert cox_best_slope(time, event, score).slope > 0


def test_curves_that_end_at_zero_and_intervals_without_events_are_no_trouble():
    risk, time, event = simulated(60)
    survival = curves(risk, SURVIVAL_MONTHS)
    survival[:5, 10:] = 0.0
    found = discrete_time_best_slope(time, event, survival, SURVIVAL_MONTHS)
    assert np.isfinite([found.slope, found.loss, found.uninformed]).all()
    assert found.loss < found.uninformed
    early = event & (time < 30)
    alone = discrete_time_best_slope(np.where(early, time, np.maximum(time, 30.0)), early, survival, SURVIVAL_MONTHS)
    assert alone.loss < alone.uninformed


def test_the_best_constant_mask_equals_a_search_over_all_thresholds():
    rng = np.random.default_rng(0)
    masks = [rng.random((4, 5, 6)) < p for p in (0.2, 0.5, 0.6, 0.3, 0.55)]
    count = np.sum(masks, axis=0)
    expected = max(np.mean([dice(count >= k, m) for m in masks]) for k in range(1, 6))
    assert constant_mask_dice(masks) == pytest.approx(expected, abs=1e-15)


def test_one_patient_and_patients_without_a_tumour_have_a_perfect_constant_mask():
    empty = np.zeros((2, 2, 2), dtype=bool)
    assert constant_mask_dice([empty, empty]) == 1.0
    assert constant_mask_dice([~empty]) == 1.0


def test_the_spread_of_c_by_chance_is_that_over_all_orders_of_the_patients():
    time, event = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 4.0]), np.array([1, 1, 0, 0, 1, 1], dtype=bool)
    every = [concordance_index(time, event, np.array(order)).value for order in permutations(range(6))]
    assert chance_sd(time, event) == pytest.approx(np.std(every), rel=1e-12)
    assert np.isnan(chance_sd([1.0, 2.0], [False, False]))
