"""Adapters: a method in a few lines, saved without pickle or refused in words."""

from __future__ import annotations

import pickle
from zipfile import BadZipFile

import numpy as np
import pytest
import torch
from skops import io
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.errors import BenchError, UnknownNameError
from survbench.models.adapters.estimator import MODEL, EstimatorMethod
from survbench.models.adapters.module import ModuleMethod
from survbench.plan.profile import load_profile
from survbench.testing import check_method
from torch import nn

MONTHS = np.arange(0.0, 61.0, 6.0)


class Boosting(EstimatorMethod):
    """Ten lines of a user."""

    def estimator(self, seed):
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis

        return GradientBoostingSurvivalAnalysis(n_estimators=20, max_depth=2, random_state=seed)


class TimeSVM(EstimatorMethod):
    """An estimator that predicts a time."""

    predicts = "time"

    def estimator(self, seed):
        from sksurv.svm import FastSurvivalSVM

        return FastSurvivalSVM(rank_ratio=0.0, max_iter=500, tol=1e-5, random_state=seed)


class Mean:
    """An estimator with a function inside, which only pickle could keep."""

    def fit(self, values, outcome):
        self.rule = lambda row: row.mean()
        return self

    def predict(self, values):
        return np.array([self.rule(row) for row in values])


class Unsaved(EstimatorMethod):
    def estimator(self, seed):
        return Mean()


class SmallCnn(ModuleMethod):
    def network(self, channels, clinical):
        pooled = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
        return nn.Sequential(nn.Conv3d(channels, 4, 3, stride=2), nn.ReLU(), pooled, nn.Linear(4, 1))


class Intervals(SmallCnn):
    head = "discrete-time"

    def network(self, channels, clinical):
        return nn.Sequential(super().network(channels, clinical)[:-1], nn.Linear(4, 6))


class WrongShape(SmallCnn):
    head = "discrete-time"


class Misspelt(SmallCnn):
    head = "discrete"


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(80, 4))
    return Cohort(
        subjects=tuple(Subject(f"P{n:02d}", "", {}, {}) for n in range(80)),
        features=FeatureTable(("a", "b", "c", "d"), values),
        time=rng.exponential(20 * np.exp(-values[:, 0])) + 0.1,
        event=rng.random(80) < 0.7,
    )


@pytest.fixture
def ctx(tmp_path):
    return Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=tmp_path)


@pytest.mark.parametrize(
    "info",
    [
        Boosting.declare("boosting", reference="Friedman, 2001", curves=True),
        TimeSVM.declare("time-svm", reference="Shivaswamy et al., 2007"),
        SmallCnn.declare("small-cnn", reference="ours"),
        Intervals.declare("intervals", reference="ours"),
    ],
    ids=lambda info: info.name,
)
def test_an_adapted_model_keeps_what_every_method_promises(info):
    failed = [(c.name, c.detail) for c in check_method(info) if c.outcome == "failed"]
    assert failed == []


def test_the_estimators_own_predictions_come_out(cohort, ctx):
    model = Boosting().fit(cohort, validation=None, ctx=ctx)
    from sksurv.util import Surv

    values = model._fitted.design.matrix(cohort)
    alone = model.estimator(ctx.seeds.of("init")).fit(values, Surv.from_arrays(cohort.event, cohort.time))
    assert model.predict_risk(cohort).tolist() == alone.predict(values).tolist()
    later = MONTHS[cohort.time.min() <= MONTHS]
    curves = [[f(t) for t in later] for f in alone.predict_survival_function(values)]
    assert model.predict_survival(cohort, later) == pytest.approx(np.array(curves))


def test_what_only_pickle_could_keep_is_refused_with_the_way_out(cohort, ctx, tmp_path):
    model = Unsaved().fit(cohort, validation=None, ctx=ctx)
    with pytest.raises(BenchError, match=r"Unsaved cannot be saved without pickle: .* Write 'save' and 'load'"):
        model.save(tmp_path)


class Canary:
    def __reduce__(self):
        return (open, ("canary", "w"))


@pytest.mark.parametrize("content", ["function", "pickle"])
def test_a_model_file_that_names_a_function_is_not_loaded(content, cohort, ctx, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Boosting().fit(cohort, validation=None, ctx=ctx).save(tmp_path)
    if content == "function":
        io.dump({"step": np.testing.assert_equal, "run": np.savetxt}, tmp_path / MODEL)
    else:
        (tmp_path / MODEL).write_bytes(pickle.dumps(Canary()))
    with pytest.raises(BenchError if content == "function" else BadZipFile):
        Boosting().load(tmp_path, device="cpu")
    assert not (tmp_path / "canary").exists()


def test_a_head_that_is_not_there_is_named():
    with pytest.raises(UnknownNameError, match="Unknown head 'discrete'. Did you mean 'discrete-time'"):
        Misspelt.declare("misspelt", reference="ours")


def test_what_a_declaration_is_given_wins():
    info = Boosting.declare("boosting", reference="ours", stochastic=False, title="Mine")
    assert (info.stochastic, info.title) == (False, "Mine")


def test_a_network_of_another_shape_than_its_head_is_named():
    with pytest.raises(
        ValueError, match=r"gave shape \(2, 1\) for 2 patients; with the discrete-time head .* \(2, 6\)"
    ):
        WrongShape().build(1, 0)(torch.zeros(2, 1, 32, 32, 32), torch.zeros(2, 0))
