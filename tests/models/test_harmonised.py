"""Every learner on the columns of a source that ComBat changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.models.learners.methods import LEARNERS
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.work.construct import construct

NAMES = [f"combat-radiomics-{learner.name}" for learner in LEARNERS]


def cohort(n=60):
    """Return patients of two centres, one of which measures every feature on a scale of its own."""
    rng = np.random.default_rng(0)
    centre = np.arange(n) % 2
    hazard = rng.normal(size=n)
    values = rng.normal(size=(n, 5)) + hazard[:, None] * [2.0, 0.0, 0.0, 0.0, 0.0]
    values[centre == 1] = 50 + 8 * values[centre == 1]
    return Cohort(
        subjects=tuple(Subject(f"P{i:02d}", "AB"[centre[i]], {}, {}) for i in range(n)),
        features=FeatureTable(tuple("abcde"), values),
        time=rng.exponential(20 * np.exp(-hazard)) + 0.1,
        event=rng.random(n) < 0.7,
    )


def of_centre(whole, centre):
    return replace(whole, subjects=tuple(replace(s, centre=centre) for s in whole.subjects))


@pytest.mark.filterwarnings("ignore:Optimization terminated early")
@pytest.mark.parametrize("name", NAMES)
def test_every_learner_sees_what_combat_makes_of_the_features(name, tmp_path):
    info, train = registry().get(name), cohort()
    ctx = Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=tmp_path)
    params = {**info.params, **info.smoke_params}
    model = construct(info.target, params).fit(train, validation=None, ctx=ctx)
    risk = model.predict_risk(train)
    raw = construct(info.target, {**params, "source": "radiomics"}).fit(train, validation=None, ctx=ctx)
    assert not np.allclose(risk, raw.predict_risk(train))
    model.save(tmp_path)
    loaded = construct(info.target, params).load(tmp_path, device="cpu")
    assert loaded.predict_risk(train) == pytest.approx(risk, rel=1e-6)
    new = of_centre(train.take([0, 1]), "elsewhere")
    for one in (model, loaded):
        with pytest.raises(ValueError, match="knows the centres A, B and not elsewhere"):
            one.predict_risk(new)


@pytest.mark.parametrize("name", ["combat-radiomics-cox", "combat-radiomics-icare", "combat-radiomics-icare-bagged"])
def test_beside_a_reference_centre_a_patient_of_another_one_keeps_the_values(name, tmp_path):
    info, train = registry().get(name), replace(cohort(), reference_centre="A")
    ctx = Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=tmp_path)
    model = construct(info.target, {**info.params, **info.smoke_params}).fit(train, validation=None, ctx=ctx)
    of_a = train.take(range(0, 60, 2))
    assert np.array_equal(model.predict_risk(of_centre(of_a, "elsewhere")), model.predict_risk(of_a))
