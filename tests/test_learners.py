"""The feature-based learners against scikit-survival, pycox and R."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from survbench.api import Context, NotFittedError, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.metrics import concordance_index
from survbench.models.breslow import Baseline
from survbench.models.deepsurv import DeepSurv
from survbench.models.forest import SurvivalForest
from survbench.models.lasso_cox import LassoCox, lasso
from survbench.profile import load_profile

LEARNERS = [LassoCox, SurvivalForest, DeepSurv]
MONTHS = np.arange(0.0, 60.0, 5.0)


def cohort(n=80, noise=30, seed=0, strength=1.0):
    """Return patients whose hazard is the first feature, among others that are noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1 + noise))
    time = rng.exponential(20 * np.exp(-strength * values[:, 0])) + 0.1
    event = rng.random(n) < 0.6
    stage = np.where(rng.random(n) < 0.5, "III", "IVa")
    return Cohort(
        subjects=tuple(Subject(f"P{i:03d}", "A", {"stage": str(stage[i])}, {}) for i in range(n)),
        clinical_columns=(ClinicalColumn("stage", "ordinal", ("III", "IVa")),),
        features=FeatureTable(tuple(f"f{i}" for i in range(1 + noise)), values),
        time=time,
        event=event,
    )


@pytest.fixture
def ctx(tmp_path):
    return Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=tmp_path)


def fit(kind, train, ctx, **params):
    # fewer trees and smaller leaves than the default, for cohorts of this size
    settings = {"trees": 100, "leaf": 5} if kind is SurvivalForest else {}
    return kind(**settings | params).fit(train, validation=None, ctx=ctx)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_strong_feature_is_found_among_noise_with_the_right_sign(kind, ctx):
    whole = cohort(n=160, strength=1.5, noise=5)
    model = fit(kind, whole.take(range(120)), ctx)
    test = whole.take(range(120, 160))
    assert concordance_index(test.time, test.event, model.predict_risk(test)).value > 0.65


@pytest.mark.parametrize("kind", LEARNERS)
def test_saved_and_loaded_it_predicts_the_same(kind, ctx, tmp_path):
    whole = cohort()
    model = fit(kind, whole, ctx)
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    again = kind().load(folder, device="cpu")
    assert np.allclose(again.predict_risk(whole), model.predict_risk(whole), rtol=1e-6)
    assert np.allclose(again.predict_survival(whole, MONTHS), model.predict_survival(whole, MONTHS), rtol=1e-6)
    assert not [p for p in folder.iterdir() if p.suffix in {".pkl", ".pt", ".joblib"}]


@pytest.mark.parametrize("kind", LEARNERS)
def test_survival_is_a_probability_that_never_rises(kind, ctx):
    whole = cohort()
    curve = fit(kind, whole, ctx).predict_survival(whole, MONTHS)
    assert curve.shape == (80, len(MONTHS))
    assert curve[:, 0] == pytest.approx(1.0)
    assert curve.min() >= 0
    assert np.diff(curve, axis=1).max() <= 1e-12


@pytest.mark.parametrize("kind", LEARNERS)
def test_the_same_seed_gives_the_same_model_and_leaves_the_generators_alone(kind, ctx):
    import torch

    whole, before = cohort(), torch.random.get_rng_state()
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, second = (fit(kind, whole, ctx).predict_risk(whole) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


@pytest.mark.parametrize("kind", LEARNERS)
def test_missing_and_constant_features_do_no_harm(kind, ctx):
    whole = cohort()
    values = whole.features.values.copy()
    values[3, 2] = values[5, 4] = np.nan
    values[:, 7] = 1.0
    values[:, 8] = np.nan
    spoiled = replace(whole, features=FeatureTable(whole.features.names, values))
    assert np.isfinite(fit(kind, spoiled, ctx).predict_risk(spoiled)).all()


@pytest.mark.parametrize("kind", LEARNERS)
def test_nothing_is_predicted_before_a_fit(kind):
    with pytest.raises(NotFittedError):
        kind().predict_risk(cohort())


def test_the_forest_predicts_what_scikit_survivals_does(ctx):
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    whole = cohort()
    model = fit(SurvivalForest, whole, ctx, trees=50, leaf=15)
    design, _ = model._fitted
    matrix = design.matrix(whole)
    theirs = RandomSurvivalForest(
        n_estimators=50,
        min_samples_leaf=15,
        max_features="sqrt",
        max_samples=51,  # 0.632 of 80
        random_state=ctx.seeds.of("forest"),
    ).fit(matrix, Surv.from_arrays(whole.event, whole.time))
    assert np.allclose(model.predict_risk(whole), theirs.predict(matrix))
    assert len(np.unique(theirs.predict(matrix))) > 10


def test_the_lasso_path_equals_glmnets(shared_data):
    """The same penalties give the same coefficients (scikit-survival scales columns as glmnet does)."""
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    folder = shared_data / "metrics_reference"
    with (folder / "data_veteran.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    reference = json.loads((folder / "r_reference.json").read_text(encoding="utf-8"))["veteran"]
    names = list(reference["fixed_beta"])
    x = np.array([[float(r[n]) for n in names] for r in rows])
    spread = x.std(axis=0)
    outcome = Surv.from_arrays(
        np.array([float(r["event"]) > 0 for r in rows]), np.array([float(r["time"]) for r in rows])
    )
    penalties = reference["glmnet_lasso"]["lambda"]
    path = CoxnetSurvivalAnalysis(l1_ratio=1.0, alphas=penalties, tol=1e-9, max_iter=1_000_000).fit(x / spread, outcome)
    assert np.allclose(path.coef_.T / spread, reference["glmnet_lasso"]["coef"], atol=1e-3)


def test_the_conservative_rule_keeps_no_more_than_the_best():
    whole = cohort(n=120, noise=60, strength=0.8)
    x = (whole.features.values - whole.features.values.mean(axis=0)) / whole.features.values.std(axis=0)
    best, careful = (lasso(x, whole.time, whole.event, rule=r) for r in ("best", "one-standard-error"))
    assert 1 <= (careful != 0).sum() <= (best != 0).sum()
    assert np.abs(careful).sum() < np.abs(best).sum()


def test_breslows_baseline_equals_rs(shared_data):
    folder = shared_data / "metrics_reference"
    with (folder / "data_veteran.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    reference = json.loads((folder / "r_reference.json").read_text(encoding="utf-8"))["veteran"]
    beta = reference["cox_breslow"]["coef"]
    risk = np.array([sum(b * float(r[n]) for n, b in beta.items()) for r in rows])
    time, event = np.array([float(r["time"]) for r in rows]), np.array([float(r["event"]) > 0 for r in rows])
    baseline = Baseline.fit(time, event, risk)
    expected = reference["basehaz_uncentered_breslow"]
    found = -np.log(baseline.survival(np.zeros(1), np.array(expected["time"], dtype=float)))[0]
    assert found == pytest.approx(expected["hazard"], rel=1e-8)


def test_deepsurvs_loss_is_pycoxs_and_pycoxs_is_breslows_without_ties():
    import torch
    from pycox.models.loss import cox_ph_loss
    from survbench.models.losses import cox_loss

    rng = np.random.default_rng(0)
    time, event = torch.tensor(rng.permutation(np.arange(1.0, 41))), torch.tensor(rng.random(40) < 0.5)
    risk = torch.tensor(rng.normal(size=40))
    theirs = cox_ph_loss(risk[:, None], time, event.double())
    assert cox_loss(risk, time, event).item() == pytest.approx(theirs.item(), abs=1e-6)
