"""What a fit writes of its own training fold: only where its method declares ``selects``; it changes nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cohort_folder import write_cohort
from sksurv.metrics import concordance_index_censored
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.api import SURVIVAL_MONTHS
from survbench.jobs.prepared_files import read_follow_up
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.statistics.learning import cox_best_slope, discrete_time_best_slope
from survbench.statistics.metrics import dice
from survbench.work.fitted import fitted_method
from survbench.work.prepared import PreparedCohort

METHODS = "volume,mdsn,cnn-survival,remembers,thresholds-checked,draws,draws-and-is-checked,answers-once"


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory, odd_plugins_of_module):
    """Return a study's result, and its store."""
    out = prepared(tmp_path_factory.mktemp("learning"))
    return run_study(Request(profile=load_profile("smoke"), methods=METHODS, out=out), Silent()), Store(out)


@pytest.fixture(scope="module")
def runs(finished):
    """Return by method the first fit of the study, and its store."""
    result, store = finished
    return {e.name: store.read(e.fits[0][0]) for e in result.study.entries if e.fits}, store


def test_only_methods_that_declare_it_are_checked(runs):
    found, _ = runs
    checked = {name for name, run in found.items() if run.learning() is not None}
    assert checked == {"mdsn", "cnn-survival", "remembers", "thresholds-checked", "draws-and-is-checked"}
    assert "learning.json" in json.loads((found["mdsn"].folder / "DONE").read_text())["files"]


@pytest.mark.parametrize("name", ["mdsn", "cnn-survival"])
def test_the_figures_of_a_network_are_those_of_its_stored_model(runs, name):
    found, store = runs
    run = found[name]
    prepared = PreparedCohort(store.root, run.job.cohort)
    ids = run.job.train
    time, event = read_follow_up(prepared).of(ids)
    method = fitted_method(store, run.key, device="cpu")
    cohort = prepared.inputs(ids, run.job.needs_predict)
    risk, written = method.predict_risk(cohort), run.learning()
    assert (written["patients"], written["events"]) == (len(ids), event.sum())
    assert written["c_index"] == pytest.approx(concordance_index_censored(event, time, risk)[0], abs=1e-12)
    if name == "mdsn":
        assert written["loss"] == "cox"
        best = cox_best_slope(time, event, risk)
    else:
        assert written["loss"] == "discrete-time"
        curves = method.predict_survival(cohort, SURVIVAL_MONTHS)
        best = discrete_time_best_slope(time, event, curves, SURVIVAL_MONTHS)
    assert written["loss_best"] == pytest.approx(best.loss, rel=1e-6)
    assert written["loss_uninformed"] == pytest.approx(best.uninformed, rel=1e-12)
    assert written["slope"] == pytest.approx(best.slope, rel=1e-3)
    assert written["dice"] is None
    assert written["dice_constant"] is None


def test_a_method_that_knows_its_patients_by_heart_orders_them_without_a_mistake(runs):
    written = runs[0]["remembers"].learning()
    assert written["c_index"] == 1.0
    assert written["slope"] > 0
    assert written["loss_best"] < 0.1 * written["loss_uninformed"]


def test_a_method_that_only_segments_has_its_overlap_and_that_of_the_best_constant_mask(runs):
    found, store = runs
    run = found["thresholds-checked"]
    subjects = PreparedCohort(store.root, run.job.cohort).inputs(run.job.train, ["images", "mask"]).subjects
    masks = [np.asarray(s.volumes["mask"].voxels(), dtype=bool) for s in subjects]
    hot = [s.volumes["pet"].voxels() > 4.0 for s in subjects]
    written, count = run.learning(), np.sum(masks, axis=0)
    assert written["dice"] == pytest.approx(np.mean([dice(h, m) for h, m in zip(hot, masks, strict=True)]))
    constant = max(np.mean([dice(count >= k, m) for m in masks]) for k in range(1, len(masks) + 1))
    assert written["dice_constant"] == pytest.approx(constant)
    assert written["c_index"] is None
    assert written["loss"] is None


def test_the_check_changes_no_prediction_even_of_a_method_that_remembers_how_often_it_was_asked(runs):
    found, _ = runs
    plain, checked = (found[n].folder / "predictions.parquet" for n in ("draws", "draws-and-is-checked"))
    assert plain.read_bytes() == checked.read_bytes()


def test_a_check_that_fails_takes_no_good_fit_down_and_says_why_in_the_log(runs):
    run = runs[0]["answers-once"]
    assert run.status == "ok"
    assert run.learning() is None
    assert "this method predicts once" in (run.folder / "log.txt").read_text()


def test_the_board_counts_what_the_files_say(finished):
    result, store = finished
    counts = {row.method: row.learning for row in result.board.rows}
    assert counts["remembers"].fits == counts["mdsn"].fits == 2
    assert counts["remembers"].not_learned == 0
    assert counts["thresholds-checked"].fits == 2
    assert counts["volume"] is None
    assert counts["draws"] is None
    page = (result.study.folder(store.root) / "site" / "methods" / "remembers.html").read_text(encoding="utf-8")
    assert "Has it learned?" in page


def test_patients_held_out_to_choose_a_checkpoint_are_not_counted(odd_plugins, tmp_path):
    folder = write_cohort(tmp_path / "toy", 100)
    request = Request(
        profile=load_profile("smoke"), methods="remembers", cohort=str(folder), out=tmp_path / "out", selection="inner"
    )
    store = Store(request.out)
    run = store.read(run_study(request, Silent()).study.entries[0].fits[0][0])
    remembered = json.loads((run.folder / "model" / "state.json").read_text())
    assert 0.75 * len(run.job.train) < len(remembered) < 0.85 * len(run.job.train)
    assert run.learning()["patients"] == len(remembered)
    assert run.learning()["c_index"] == 1.0
