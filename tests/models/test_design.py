"""The matrix that feature-based learners see."""

from __future__ import annotations

import numpy as np
from survbench.cohort import Cohort, FeatureTable
from survbench.models.learners.design import Design
from toy_clinical import COLUMNS, patients


def test_a_design_screens_before_it_removes_redundancy_and_leaves_clinical_columns_alone():
    rng = np.random.default_rng(3)
    base = patients([(50.0 + i % 7, "I", "a") for i in range(150)])
    effect, noise = rng.normal(size=150), rng.normal(size=(150, 30))
    # two copies of the effect, one with a value missing, among features of no effect
    values = np.column_stack([noise, effect, effect + 0.1 * rng.normal(size=150)])
    values[3, 30] = np.nan
    names = (*(f"noise{i}" for i in range(30)), "effect", "copy")
    train = Cohort(
        subjects=base.subjects,
        clinical_columns=COLUMNS,
        features=FeatureTable(names, values),
        time=rng.exponential(20 * np.exp(-1.5 * effect)) + 0.1,
        event=rng.random(150) < 0.7,
    )
    free, strict = (Design.fit(train, source="radiomics", redundancy=0.7, screening=rate) for rate in (None, 0.01))
    assert len(free.features) == 31, "without screening redundancy alone takes one of the copies"
    assert [f.name for f in strict.features] in (["effect"], ["copy"])
    assert strict.columns[1:] == ("age", "stage", "site=b", "site=c")
    assert np.isfinite(strict.matrix(train)).all()
