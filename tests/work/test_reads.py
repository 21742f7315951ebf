"""What the process of a job opens: each file of inputs once, and none that holds outcomes. Whose outcomes it gets."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import survbench.work.inputs
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.jobs.prepared_files import read_follow_up
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.work.fit import run_fit
from survbench.work.predict import run_predict
from survbench.work.prepared import PreparedCohort
from survbench.work.tune import run_tune

LISTENING: list[Counter[str]] = []


def _count(event, arguments):
    if event == "open" and LISTENING and isinstance(arguments[0], str | Path):
        LISTENING[-1][str(arguments[0])] += 1


sys.addaudithook(_count)  # for as long as the process lives; it does nothing unless somebody listens


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory, odd_plugins_of_module):
    """Return the store of a finished run of a network on radiomics, and of one on another's features; and the run."""
    out = prepared(tmp_path_factory.mktemp("reads"))
    methods = "radiomics-deepsurv,takes-embedded,tunable"
    profile = load_profile("smoke")
    result = run_study(Request(profile=profile, methods=methods, out=out, tuning="nested"), Silent())
    assert not result.failed
    return Store(out), {e.name: e for e in result.study.entries}


def opened(store, job):
    """Do a job again in this process; return how often it opened each file of the output folder."""
    follow_up = read_follow_up(PreparedCohort(store.root, job.cohort))
    known = [follow_up.only(job.outcomes_of)] if job.outcomes_of else []
    run = {"fit": run_fit, "tune": run_tune, "predict": run_predict}[job.kind]
    LISTENING.append(Counter())
    try:
        left = run(job, str(store.root), *known)
    finally:
        counts = LISTENING.pop()
    shutil.rmtree(left.folder)
    inside = {Path(path): n for path, n in counts.items() if Path(path).is_relative_to(store.root)}
    return {path.relative_to(store.root): n for path, n in inside.items()}


def jobs_of(finished, name):
    store, entries = finished
    keys = [entries[name].fits[0][0], entries[name].predicts[0][0]]
    fit = store.read(keys[0]).job
    return [store.read(key).job for key in [*keys, *([fit.tune] if fit.tune else [])]]


@pytest.mark.parametrize("name", ["radiomics-deepsurv", "takes-embedded", "tunable"])
def test_inputs_are_opened_once_and_no_file_with_outcomes_at_all(finished, name):
    jobs = jobs_of(finished, name)
    assert len(jobs) == (2 if name == "takes-embedded" else 3)
    for job in jobs:
        files = opened(finished[0], job)
        by_name = Counter(path.name for path in files)
        assert files[Path("cohorts") / job.cohort / "inputs.json"] == 1
        assert not {"outcomes.json", "truth.json", "predictions.parquet", "curves.parquet"} & by_name.keys()
        features = {path: n for path, n in files.items() if path.is_relative_to("cache/radiomics")}
        assert set(features.values()) <= {1}
        if name == "radiomics-deepsurv":
            predicted = job.outcomes_of if job.kind == "tune" else {*job.test}
            assert len(features) == len(predicted | job.outcomes_of)


def test_a_network_whose_features_are_taken_is_loaded_once(finished, monkeypatch):
    loaded = []

    def counted(store, key, *, device):
        loaded.append(key)
        return original(store, key, device=device)

    original = survbench.work.inputs.fitted_method
    monkeypatch.setattr(survbench.work.inputs, "fitted_method", counted)
    for job in jobs_of(finished, "takes-embedded"):
        loaded.clear()
        opened(finished[0], job)
        assert loaded == [job.upstream.key]


def test_a_job_gets_outcomes_of_the_patients_that_it_learns_from(finished):
    fit, predict, tune = jobs_of(finished, "tunable")
    assert fit.outcomes_of == set(fit.train)
    assert fit.model_copy(update={"selection": "inner"}).outcomes_of == set(fit.train)
    assert fit.model_copy(update={"selection": "paper"}).outcomes_of == {*fit.train, *fit.test}
    assert tune.outcomes_of == set(fit.train)
    assert not predict.outcomes_of
