"""Training folds with hardly an event, or with a column of one value: a fit, or a cause in words."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from survbench.api import Context, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.errors import BenchError
from survbench.models.adapters.estimator import EstimatorMethod
from survbench.models.learners.methods import LEARNERS, ROOM
from survbench.plan.profile import load_profile
from survbench.work.construct import construct


class Adapted(EstimatorMethod):
    """An estimator of a user."""

    def estimator(self, seed):
        from sksurv.linear_model import CoxPHSurvivalAnalysis

        return CoxPHSurvivalAnalysis(alpha=1.0)


# one learner of each class: its settings make no difference here
MAKE = {learner.target: partial(construct, f"{ROOM}.{learner.target}", learner.smoke_params) for learner in LEARNERS}
MAKE["adapter"] = Adapted
OF_TWO_CENTRES = {learner.target for learner in LEARNERS if "centres" in learner.needs}
"""They need two events of each centre."""


def cohort(events, where):
    """Return 24 patients; the events are the first, or the last, to end."""
    rng = np.random.default_rng(0)
    event = np.zeros(24, dtype=bool)
    event[:events] = True
    return Cohort(
        subjects=tuple(Subject(f"P{n:02d}", "A", {"age": 50.0 + n % 7}, {}) for n in range(24)),
        clinical_columns=(ClinicalColumn("age", "numeric"),),
        features=FeatureTable(("a", "b", "c"), rng.normal(size=(24, 3))),
        time=np.arange(1.0, 25.0),
        event=event if where == "first" else event[::-1],
    )


def of_one_stage():
    """Return 61 patients of two centres who all have stage II, which is 1/3 on its scale."""
    whole = cohort(24, "first")
    rng = np.random.default_rng(0)
    return Cohort(
        subjects=tuple(Subject(f"P{n:02d}", "AB"[n % 2], {"stage": "II"}, {}) for n in range(61)),
        clinical_columns=(ClinicalColumn("stage", "ordinal", ("I", "II", "III", "IV")),),
        features=FeatureTable(whole.features.names, rng.normal(size=(61, 3))),
        time=rng.permutation(np.arange(1.0, 62.0)),
        event=np.arange(61) % 3 != 0,
    )


def fitted(learner, train, tmp_path):
    context = Context(
        seeds=Seeds(0, 0, learner),
        training=load_profile("smoke").training,
        device="cpu",
        threads=1,
        selection="last",
        scratch=tmp_path,
        deadline=time.monotonic() + 100,
        monitor=None,
        report=lambda *_, **__: None,
    )
    return MAKE[learner]().fit(train, validation=None, ctx=context)


@pytest.mark.parametrize("learner", MAKE)
@pytest.mark.parametrize(("events", "said"), [(0, "No events"), (1, "1 event")])
def test_fewer_than_two_events_are_refused_in_words(learner, events, said, tmp_path):
    with pytest.raises(BenchError, match=rf"{said} in this training fold of 24 patients; .* needs at least 2 pat"):
        fitted(learner, cohort(events, "first"), tmp_path)


@pytest.mark.parametrize("learner", MAKE)
def test_events_of_one_patient_are_refused_however_many_rows_have_them(learner, tmp_path):
    train = cohort(4, "first")
    lesions = replace(train, subjects=tuple(replace(s, group=f"G{n // 4}") for n, s in enumerate(train.subjects)))
    with pytest.raises(BenchError, match=r"^4 events of a single patient in this training fold of 6 patients"):
        fitted(learner, lesions, tmp_path)


@pytest.mark.filterwarnings("ignore:Optimization terminated early")
@pytest.mark.parametrize("learner", sorted(MAKE.keys() - OF_TWO_CENTRES))
@pytest.mark.parametrize("events", [2, 3])
@pytest.mark.parametrize("where", ["first", "last"])
def test_two_events_are_fitted(learner, events, where, tmp_path):
    train = cohort(events, where)
    bare = train.unlabelled({"clinical", "radiomics"})
    method = fitted(learner, train, tmp_path)
    assert np.isfinite(method.predict_risk(bare)).all()
    if hasattr(method, "predict_survival"):
        assert np.isfinite(method.predict_survival(bare, np.array([3.0, 60.0]))).all()


@pytest.mark.parametrize("learner", MAKE)
def test_a_clinical_column_of_one_value_whose_standard_deviation_is_not_quite_0_does_no_harm(learner, tmp_path):
    train = of_one_stage()
    assert 0 < np.full(61, 1 / 3).std() < 1e-15
    risk = fitted(learner, train, tmp_path).predict_risk(train.unlabelled({"clinical", "radiomics"}))
    assert np.isfinite(risk).all()
    assert np.abs(risk).max() < 1e3
