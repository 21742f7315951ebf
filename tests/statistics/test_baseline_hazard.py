"""Breslow's baseline hazard against R."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from survbench.statistics.baseline_hazard import Baseline

MONTHS = np.arange(0.0, 60.0, 5.0)


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
