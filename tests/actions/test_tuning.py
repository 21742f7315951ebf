"""Hyper-parameters are chosen on the training fold, the same after a kill as without one, and told as what they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from survbench.actions import execution
from survbench.actions.build import build_and_write
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.errors import BenchError
from survbench.plan.profile import load_profile
from survbench.runs.completion import complete
from survbench.runs.store import Store
from survbench.space import Choice, Real, Whole
from survbench.work.trials import Trials
from survbench.work.tuned import Trial, read_tuned

SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 100, log=True), "kind": Choice(("a", "b"))}


# --- under the harness


def request_for(out, mode, *, batch=1, **more):
    profile = load_profile("smoke")
    budget = profile.tuning.model_copy(update={"trials": 6, "batch": batch})
    profile = profile.model_copy(update={"tuning": budget})
    return Request(profile=profile, methods="tunable,well", out=out, tuning=mode, **more)


def entry_of(result, name="tunable"):
    return next(e for e in result.study.entries if e.name == name)


@pytest.fixture(scope="module")
def nested(odd_plugins_of_module, prepared, tmp_path_factory):
    """Return a finished run with nested tuning: (request, result)."""
    request = request_for(prepared(tmp_path_factory.mktemp("nested")), "nested")
    return request, run_study(request, Silent())


def test_a_fold_is_fitted_with_what_its_training_patients_chose(nested):
    request, result = nested
    store, entry = Store(request.out), entry_of(result)
    assert not result.failed
    assert len(entry.tunes[0]) == len(entry.fits[0]) == 2
    for tune_key, fit_key in zip(entry.tunes[0], entry.fits[0], strict=True):
        tuned, fit = read_tuned(store.folder(tune_key)), store.read(fit_key)
        assert len(tuned.trials) == 6
        assert fit.record.params == tuned.best.params
        # a weight only turns the ranking round, so one of the two directions is at least as good as chance
        assert tuned.best.value == max(t.value for t in tuned.trials if t.value is not None) >= 0.5
        ids = {i for split in store.read(tune_key).job.splits for i in (*split.train, *split.validation)}
        assert ids == set(fit.job.train)
        assert not ids & set(fit.job.test)
        plain = store.read(entry_of(result, "well").fits[0][fit.job.fold]).predictions()
        weight = fit.record.params.get("weight", -1.0)
        assert np.allclose(fit.predictions()["risk"], weight * plain["risk"])
    assert entry_of(result, "well").tunes == ()


def test_tuning_the_published_way_is_one_search_on_the_test_folds_and_called_optimistic(nested, prepared, tmp_path):
    planned = dry_run(request_for(prepared(tmp_path), "paper"))
    (job,) = [j for j in planned.to_do if j.kind == "tune"]
    assert [split.validation for split in job.splits] == [tuple(sorted(f)) for f in planned.study.protocol.folds]
    result = run_study(request_for(tmp_path, "paper"), Silent())
    assert any("optimistic" in note for note in result.board.notes)
    assert not any("optimistic" in note for note in nested[1].board.notes)
    folder = result.study.folder(tmp_path)
    assert "tuned on the test folds, as published, 6 trials" in (folder / "leaderboard.md").read_text()


def test_deep_features_are_tuned_on_networks_that_have_not_seen_the_inner_patients(tmp_path):
    request = replace(request_for(tmp_path, "nested"), methods="deepfeat-lasso-cox")
    planned = dry_run(request)
    jobs = {j.key: j for j in planned.to_do}
    order = list(jobs)
    searches = [j for j in jobs.values() if j.kind == "tune" and j.method == "deepfeat-lasso-cox"]
    assert len(searches) == 2
    for search in searches:
        for split in search.splits:
            upstream = jobs[split.upstream.key]
            assert set(upstream.train) == set(split.train)
            assert not set(upstream.train) & set(split.validation)
            assert order.index(upstream.key) < order.index(search.key)
    (entry,) = planned.study.entries
    assert entry.name == "deepfeat-lasso-cox"
    assert {jobs[key].method for key in entry.tunes[0]} == {"deepfeat-lasso-cox", "deepmts"}, "all of them are shown"
    more = dry_run(replace(request, methods="deepfeat-lasso-cox,deepfeat-rsf"))
    assert len(more.plan.jobs) == len({j.key for j in more.plan.jobs}), "every job is planned once"


def test_inner_folds_that_cannot_be_scored_are_refused_before_anything_is_fitted(tmp_path):
    request = request_for(tmp_path, "nested")
    many = request.profile.tuning.model_copy(update={"inner_folds": 9})
    request = replace(request, profile=request.profile.model_copy(update={"tuning": many}))
    with pytest.raises(BenchError, match=r"cannot be divided into 9 inner folds.* Use --tune none"):
        dry_run(request)


def test_fresh_forgets_a_search_that_is_under_way(odd_plugins, prepared, tmp_path):
    request = request_for(prepared(tmp_path), "nested")
    (job,) = [j for j in dry_run(request).to_do if j.kind == "tune" and j.fold == 0]
    earlier = Trial(number=0, params={}, state="complete", value=1.0, steps={})
    Trials(tmp_path, job.key).write(earlier)
    result = run_study(replace(request, fresh=True), Silent())
    assert not result.failed
    assert read_tuned(Store(tmp_path).folder(job.key)).trials[0] != earlier


def test_kills_of_the_whole_run_do_not_count_against_params(odd_plugins, nested, prepared, tmp_path):
    request = replace(request_for(prepared(tmp_path), "nested"), methods="tunable")
    (job,) = [j for j in dry_run(request).to_do if j.kind == "tune" and j.fold == 0]
    for _ in range(5):
        Trials(tmp_path, job.key).begin(0)  # as a run leaves it that is killed in the middle of this trial
    run_study(request, Silent())
    assert read_tuned(Store(tmp_path).folder(job.key)) == read_tuned(Store(nested[0].out).folder(job.key))


def test_untuned_methods_are_not_fitted_again(nested):
    request, _ = nested
    plain = dry_run(replace(request, tuning="none", methods="well"))
    assert not plain.to_do


class Recording(Silent):
    """Keeps whom it was told of: (what happened, key of the job)."""

    def __init__(self):
        self.told = []

    def started(self, job):
        self.told.append(("started", job.key))

    def ended(self, job, ended):
        self.told.append(("ended", job.key))


def run_without_a_board(request, watcher, cache):
    """Run a request on patients that another run has prepared."""
    shutil.copytree(cache, request.out / "cache", dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("survbench.actions.run.build_and_write", lambda *_, **__: None)
        return run_study(request, watcher)


@pytest.fixture(scope="module")
def in_batches(nested, tmp_path_factory):
    """Return runs in batches of three with 1 and 2 workers: (request, result, trial files, watcher)."""
    runs = []
    for workers in (1, 2):
        out = tmp_path_factory.mktemp(f"workers-{workers}")
        request = replace(request_for(out, "nested", batch=3, workers=workers), methods="tunable")
        watcher, files = Recording(), {}

        def completed(store, job, *rest, out=out, files=files):
            if job.kind == "tune":
                kept = out / "scratch" / job.key / "trials"
                files.update({(job.key, path.name): path.read_bytes() for path in kept.iterdir()})
            return complete(store, job, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(execution, "complete", completed)
            result = run_without_a_board(request, watcher, nested[0].out / "cache")
            runs.append((request, result, files, watcher))
    return runs


def test_the_number_of_workers_changes_no_trial_no_choice_and_no_prediction(in_batches):
    (one, of_one, files_of_one, _), (two, of_two, files_of_two, _) = in_batches
    assert not of_one.failed + of_two.failed
    keys = entry_of(of_one).tunes[0]
    assert entry_of(of_two).keys == entry_of(of_one).keys
    assert files_of_one == files_of_two
    assert sorted(files_of_one) == sorted((key, f"trial-{number}.json") for key in keys for number in range(6))
    for key in keys:
        chosen = [Store(out).folder(key) / "tuned.json" for out in (one.out, two.out)]
        assert chosen[0].read_bytes() == chosen[1].read_bytes()
        fitted = [[line for line in printed(out, key) if "a fit with weight" in line] for out in (one.out, two.out)]
        assert fitted[0] == fitted[1]
        assert len({*fitted[0]}) == 6, "what a trial prints is in the log of its search"
    for key in entry_of(of_one).fits[0]:
        predicted = [Store(out).read(key).predictions() for out in (one.out, two.out)]
        pd.testing.assert_frame_equal(*predicted, check_exact=True)


def printed(out, key):
    return (Store(out).folder(key) / "log.txt").read_text().splitlines()


def test_trials_are_no_jobs(in_batches):
    for request, result, _, watcher in in_batches:
        jobs = {key for entry in result.study.entries for key in entry.keys}
        assert sorted(watcher.told) == sorted((what, key) for key in jobs for what in ("started", "ended"))
        assert {path.name for path in (request.out / "runs").iterdir()} == jobs
        assert not list((request.out / "scratch").iterdir())


def test_a_batch_is_in_the_key_of_a_search_and_a_batch_of_one_is_not(in_batches, nested):
    searches = [
        Store(request.out).read(entry_of(result).tunes[0][0]).job for request, result, *_ in (*in_batches, nested)
    ]
    assert [job.batch for job in searches] == [3, 3, 1]
    assert searches[0].key == searches[1].key != searches[2].key
    assert "batch" not in searches[2].spec


def test_a_run_that_is_stopped_in_a_batch_goes_on_where_it_was(in_batches, tmp_path):
    whole, uninterrupted, _, _ = in_batches[1]
    request = replace(whole, out=tmp_path)

    class Stops(Silent):
        def poll(self):
            if len(list(tmp_path.glob("scratch/*/trials/trial-*.json"))) >= 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_without_a_board(request, Stops(), whole.out / "cache")
    left = {path: path.read_bytes() for path in tmp_path.glob("scratch/*/trials/trial-*.json")}
    assert len(left) >= 4
    keys = entry_of(uninterrupted).tunes[0]
    assert not all(Store(tmp_path).is_done(key) for key in keys)
    resumed = run_without_a_board(request, Silent(), whole.out / "cache")
    assert not resumed.failed
    assert entry_of(resumed).tunes[0] == keys
    for key in keys:
        assert read_tuned(Store(tmp_path).folder(key)) == read_tuned(Store(whole.out).folder(key))


def bench_run(request, folder, **environment):
    """Run a request by the command line, with one worker; return what it printed."""
    profile = folder / "profile.yaml"
    profile.write_text(yaml.safe_dump(request.profile.model_dump(mode="json")))
    command = ["run", "--methods", request.methods, "--tune", "nested", "--profile", str(profile), "--workers", "1"]
    command = [sys.executable, "-m", "survbench.cli", *command, "--out", str(folder / "out")]
    environment = {**os.environ, **environment}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_a_trial_whose_process_dies_again_and_again_has_failed_and_the_search_goes_on(in_batches, tmp_path):
    request, result, _, _ = in_batches[0]
    printed = bench_run(request, tmp_path, ODD_LETHAL_WEIGHT="0.5")
    assert "again     tunable seed 0 fold 0 tuning: ProcessDied" in printed
    for key in entry_of(result).tunes[0]:
        search, tuned = Store(tmp_path / "out").read(key), read_tuned(Store(tmp_path / "out").folder(key))
        lethal = [t for t in tuned.trials if t.params.get("weight", 0.0) > 0.5]
        assert len(tuned.trials) == 6
        assert {t.error for t in lethal} == {"cut off 3 times: its process died each time"}
        assert [t for t in tuned.trials if t.error] == lethal
        assert len(search.record.retried) == 3 * len(lethal)


def test_a_search_whose_process_is_killed_goes_on_without_losing_or_repeating_trials(nested, tmp_path):
    request, result = nested
    # two fits a trial: the third trial of the first search is cut off after its first fit
    printed = bench_run(request, tmp_path, ODD_FITS=str(tmp_path / "fits"), ODD_LETHAL_FIT="6")
    assert "again     tunable seed 0 fold 0 tuning: ProcessDied" in printed
    keys = entry_of(result).tunes[0]
    retried = [len(Store(tmp_path / "out").read(key).record.retried) for key in keys]
    assert retried == [1, 0]
    uninterrupted, resumed = (
        [read_tuned(Store(out).folder(k)) for k in keys] for out in (request.out, tmp_path / "out")
    )
    assert resumed == uninterrupted
    # only the fits of the trial that was cut off, at most two, came twice; failed and pruned trials have one
    trials = [t for search in resumed for t in search.trials]
    fits = sum(1 if t.value is None else 2 for t in trials) + len(entry_of(result).fits[0])
    assert 1 <= (tmp_path / "fits").stat().st_size - fits <= 2


def test_the_report_is_a_page_of_the_site_with_its_numbers_beside_it(nested):
    request, result = nested
    site = result.study.folder(request.out) / "site"
    page = (site / "tuning.html").read_text()
    searches = {key: read_tuned(Store(request.out).folder(key)) for key in entry_of(result).tunes[0]}
    for key, search in searches.items():
        for trial in search.trials:
            for value in trial.params.values():
                assert f"weight = {value:.4g}" in page
        (table,) = (site / "tuning").glob(f"*-{key[:8]}.csv")
        rows = pd.read_csv(table)
        known = [trial.value for trial in search.trials]
        np.testing.assert_allclose(rows["c_index"], np.array(known, dtype=float), atol=1e-6)
        assert np.isnan(rows["weight"][0]), "trial 0 is as declared"
        assert (site / "tuning" / f"{table.stem}-course.svg").is_file()
    assert page.count('aria-label="Score of each trial, and the best so far"') == 2
    assert page.count('aria-label="Score of each trial by weight"') == 2
    links = re.findall(r'(?:href|src)="(?!data:)([^"]+)"', page)
    assert "index.html" in links
    assert all((site / link).is_file() for link in links if not link.startswith("#"))
    assert '<a href="tuning.html">Tuning</a>' in (site / "index.html").read_text()
    assert not (site.parent / "tuning.html").exists()
    build_and_write(result.study, Store(request.out))
    assert (site / "tuning.html").read_text() == page


def test_mlflow_shows_the_trials_below_their_run(nested):
    from mlflow import MlflowClient
    from survbench.tracking.mlflow_writer import default_uri, track

    request, result = nested
    store = Store(request.out)
    track(result.study, store, request.out)
    client = MlflowClient(tracking_uri=default_uri(request.out))
    experiment = client.get_experiment_by_name(result.study.name)
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    children = {}
    for run in runs:
        children.setdefault(run.data.tags.get("mlflow.parentRunId"), []).append(run)
    (method,) = [r for r in children[None] if r.data.params.get("method") == "tunable"]
    searches = [r for r in children[method.info.run_id] if "tuning" in r.info.run_name]
    assert len(searches) == 2
    for search in searches:
        trials = children[search.info.run_id]
        assert sorted(int(t.data.params["trial"]) for t in trials) == list(range(6))
        assert search.data.metrics["best_score"] == max(t.data.metrics.get("score", 0) for t in trials)
    assert track(result.study, store, request.out, trust_ledger=False).new == 0
