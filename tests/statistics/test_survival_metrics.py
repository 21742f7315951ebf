"""Metrics under censoring against R, definitions and simulated truth; what legal data cannot give is NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from reference_values import DATA_SETS, from_r
from survbench.statistics.risk_groups import risk_groups
from survbench.statistics.survival_metrics import (
    Outcome,
    brier,
    calibration,
    d_calibration,
    dynamic_auc,
    integrated_brier,
    uno_c,
)
from toy_survival import cohorts


def exponential(n, seed=0):
    """Return (outcome, true rate) of patients with exponential times and a third censored."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(size=n))
    time, censored = rng.exponential(1 / rate), rng.exponential(2 / rate)
    return Outcome(np.minimum(time, censored), time <= censored), rate


@pytest.fixture(params=DATA_SETS)
def r(request):
    values, data, risks = from_r(request.param)
    return values, Outcome(data.time, data.event), data.x, risks


@pytest.fixture
def cox(r):
    """Return the survival function of the Cox model that R fitted, as (n patients x any times)."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    values, outcome, x, _ = r
    model = CoxPHSurvivalAnalysis(ties="efron").fit(x, outcome.structured())
    assert model.coef_ == pytest.approx(values["cox_efron"]["coef"], abs=1e-6)
    functions = model.predict_survival_function(x)
    first = functions[0].x[0]
    return lambda times: np.array([np.where(times < first, 1.0, f(np.maximum(times, first))) for f in functions])


def test_unos_c_equals_rs(r):
    values, outcome, _, risks = r
    expected = values["concordance_uno"]
    for key, c in expected["C"].items():
        assert uno_c(outcome, outcome, risks[key], tau=expected["tau"]).value == pytest.approx(c, abs=2e-4)


def test_auc_at_horizons_equals_rs(r):
    values, outcome, _, risks = r
    expected = values["score"]
    found = dynamic_auc(outcome, outcome, risks["cox_lp"], expected["times"])
    assert [score.value for score in found] == pytest.approx(expected["auc"], abs=1e-3)


def test_brier_score_at_horizons_and_integrated_equal_rs(r, cox):
    values, outcome, *_ = r
    expected = values["score"]
    found = brier(outcome, outcome, cox(np.array(expected["times"])), expected["times"])
    assert [score.value for score in found] == pytest.approx(expected["brier"], abs=1e-3)
    tau = values["integrated_brier"]["tau"]
    grid = np.linspace(tau / 400, tau, 400)
    score = integrated_brier(outcome, outcome, cox(grid), grid, tau=tau)
    assert score.value == pytest.approx(values["integrated_brier"]["value"], abs=1e-3)


def test_log_rank_and_hazard_ratio_of_a_median_split_equal_rs(r):
    values, outcome, _, risks = r
    expected = values["median_split"]
    found = risk_groups(outcome.time, outcome.event, np.zeros(len(outcome.time)), risks["cox_lp"])
    assert found.chi2 == pytest.approx(expected["chi2"], abs=1e-9)
    assert found.hazard_ratio == pytest.approx(expected["hazard_ratio"], rel=1e-5)
    interval = found.hazard_ratio_low, found.hazard_ratio_high
    assert interval == pytest.approx(expected["interval"], rel=1e-5)
    assert found.p <= 0.01


# --- against definitions


def test_the_censoring_distribution_is_the_training_folds():
    test, rate = exponential(60)
    train, _ = exponential(200, seed=1)
    uncensored = Outcome(train.time, np.ones(200, dtype=bool))
    values = [uno_c(t, test, rate, tau=1.0).value for t in (train, uncensored)]
    assert values[0] != values[1]
    # without censoring in training the weights are 1, and Uno's C is Harrell's C of events before tau
    early = test.event & (test.time < 1.0)
    comparable = early[:, None] & (test.time[:, None] < test.time)
    assert values[1] == pytest.approx((comparable & (rate[:, None] > rate)).sum() / comparable.sum())


def test_what_happens_after_a_horizon_changes_nothing_before_it():
    test, rate = exponential(80)
    train, _ = exponential(300, seed=1)
    later = Outcome(np.where(test.time > 0.5, test.time * 1000, test.time), test.event)
    survival = np.exp(-rate * 0.5)[:, None]
    assert dynamic_auc(train, later, rate, [0.5]) == dynamic_auc(train, test, rate, [0.5])
    assert brier(train, later, survival, [0.5]) == brier(train, test, survival, [0.5])


def test_without_censoring_the_brier_score_is_the_mean_squared_error():
    rng = np.random.default_rng(0)
    outcome = Outcome(rng.exponential(size=50), np.ones(50, dtype=bool))
    survival = rng.random((50, 2))
    found = brier(outcome, outcome, survival, [0.4, 1.2])
    for k, horizon in enumerate((0.4, 1.2)):
        assert found[k].value == pytest.approx(np.mean(((outcome.time > horizon) - survival[:, k]) ** 2))


def test_risks_that_lie_close_together_are_ordered_all_the_same():
    outcome, rate = exponential(150)
    assert uno_c(outcome, outcome, rate * 1e-9, tau=2.0) == uno_c(outcome, outcome, rate, tau=2.0)
    assert dynamic_auc(outcome, outcome, rate * 1e-9, [0.5]) == dynamic_auc(outcome, outcome, rate, [0.5])


def test_the_brier_score_weighs_for_censoring_also_before_the_first_test_time():
    train = Outcome(np.array([1.0, 1.0, 9.0, 9.0]), np.array([False, False, True, True]))
    survival = np.full((4, 2), 0.8)
    alive = brier(train, Outcome(np.full(4, 5.0), np.ones(4)), survival, [1.4, 1.6])
    assert [score.value for score in alive] == pytest.approx([0.2**2 / 0.5] * 2)
    censored = brier(train, Outcome(np.array([1.5, 5.0, 5.0, 5.0]), np.zeros(4)), survival, [1.4, 1.6])
    assert [score.value for score in censored] == pytest.approx([0.2**2 / 0.5, 0.75 * 0.2**2 / 0.5])


def test_a_marker_of_two_values_has_groups_on_either_side_of_one_half():
    time = np.random.default_rng(0).permutation(20) + 1.0
    event, fold = np.ones(20), np.repeat([0, 1], 10)
    risk = np.concatenate([np.arange(10) < 7, np.arange(10) < 3]).astype(float)
    found = risk_groups(time, event, fold, risk)
    assert found.is_high.tolist() == (risk == 1).tolist()
    assert found.reason == ""
    assert not risk_groups(time, event, fold, np.ones(20)).is_high.any()


def test_the_integral_runs_from_zero_to_tau():
    outcome = Outcome(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4, dtype=bool))
    at_2 = brier(outcome, outcome, np.full((4, 1), 0.5), [2.0])[0].value
    found = integrated_brier(outcome, outcome, np.full((4, 2), 0.5), [2.0, 3.5], tau=3.0)
    assert found.value == pytest.approx((at_2 * 2 / 2 + at_2 * 1) / 3)


def test_d_calibration_counts_as_defined():
    """Haider 2020: an event counts in its bin; one censored at S = 0.25 as 0.05 / 0.25 in its bin."""
    event = np.array([True] * 49 + [False])
    survival = np.array([0.95] * 49 + [0.25])
    found = d_calibration(event, survival)
    expected = np.zeros(10)
    expected[9], expected[:3] = 49, (0.4, 0.4, 0.2)
    assert found.bins == pytest.approx(expected / 50)
    assert found.statistic == pytest.approx(((expected - 5) ** 2).sum() / 5)


def test_a_true_model_is_d_calibrated_and_a_wrong_one_is_not():
    ps = []
    for seed in range(40):
        outcome, rate = exponential(200, seed)
        ps.append(d_calibration(outcome.event, np.exp(-rate * outcome.time)).p)
    # the test is conservative under censoring (the spread is smoother than events are)
    assert np.mean(np.array(ps) < 0.05) <= 0.2
    outcome, rate = exponential(200)
    assert d_calibration(outcome.event, np.exp(-3 * rate * outcome.time)).p < 1e-6


def test_calibration_of_a_true_model_and_of_one_that_expects_twice_the_events():
    outcome, rate = exponential(20_000)
    found = calibration(outcome, np.exp(-rate * 0.2), horizon=0.2)
    assert found.predicted == pytest.approx(found.observed, abs=0.05)
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.patients == (4000,) * 5
    assert sorted(found.predicted) == list(found.predicted)
    doubled = calibration(outcome, 1 - np.minimum(1, 2 * (1 - np.exp(-rate * 0.05))), horizon=0.05)
    assert doubled.ratio == pytest.approx(0.5, abs=0.1)
    assert doubled.error > 0.02


def test_risk_groups_are_made_and_compared_within_folds():
    from sksurv.compare import compare_survival

    outcome, rate = exponential(120)
    fold = np.arange(120) % 3
    one, shifted = (risk_groups(outcome.time, outcome.event, fold, r) for r in (rate, rate + 100 * fold))
    assert (one.chi2, one.p, one.hazard_ratio) == (shifted.chi2, shifted.p, shifted.hazard_ratio)
    for k in range(3):
        assert one.is_high[fold == k].sum() == 20
    assert one.hazard_ratio > 1
    at_half = [np.interp(0.5, curve.time, curve.survival) for curve in (one.high_risk, one.low_risk)]
    assert at_half[0] < at_half[1]
    # observed minus expected events, and their variances, add up over folds
    parts = []
    for k in range(3):
        rows = fold == k
        fold_outcome = Outcome(outcome.time[rows], outcome.event[rows])
        _, _, table, variance = compare_survival(fold_outcome.structured(), one.is_high[rows], return_stats=True)
        parts.append((table["observed"].iloc[1] - table["expected"].iloc[1], variance[1, 1]))
    difference, variance = np.sum(parts, axis=0)
    assert one.chi2 == pytest.approx(difference**2 / variance)
    assert risk_groups(outcome.time, outcome.event, fold, -rate).hazard_ratio == pytest.approx(1 / one.hazard_ratio)


def test_the_permutation_p_of_many_patients_is_the_chi_squared_one():
    from scipy.stats import chi2

    outcome, rate = exponential(400)
    risk = rate + 4 * np.random.default_rng(1).normal(size=400)
    found = risk_groups(outcome.time, outcome.event, np.arange(400) % 2, risk, permutations=5000)
    expected = chi2.sf(found.chi2, 1)
    assert 0.01 < expected < 0.5, "a p that both can show"
    assert found.p == pytest.approx(expected, abs=0.025)


# --- legal data never raise


@settings(max_examples=150, deadline=None)
@given(cohorts(risks=2))
def test_no_legal_data_raise_and_nan_comes_with_a_reason(cohort):
    time, event, (risk, other) = cohort
    half = len(time) // 2 or 1
    train, test = Outcome(time[:half], event[:half]), Outcome(time, event)
    survival, grid = np.stack([risk, other], axis=1) / 6, [1.5, 4.0]
    scores = [
        uno_c(train, test, risk, tau=3.0),
        *dynamic_auc(train, test, risk, grid),
        *brier(train, test, survival, grid),
        integrated_brier(train, test, survival, grid, tau=4.5),
    ]
    for score in scores:
        assert np.isfinite(score.value) == (score.reason == "")
    groups = risk_groups(time, event, np.arange(len(time)) % 2, risk, permutations=9)
    assert np.isfinite([groups.chi2, groups.p, groups.hazard_ratio]).all() == (groups.reason == "")
    measured = calibration(test, survival[:, 0], horizon=3.0)
    assert np.isfinite([measured.ratio, measured.error]).all() == (measured.reason == "")
    tested = d_calibration(event, survival[:, 0])
    assert np.isnan(tested.p) == (tested.reason != "")
    assert sum(tested.bins) == pytest.approx(1)


@pytest.mark.parametrize(
    ("horizon", "reason"),
    [(0.05, "no event by"), (9.0, "nobody is followed beyond"), (3.0, "the training fold is followed up to 2")],
)
def test_reasons_say_what_is_missing(horizon, reason):
    train = Outcome(np.array([1.0, 2.0]), np.array([True, False]))
    test = Outcome(np.array([0.5, 1.5, 5.0]), np.array([True, True, False]))
    (score,) = dynamic_auc(train, test, [3.0, 2.0, 1.0], [horizon])
    assert reason in score.reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Outcome(np.array([0.0, 1.0]), np.array([True, True])), "positive"),
        (lambda: Outcome(np.array([1.0]), np.array([True, True])), "must have the same length"),
        (lambda: d_calibration([True], [1.5]), "between 0 and 1"),
        (lambda: d_calibration([True], [np.nan]), "finite"),
        (lambda: risk_groups([1.0, 2.0], [1, 0], [0, 0], [1.0]), "risk needs the shape"),
    ],
)
def test_what_is_no_survival_data_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
