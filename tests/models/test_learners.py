"""The feature-based learners against scikit-survival, pycox and R."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from outside_data import FOLDER, outside
from reference_values import DATA_SETS, from_r
from survbench.api import Context, NotFittedError, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.errors import UnknownNameError
from survbench.metrics import concordance_index
from survbench.models.learners import deepsurv
from survbench.models.learners.deepsurv import INNER_SHARE, Budget, DeepSurv
from survbench.models.learners.forest import SurvivalForest
from survbench.models.learners.icare import Icare
from survbench.models.learners.lasso_cox import LassoCox, _coefficients, _path, lasso
from survbench.models.learners.selection_folds import dealt
from survbench.models.learners.svm import SurvivalSVM
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.work.construct import construct, settings

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
    small = {"trees": 100, "leaf": 5} if kind is SurvivalForest else {}
    return kind(**small | params).fit(train, validation=None, ctx=ctx)


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


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_method_tells_what_it_made_of_every_column_before_and_after_saving(kind, ctx, tmp_path):
    whole = cohort(n=160, strength=1.5, noise=5)
    model = fit(kind, whole, ctx)
    told = model.selected()
    assert set(told) <= {*whole.features.names, "stage"}
    assert "stage" in told, "clinical columns are named always"
    assert max(told, key=lambda name: abs(told[name])) == "f0"
    assert told["f0"] > 0
    model.save(tmp_path)
    assert kind().load(tmp_path, device="cpu").selected() == pytest.approx(told)


def test_the_forest_tells_shares_of_its_splits(ctx):
    model = fit(SurvivalForest, cohort(), ctx)
    assert sum(model.selected().values()) == pytest.approx(1.0)
    assert min(model.selected().values()) >= 0
    alone = fit(SurvivalForest, cohort(), ctx, leaf=80)  # no tree can split
    assert set(alone.selected().values()) == {0.0}


def test_without_hidden_layers_deepsurv_tells_the_coefficients_of_standardised_columns(ctx):
    whole = cohort()
    model = fit(DeepSurv, whole, ctx, layers=0)
    fitted = model._fitted
    coefficients = fitted.network[0].weight[0].detach().numpy()
    expected = coefficients * fitted.design.matrix(whole).std(axis=0)
    assert list(model.selected().values()) == pytest.approx(expected, rel=1e-5, abs=1e-9)


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
        max_features=int(np.ceil(np.sqrt(matrix.shape[1]))),  # as randomForestSRC; scikit-survival's sqrt rounds down
        random_state=ctx.seeds.of("forest"),
    ).fit(matrix, Surv.from_arrays(whole.event, whole.time))
    assert np.allclose(model.predict_risk(whole), theirs.predict(matrix))
    assert len(np.unique(theirs.predict(matrix))) > 10
    # as many distinct patients a tree as randomForestSRC draws, and its leaves hold distinct ones
    trees = [estimator.tree_ for estimator in theirs.estimators_]
    assert np.mean([tree.n_node_samples[0] / 80 for tree in trees]) == pytest.approx(0.632, abs=0.02)
    assert min(tree.n_node_samples[tree.children_left == -1].min() for tree in trees) >= 15


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_lasso_path_equals_glmnets(name):
    """The same penalties give the same coefficients, on columns scaled as glmnet does."""
    values, data, _ = from_r(name)
    expected = values["glmnet_lasso"]
    x, spread, penalties = data.x, data.x.std(axis=0), np.array(expected["lambda"])
    path = _path(x / spread, data.time, data.event, 1.0, penalties)
    assert len(penalties) == 12
    assert np.allclose(path.coef_.T, expected["coef"] * spread, atol=1e-3)
    own = _path(x / spread, data.time, data.event, 1.0)
    assert own.alphas_[0] == pytest.approx(penalties[0], rel=1e-3), "the path begins where glmnet's does"


def test_penalties_that_leave_no_feature_give_empty_models_and_not_the_end_of_the_path():
    """scikit-survival stops a path that begins with them; what it has not computed must not pass for a score of 0."""
    whole = cohort(n=80, strength=1.5, noise=5)
    x = (whole.features.values - whole.features.values.mean(axis=0)) / whole.features.values.std(axis=0)
    largest = _path(x, whole.time, whole.event, 1.0).alphas_[0]
    penalties = largest * np.array([3.0, 2.0, 1.5, 1.2, 0.5, 0.3])
    found = _coefficients(x, whole.time, whole.event, penalties, 1.0)
    assert not found[:, :4].any()
    assert np.allclose(found[:, 4:], _path(x, whole.time, whole.event, 1.0, penalties[4:]).coef_)
    assert np.abs(found[:, 4:]).max() > 0.1


def test_the_conservative_rule_keeps_no_more_than_the_best():
    whole = cohort(n=120, noise=60, strength=0.8)
    x = (whole.features.values - whole.features.values.mean(axis=0)) / whole.features.values.std(axis=0)
    best, careful = (lasso(x, whole.time, whole.event, rule=r) for r in ("best", "one-standard-error"))
    assert 1 <= (careful != 0).sum() <= (best != 0).sum()
    assert np.abs(careful).sum() < np.abs(best).sum()


@pytest.mark.parametrize("name", ["radiomics-lasso-cox", "deepfeat-lasso-cox"])
def test_lasso_rows_keep_a_weak_feature_where_the_rule_of_one_standard_error_keeps_nothing(name, ctx):
    info, whole = registry().get(name), cohort(noise=60, strength=0.5, seed=3)
    model = construct(info.target, info.params).fit(whole, validation=None, ctx=ctx)
    assert model.selected()["f0"] > 0
    assert not any(fit(LassoCox, whole, ctx, rule="one-standard-error").selected().values())


def test_where_no_feature_matters_the_lasso_may_keep_none_and_gives_everybody_the_same_risk(ctx):
    whole = cohort(strength=0.0)
    model = fit(LassoCox, whole, ctx)
    assert not any(model.selected().values())
    assert np.ptp(model.predict_risk(whole)) == 0


def test_deepsurvs_loss_is_pycoxs_and_pycoxs_is_breslows_without_ties():
    import torch
    from pycox.models.loss import cox_ph_loss
    from survbench.models.engine.losses import cox_loss

    rng = np.random.default_rng(0)
    time, event = torch.tensor(rng.permutation(np.arange(1.0, 41))), torch.tensor(rng.random(40) < 0.5)
    risk = torch.tensor(rng.normal(size=40))
    theirs = cox_ph_loss(risk[:, None], time, event.double())
    assert cox_loss(risk, time, event).item() == pytest.approx(theirs.item(), abs=1e-6)


def stops(whole):
    """Return which patients tell DeepSurv when to stop."""
    return dealt(whole.event, whole.ids, folds=INNER_SHARE) == 0


def inner_loss(model, whole):
    """Return the Cox loss of the patients that tell DeepSurv when to stop."""
    import torch
    from survbench.models.engine.losses import cox_loss

    inner = stops(whole)
    risk = torch.from_numpy(model.predict_risk(whole)[inner])
    return cox_loss(risk, torch.from_numpy(whole.time[inner]), torch.from_numpy(whole.event[inner])).item()


def test_deepsurv_keeps_the_best_weights_of_all_epochs_and_not_the_last(ctx):
    whole = cohort(noise=60)
    settings = {"learning_rate": 0.05, "dropout": 0.0, "patience": 1000}  # so fast that it soon over-fits
    epochs = (1, 2, 4, 8, 16, 32, 64)
    losses = [inner_loss(fit(DeepSurv, whole, ctx, epochs=n, **settings), whole) for n in epochs]
    assert max(np.diff(losses)) <= 1e-6, "more epochs never leave a worse model"
    assert losses[-1] == pytest.approx(losses[-2], abs=1e-6), "it had over-fitted by then"
    patient = fit(DeepSurv, whole, ctx, epochs=64, **settings | {"patience": 5})
    assert inner_loss(patient, whole) == pytest.approx(losses[-1], abs=1e-6)


def test_deepsurvs_training_is_adam_on_the_cox_loss(ctx):
    """pycox's fit equals the same steps in plain torch on our own loss."""
    import torch
    from survbench.models.engine.losses import cox_loss
    from survbench.models.engine.seeding import seeded

    whole = cohort(strength=1.5)
    settings = {"layers": 2, "activation": "relu", "dropout": 0.0, "epochs": 10, "weight_decay": 0.1}
    model = fit(DeepSurv, whole, ctx, **settings)
    kept = ~stops(whole)
    matrix = torch.from_numpy(model._fitted.design.matrix(whole).astype(np.float32))
    time, event = torch.from_numpy(whole.time[kept].astype(np.float32)), torch.from_numpy(whole.event[kept])
    with seeded(ctx.seeds.of("init"), torch.device("cpu")):
        network = DeepSurv(**settings)._network(matrix.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        cox_loss(network(matrix[torch.from_numpy(kept)]).squeeze(1), time, event).backward()
        optimizer.step()
    expected = network(matrix).squeeze(1).detach().numpy()
    assert np.allclose(model.predict_risk(whole), expected, atol=1e-4)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize(
    ("events", "weight_decay", "epochs", "patience"),
    [
        (1, 0.01, 500, 50),
        (40, 0.01, 500, 50),
        (160, 0.0025, 1000, 100),
        (1000, 0.0004, 2500, 250),
        (4000, 0.0001, 2500, 250),
        (100_000, 0.000004, 2500, 250),
    ],
)
def test_deepsurvs_budget_follows_the_number_of_events(events, weight_decay, epochs, patience):
    budget = Budget.of_size(events)
    assert budget.weight_decay == pytest.approx(weight_decay)
    assert (budget.epochs, budget.patience) == (epochs, patience)


def test_deepsurv_trains_by_the_rule_where_nothing_else_is_given(ctx):
    whole = cohort(n=300, noise=3)
    rule = asdict(Budget.of_size(int(whole.event.sum())))
    assert rule["epochs"] > 500, "large enough for the rule to change something"
    model = fit(DeepSurv, whole, ctx)
    assert model.resolved() == rule
    risk = model.predict_risk(whole)
    assert np.array_equal(risk, fit(DeepSurv, whole, ctx, **rule).predict_risk(whole))
    assert not np.array_equal(risk, fit(DeepSurv, whole, ctx, weight_decay=0.01).predict_risk(whole))


def test_what_is_given_to_deepsurv_wins_over_the_rule(ctx):
    whole = cohort(n=300, noise=3)
    rule = asdict(Budget.of_size(int(whole.event.sum())))
    for given in ({"epochs": 3}, {"weight_decay": 0.0}, {"patience": 1}):
        assert fit(DeepSurv, whole, ctx, **given).resolved() == rule | given


def test_a_fit_records_what_deepsurv_resolved_and_not_the_arguments(ctx):
    whole = cohort()
    recorded = settings(fit(DeepSurv, whole, ctx, epochs=5), {"epochs": 5, "weight_decay": None})
    rule = Budget.of_size(int(whole.event.sum()))
    assert {name: recorded[name] for name in asdict(rule)} == asdict(rule) | {"epochs": 5}


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        (DeepSurv, {"activation": "seelu"}, "selu"),
        (LassoCox, {"rule": "one-standard-eror"}, "one-standard-error"),
        (SurvivalSVM, {"objective": "rankin"}, "ranking"),
        (SurvivalForest, {"source": "radiomic"}, "radiomics"),
        (Icare, {"source": "radiomic"}, "radiomics"),
    ],
)
def test_a_setting_that_is_not_there_is_named(kind, given, meant, ctx):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{meant}'"):
        fit(kind, cohort(), ctx, **given)


