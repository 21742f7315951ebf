"""Nothing of the test part reaches a feature-based method: noise gives chance, and a leak in these tests is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.features.screening import spearman_redundancy, univariate_cox
from survbench.metrics import concordance_index
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.work.construct import construct

FAMILIES = ("radiomics", "deep-features")
COHORTS, PATIENTS, FEATURES, FOLDS = 12, 60, 1456, 2
CHOSEN = 10
"""Features that the leaky selection keeps."""


def learners():
    """Return the feature-based methods by name, each class once."""
    found = {}
    for info in registry().methods.values():
        if info.family in FAMILIES and info.in_all:
            params = dict(info.params) | dict(info.smoke_params)
            found.setdefault(info.target, (info.name, info.target, params))
    return {name: (target, params) for name, target, params in found.values()}


LEARNERS = learners()


def patients(seed, *, features=FEATURES, strength=0.0):
    """Return patients whose features say nothing of their outcome, but for the first where it has a strength."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(PATIENTS, features))
    return Cohort(
        subjects=tuple(Subject(f"P{i:02d}", "AB"[i // 2 % 2], {}, {}) for i in range(PATIENTS)),
        features=FeatureTable(tuple(f"f{i:04d}" for i in range(features)), values),
        time=rng.exponential(20 * np.exp(-strength * values[:, 0])) + 0.1,
        event=rng.random(PATIENTS) < 0.6,
    )


def selected_on_all_patients(cohort):
    """Return the cohort with the features that selection finds when it sees the test patients too: never do this."""
    values = cohort.features.values
    strength = univariate_cox(values, cohort.time, cohort.event)
    kept = spearman_redundancy(values, strength)
    best = kept[np.argsort(-strength[kept])[:CHOSEN]]
    return replace(cohort, features=FeatureTable(tuple(cohort.features.names[i] for i in best), values[:, best]))


def predicted(name, train, test, scratch, seed=0):
    target, params = LEARNERS[name]
    ctx = Context(seeds=Seeds(seed, 0, name), training=load_profile("smoke").training, scratch=scratch)
    fitted = construct(target, params).fit(train, validation=None, ctx=ctx)
    return fitted.predict_risk(test.unlabelled({"radiomics"}))


def mean_c(name, cohort, scratch, seed):
    """Return the mean C over folds."""
    folds = np.arange(PATIENTS) % FOLDS
    values = []
    for fold in range(FOLDS):
        train, test = (cohort.take(np.flatnonzero((folds == fold) == part)) for part in (False, True))
        risk = predicted(name, train, test, scratch, seed)
        values.append(concordance_index(test.time, test.event, risk).value)
    return np.mean(values)


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def test_every_feature_based_learner_is_looked_at():
    names = {info.target for info in registry().methods.values() if info.family in FAMILIES}
    assert {target for target, _ in LEARNERS.values()} == names
    assert len(names) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_noise_gives_chance_and_a_selection_on_all_patients_does_not(name, tmp_path):
    honest, leaky = [], []
    for seed in range(COHORTS):
        cohort = patients(seed)
        honest.append(mean_c(name, cohort, tmp_path, seed))
        leaky.append(mean_c(name, selected_on_all_patients(cohort), tmp_path, seed))
    assert abs(np.mean(honest) - 0.5) <= 4 * standard_error(honest)
    # the check above would notice; 0.55 also where the careful rule of deep features leaves most models empty
    assert np.mean(leaky) - 0.5 > max(0.05, 4 * standard_error(leaky))


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("told", ["time", "event"])
def test_a_feature_that_equals_the_outcome_in_the_test_part_alone_changes_nothing(name, told, tmp_path):
    clean = patients(0, features=40, strength=2.0)
    # in training patients the outcome is hidden behind a constant
    leak = np.where(np.arange(PATIENTS) < 40, 1.0, getattr(clean, told))[:, None]
    spiked = FeatureTable(("a-leak", *clean.features.names), np.hstack([leak, clean.features.values]))
    risks = [
        predicted(name, whole.take(range(40)), whole.take(range(40, PATIENTS)), tmp_path)
        for whole in (clean, replace(clean, features=spiked))
    ]
    assert np.array_equal(*risks)
    assert np.ptp(risks[0]) > 0, "a constant risk would show nothing"
