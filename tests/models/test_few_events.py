"""Training folds with hardly an event: a fit, or a cause in words."""

from __future__ import annotations

import time

import numpy as np
import pytest
from survbench.api import Context, Seeds
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.errors import BenchError
from survbench.models.learners.boosting import ComponentwiseBoosting, GradientBoostingCox
from survbench.models.learners.cox import Cox
from survbench.models.learners.deepsurv import DeepSurv
from survbench.models.learners.discrete import MTLR, DeepHit, NnetSurvival
from survbench.models.learners.forest import SurvivalForest
from survbench.models.learners.lasso_cox import LassoCox
from survbench.models.learners.svm import SurvivalSVM
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry

LEARNERS = {
    "cox": lambda: Cox(source="radiomics"),
    "lasso": LassoCox,
    "forest": lambda: SurvivalForest(trees=20, leaf=3),
    "deepsurv": lambda: DeepSurv(epochs=10),
    "svm": SurvivalSVM,
    "gradient boosting": lambda: GradientBoostingCox(trees=10),
    "componentwise boosting": ComponentwiseBoosting,
    "mtlr": lambda: MTLR(epochs=5),
    "deephit": lambda: DeepHit(epochs=5),
    "nnet-survival": lambda: NnetSurvival(epochs=5),
}


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
    return LEARNERS[learner]().fit(train, validation=None, ctx=context)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(("events", "said"), [(0, "No events"), (1, "1 event")])
def test_fewer_than_two_events_are_refused_in_words(learner, events, said, tmp_path):
    with pytest.raises(BenchError, match=rf"{said} in this training fold of 24 patients; .* needs at least 2\."):
        fitted(learner, cohort(events, "first"), tmp_path)


@pytest.mark.filterwarnings("ignore:Optimization terminated early")
@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("events", [2, 3])
@pytest.mark.parametrize("where", ["first", "last"])
def test_two_events_are_fitted(learner, events, where, tmp_path):
    train = cohort(events, where)
    bare = train.unlabelled({"clinical", "radiomics"})
    method = fitted(learner, train, tmp_path)
    assert np.isfinite(method.predict_risk(bare)).all()
    if hasattr(method, "predict_survival"):
        assert np.isfinite(method.predict_survival(bare, np.array([3.0, 60.0]))).all()


def test_every_learner_of_features_and_clinical_columns_is_tried_here():
    here = {f"{type(make()).__module__}:{type(make()).__name__}" for make in LEARNERS.values()}
    targets = {info.target for info in registry().methods.values() if ".learners." in info.target}
    assert targets == here
