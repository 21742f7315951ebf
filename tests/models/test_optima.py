"""Learners that no library has, on small problems whose optimum another solver or a formula gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from sksurv.util import Surv
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.errors import BenchError
from survbench.metrics import concordance_index
from survbench.models.learners.boostci import BoostCI, concordance_gradient, smoothed_concordance
from survbench.models.learners.censoring import uno_weights
from survbench.models.learners.lssvm import neighbours, ranking_and_regression
from survbench.models.learners.mtlsa import MTLSA, Solver, Tasks, monotone
from survbench.models.learners.svcr import censored_regression
from survbench.models.learners.transfer_cox import Likelihood, Pair, TransferCox
from survbench.plan.profile import load_profile


def outcomes(n=24, p=3, seed=0):
    """Return columns, months and events; the first column is a log hazard."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    time = rng.exponential(20 * np.exp(-x[:, 0])) + 0.1
    return x, time, rng.random(n) < 0.6


def cohort(n=120, p=6, centres="A", seed=0):
    x, time, event = outcomes(n, p, seed)
    return Cohort(
        subjects=tuple(Subject(f"P{i:03d}", centres[i % len(centres)], {}, {}) for i in range(n)),
        features=FeatureTable(tuple(f"f{i}" for i in range(p)), x),
        time=time,
        event=event,
    )


@pytest.fixture
def ctx(tmp_path):
    return Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=tmp_path)