def test_the_patients_that_stop_deepsurv_are_no_patients_that_train_it(ctx, monkeypatch):
    whole = cohort()
    lesions = replace(whole, subjects=tuple(replace(s, group=f"G{n // 2}") for n, s in enumerate(whole.subjects)))
    asked = []
    monkeypatch.setattr(deepsurv, "dealt", lambda *given, folds: asked.append(given) or dealt(*given, folds=folds))
    fit(DeepSurv, lesions, ctx, epochs=1)
    assert asked[0][1] == [s.patient for s in lesions.subjects]
    assert len(set(asked[0][1])) == 40


def test_most_of_whas_test_patients_stand_in_its_training_file_too():
    """A trap of the published files: C on this split rewards remembering, so no result of ours rests on it."""
    import h5py

    def rows(file, part):
        return [tuple(row) for row in np.column_stack([file[part][name] for name in ("x", "t", "e")])]

    folder = outside("deepsurv")
    with h5py.File(folder / "whas_train_test.h5") as file:
        train, test = rows(file, "train"), rows(file, "test")
    assert len(test) == 328
    assert sum(row in set(train) for row in test) / len(test) == pytest.approx(0.70, abs=0.005)
    with h5py.File(folder / "metabric_IHC4_clinical_train_test.h5") as file:
        assert not set(rows(file, "train")) & set(rows(file, "test"))


@pytest.mark.slow
def test_deepsurv_and_cox_reach_what_is_published_on_metabric():
    script = Path(__file__).parents[2] / "docs" / "scripts" / "deepsurv_metabric.py"
    ended = subprocess.run(
        [sys.executable, str(script), str(outside("deepsurv"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cohort_name", "learners", "how"),
    [
        ("metabric", "cox,en-cox,componentwise-boosting", ""),
        ("hn_petct", "survival-svm,survival-svm-rank", ""),
        ("hn_petct", "deepsurv,deephit,nnet-survival,mtlr", "exact"),
    ],
)
def test_learners_reach_the_c_of_a_second_implementation(cohort_name, learners, how):
    script = Path(__file__).parents[2] / "docs" / "scripts" / "related_learners.py"
    outside("deepsurv" if cohort_name == "metabric" else cohort_name)
    ended = subprocess.run(
        [sys.executable, str(script), str(FOLDER), cohort_name, learners, how],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": ""},  # the script imports its neighbour
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("±") == 3 * len(learners.split(","))
