"""Curves from risks: on unseen patients alone, as a Cox model with one coefficient."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lifelines import CoxPHFitter
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.work.survival_curves import RiskCalibration, read_calibration


def simulated(n=400, slope=1.0):
    rng = np.random.default_rng(0)
    risk = rng.normal(3.0, 2.0, n)
    time = rng.exponential(30 * np.exp(-slope * (risk - 3.0) / 2.0))
    censored = rng.exponential(60, n)
    return risk, np.minimum(time, censored), time <= censored


def test_curves_are_those_of_a_cox_model_by_lifelines(tmp_path):
    import pandas as pd

    risk, time, event = simulated()
    ours = RiskCalibration.fit(risk, time, event)
    ours.write(tmp_path)
    assert read_calibration(tmp_path) == ours
    table = pd.DataFrame({"risk": (risk - risk.mean()) / risk.std(), "time": time, "event": event})
    theirs = CoxPHFitter().fit(table, "time", "event")
    assert ours.slope == pytest.approx(theirs.params_["risk"], rel=0.01)
    months = np.array([1.0, 12.0, 36.0])
    expected = theirs.predict_survival_function(table[:20], times=months).to_numpy().T
    assert np.allclose(ours.survival(risk[:20], months), expected, atol=0.01)


def test_a_risk_far_outside_has_a_curve_too():
    known = RiskCalibration(mean=0, sd=1, slope=1, months=(5.0,), cumulative=(0.1,), patients=9, events=5)
    survival = known.survival(np.array([-1e6, 1e6]), np.array([3.0, 6.0]))
    assert survival.tolist() == [[1.0, 1.0], [1.0, 0.0]]


def test_equal_risks_give_no_curves():
    _, time, event = simulated(50)
    assert RiskCalibration.fit(np.ones(50), time, event) is None


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    out = prepared(tmp_path_factory.mktemp("calibrated"))
    request = Request(profile=load_profile("smoke"), methods="volume,clinical-cox,mdsn", out=out)
    return request, run_study(request, Silent())


def test_a_marker_is_calibrated_and_a_network_that_saw_everybody_is_not(finished):
    request, result = finished
    rows = {row.method: row.survival for row in result.board.rows}
    assert rows == {"volume": "calibrated", "clinical-cox": "predicted", "mdsn": "none"}
    volume, _, network = (
        next(e for e in result.study.entries if e.name == n) for n in ("volume", "clinical-cox", "mdsn")
    )
    for key in (volume.fits[0][0], volume.predicts[0][0]):
        curves = np.stack(Store(request.out).read(key).predictions()["survival"])
        assert curves.shape[1] == 40
        assert (np.diff(curves, axis=1) <= 0).all()
    assert Store(request.out).read(network.fits[0][0]).predictions()["survival"].isna().all()
    kept = json.loads((Store(request.out).folder(volume.fits[0][0]) / "calibration.json").read_text())
    assert kept["patients"] == len(Store(request.out).read(volume.fits[0][0]).job.train)