# support vector machines


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_svcr_reaches_the_optimum_of_another_solver(epsilon):
    x, time, event = outcomes()
    y, penalty = np.log(time), 0.7

    def cost(weights, intercept):
        error = x @ weights + intercept - y
        paid = np.maximum(np.where(event, np.abs(error), -error) - epsilon, 0.0)
        return weights @ weights / 2 + penalty * paid.sum()

    n, p = x.shape
    predicted = np.column_stack([x, np.ones(n)])
    above = -predicted[event], y[event] + epsilon
    theirs = minimize(
        lambda z: z[:p] @ z[:p] / 2 + penalty * z[p + 1 :].sum(),
        np.concatenate([np.zeros(p + 1), np.full(n, 10.0)]),
        jac=lambda z: np.concatenate([z[:p], [0.0], np.full(n, penalty)]),
        method="SLSQP",
        bounds=[(None, None)] * (p + 1) + [(0, None)] * n,
        constraints=[
            {"type": "ineq", "fun": lambda z: predicted @ z[: p + 1] + z[p + 1 :] - y + epsilon},
            {"type": "ineq", "fun": lambda z: above[0] @ z[: p + 1] + z[p + 1 :][event] + above[1]},
        ],
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    assert theirs.success
    weights, intercept = censored_regression(x, y, event, penalty=penalty, epsilon=epsilon)
    assert weights == pytest.approx(theirs.x[:p], abs=1e-4)
    assert cost(weights, intercept) == pytest.approx(theirs.fun, rel=1e-6)


def test_without_censoring_svcr_is_support_vector_regression():
    from sklearn.svm import SVR

    x, time, _ = outcomes()
    theirs = SVR(kernel="linear", C=0.5, epsilon=0.1, tol=1e-8).fit(x, np.log(time))
    weights, intercept = censored_regression(x, np.log(time), np.ones(24, dtype=bool), penalty=0.5, epsilon=0.1)
    assert weights == pytest.approx(theirs.coef_[0], abs=1e-4)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_a_censored_time_costs_svcr_only_if_the_prediction_is_earlier():
    x = np.array([[-1.0], [1.0], [0.0], [0.0], [0.0]])
    event = np.array([True, True, False, False, False])
    late, early = (
        censored_regression(x, np.array([2.0, 0.0, *[censored] * 3]), event, penalty=100.0, epsilon=0.0)
        for censored in (3.0, 0.5)
    )
    assert early[0] == pytest.approx([-1.0], abs=1e-4)  # the line through both events lies above the censored times
    assert early[1] == pytest.approx(1.0, abs=1e-4)
    assert late[1] > 1.5, "the censored times pull the line up"


def test_lssvm_is_the_minimum_of_its_cost():
    x, time, event = outcomes()
    y, (later, earlier) = np.log(time), neighbours(time, event)

    def cost(z):
        predicted = x @ z[:-1] + z[-1]
        ranked = (predicted[later] - predicted[earlier] - y[later] + y[earlier]) ** 2
        return z[:-1] @ z[:-1] + 2.0 * ranked.sum() + 0.5 * ((predicted - y)[event] ** 2).sum()

    theirs = minimize(cost, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    weights, intercept = ranking_and_regression(x, time, event, ranking=2.0, regression=0.5)
    assert np.append(weights, intercept) == pytest.approx(theirs.x, abs=1e-5)


def test_neighbours_are_the_last_events_before():
    time = np.array([5.0, 1.0, 3.0, 3.0, 2.0, 4.0])
    event = np.array([True, False, True, True, True, False])
    later, earlier = neighbours(time, event)
    # before 2 nobody had an event; of the two events at 3 the first row counts
    assert dict(zip(later.tolist(), earlier.tolist(), strict=True)) == {0: 2, 2: 4, 3: 4, 5: 2}


# boosting of the C-index


def test_the_gradient_of_boostci_is_that_of_finite_differences():
    _, time, event = outcomes()
    weights = uno_weights(time, event)
    risk = np.random.default_rng(1).normal(size=24)

    def smoothed(f):
        return smoothed_concordance(f, weights, sigma=0.3) / weights.sum()

    assert concordance_gradient(risk, weights, sigma=0.3) == pytest.approx(
        approx_fprime(risk, smoothed, 1e-7), abs=1e-6
    )


def test_with_a_small_sigma_the_smoothed_c_is_unos():
    from sksurv.metrics import concordance_index_ipcw

    _, time, event = outcomes(60)
    risk = np.random.default_rng(1).normal(size=60)
    outcome, weights = Surv.from_arrays(event, time), uno_weights(time, event)
    expected = concordance_index_ipcw(outcome, outcome, risk)[0]
    values = [smoothed_concordance(risk, weights, sigma=s) / weights.sum() for s in (0.1, 1e-5)]
    assert values[1] == pytest.approx(expected, abs=1e-6)
    assert values[0] != pytest.approx(expected, abs=1e-3)


def test_boostci_orders_patients_by_the_column_that_matters(ctx):
    whole = cohort(160, 20)
    model = BoostCI().fit(whole.take(range(120)), validation=None, ctx=ctx)
    weights = model.selected()
    assert max(weights, key=lambda name: abs(weights[name])) == "f0"
    assert weights["f0"] > 0
    assert sum(w != 0 for w in weights.values()) < 20, "steps end before every column is in"
    test = whole.take(range(120, 160))
    assert concordance_index(test.time, test.event, model.predict_risk(test)).value > 0.7


# multi-task learning


def test_the_monotone_projection_is_isotonic_regression():
    from sklearn.isotonic import isotonic_regression

    rng = np.random.default_rng(0)
    values, weights = rng.normal(0.3, 0.5, size=(50, 7)), rng.uniform(0.1, 2.0, size=(50, 7))
    theirs = [
        isotonic_regression(v, sample_weight=w, y_min=0.0, increasing=False)
        for v, w in zip(values, weights, strict=True)
    ]
    assert monotone(values, weights) == pytest.approx(np.array(theirs), abs=1e-12)
    assert (np.diff(monotone(values), axis=1) <= 1e-12).all()


def test_without_penalty_mtlsa_fits_each_patient_of_a_saturated_model():
    """With a column for each patient, the optimum is what is known of each, projected on its own."""
    tasks = Tasks(
        alive=np.array([[1.0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]]),
        observed=np.array([[1.0, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]]),
    )
    x = np.column_stack([np.ones(4), np.eye(4)[:, 1:]])
    predicted = x @ Solver(x, tasks, ridge=0.0).solve(0.0, iterations=3000, tolerance=1e-10)
    assert (predicted * tasks.observed) == pytest.approx(tasks.alive * tasks.observed, abs=1e-4)
    assert predicted[1, 2] <= 1 + 1e-4


def test_without_penalty_and_with_mild_effects_mtlsa_is_least_squares_of_each_interval():
    x, time, event = outcomes(200)
    tasks = Tasks.of(time, event, np.quantile(time[event], [0.25, 0.5, 0.75]))
    ones = np.column_stack([np.ones(200), x[:, 1:]])  # without the column that matters
    fitted = Solver(ones, tasks, ridge=0.0).solve(0.0, iterations=5000, tolerance=1e-9)
    for k in range(3):
        known = tasks.observed[:, k] > 0
        theirs = np.linalg.lstsq(ones[known], tasks.alive[known, k], rcond=None)[0]
        assert fitted[:, k] == pytest.approx(theirs, abs=1e-4)


def test_mtlsa_at_its_largest_penalty_keeps_the_intercepts_alone():
    from survbench.models.learners.mtlsa import largest_penalty

    x, time, event = outcomes(80, 4)
    tasks = Tasks.of(time, event, np.quantile(time[event], [0.2, 0.5, 0.8]))
    ones = np.column_stack([np.ones(80), (x - x.mean(axis=0)) / x.std(axis=0)])
    most = largest_penalty(ones, tasks) * 80
    above, below = (
        Solver(ones, tasks, ridge=0.0).solve(share * most, iterations=2000, tolerance=1e-9) for share in (1.01, 0.9)
    )
    assert not above[1:].any()
    assert (above[0] > 0.1).all()
    assert below[1].all(), "the column that matters comes first"
    assert not below[2:].any()


def test_what_is_known_of_a_patient_ends_with_the_censoring():
    edges = np.array([2.0, 4.0, 6.0])
    tasks = Tasks.of(np.array([4.0, 4.0, 5.0, 9.0]), np.array([True, False, False, True]), edges)
    assert tasks.alive.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert tasks.observed.tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 1]]


