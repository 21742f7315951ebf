"""Breslow's baseline hazard against R."""

from __future__ import annotations

import numpy as np
import pytest
from reference_values import DATA_SETS, from_r
from survbench.statistics.baseline_hazard import Baseline

MONTHS = np.arange(0.0, 60.0, 5.0)


@pytest.mark.parametrize("name", DATA_SETS)
def test_breslows_baseline_equals_rs(name):
    values, data, _ = from_r(name)
    baseline = Baseline.fit(data.time, data.event, data.x @ values["cox_breslow"]["coef"])
    expected = values["baseline_hazard"]
    found = -np.log(baseline.survival(np.zeros(1), np.array(expected["time"], dtype=float)))[0]
    assert found == pytest.approx(expected["hazard"], rel=1e-8)