def test_mtlsa_predicts_curves_that_follow_the_risk(ctx):
    whole = cohort(160)
    model = MTLSA(penalties=5).fit(whole, validation=None, ctx=ctx)
    curves = model.predict_survival(whole, np.array([0.0, 5.0, 10.0, 40.0]))
    assert curves[:, 0] == pytest.approx(1.0)
    assert (np.diff(curves, axis=1) <= 1e-12).all()
    assert model.selected()["f0"] > 0
    assert concordance_index(whole.time, whole.event, model.predict_risk(whole)).value > 0.7


# transfer


def parts(x, time, event, rows):
    return Likelihood(x[rows], time[rows], event[rows])


def test_the_gradient_of_the_partial_likelihood_is_that_of_finite_differences():
    x, time, event = outcomes(40)
    likelihood = Likelihood(x, np.ceil(time / 4), event)  # with ties
    point = np.array([0.5, -0.3, 0.1])
    assert likelihood.gradient(point) == pytest.approx(approx_fprime(point, likelihood.loss, 1e-7), abs=1e-6)


def test_where_nothing_is_shared_transfer_cox_is_two_cox_models():
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    x, time, event = outcomes(90)
    source, target = np.arange(90) < 60, np.arange(90) >= 60
    pair = Pair(parts(x, time, event, source), parts(x, time, event, target), weight=1.0, ridge=0.1)
    both = pair.solve(0.0, start=np.zeros((3, 2)), tolerance=1e-7)
    for column, rows in enumerate((source, target)):
        alone = CoxPHSurvivalAnalysis(alpha=0.1 * rows.sum(), ties="breslow")
        alone.fit(x[rows], Surv.from_arrays(event[rows], time[rows]))
        assert both[:, column] == pytest.approx(alone.coef_, abs=1e-5)


def test_where_all_is_shared_transfer_cox_is_one_lasso_cox():
    """The norm of a row with two equal coefficients is the square root of two times one of them."""
    from sksurv.linear_model import CoxnetSurvivalAnalysis

    x, time, event = outcomes(90, 8)
    same = Likelihood(x, time, event)
    both = Pair(same, same, weight=1.0, ridge=0.0).solve(np.sqrt(2) * 0.08, start=np.zeros((8, 2)), tolerance=1e-8)
    one = CoxnetSurvivalAnalysis(l1_ratio=1.0, alphas=[0.08], tol=1e-10, max_iter=1_000_000)
    one.fit(x, Surv.from_arrays(event, time))
    assert both[:, 0] == pytest.approx(both[:, 1], abs=1e-9)
    assert both[:, 0] == pytest.approx(one.coef_[:, 0], abs=1e-3)
    assert 0 < (both[:, 0] != 0).sum() < 8


def test_the_model_of_the_target_predicts_and_the_largest_centre_is_the_source_unless_the_card_names_one(ctx):
    whole = cohort(150, centres="AAB")
    order = np.array([s.centre == "B" for s in whole.subjects])
    x = np.where(order[:, None], whole.features.values[:, [1, 0, 2, 3, 4, 5]], whole.features.values)
    swapped = replace(whole, features=FeatureTable(whole.features.names, x))  # in B another column matters
    cohorts = (replace(swapped, reference_centre=centre) for centre in ("", "B"))
    default, named = (TransferCox().fit(train, validation=None, ctx=ctx) for train in cohorts)
    assert default.selected()["f1"] > abs(default.selected()["f0"])
    assert named.selected()["f0"] > abs(named.selected()["f1"])


@pytest.mark.parametrize(("centres", "source"), [("A", ""), ("AB", "C")])
def test_without_two_centres_transfer_is_refused_in_words(centres, source, ctx):
    train = replace(cohort(30, centres=centres), reference_centre=source)
    with pytest.raises(BenchError, match=r"this training fold of 30 patients has: A \((30|15)\)"):
        TransferCox().fit(train, validation=None, ctx=ctx)


def test_one_event_of_the_target_is_refused_in_words(ctx):
    whole = cohort(30, centres="AAB")
    of_target = np.array([s.centre == "B" for s in whole.subjects])
    event = ~of_target
    event[np.flatnonzero(of_target)[0]] = True
    with pytest.raises(
        BenchError, match=r"1 event in this training fold of 10 patients; the .* of the target's patients"
    ):
        TransferCox().fit(replace(whole, event=event), validation=None, ctx=ctx)
