"""Hyper-parameters are chosen on the training fold, the same after a kill as without one, and told as what they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
import yaml
from survbench import runner
from survbench.api import DeadlineError
from survbench.errors import BenchError
from survbench.fitted import read_tuned
from survbench.leaderboard.charts import svg
from survbench.leaderboard.tuning import Search, charts, importance
from survbench.profile import load_profile
from survbench.registry import registry
from survbench.space import Choice, Real, Whole, space_from_json, space_to_json, suggest
from survbench.store import Store
from survbench.tuning import tune

SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 100, log=True), "kind": Choice(("a", "b"))}


def bowl(params, report):
    """Best (0) at x = 1, n = 10, kind a; the declared params are far from it."""
    if not params:
        return -30.0
    value = -((params["x"] - 1) ** 2) - 0.01 * abs(params["n"] - 10) - (params["kind"] == "b")
    report(0, value)
    return value


def test_a_search_finds_better_params_than_the_declared_ones(tmp_path):
    tuned = tune(bowl, SPACE, trials=30, seed=1, journal=tmp_path / "j")
    assert len(tuned.trials) == 30
    assert tuned.trials[0].params == {}
    assert tuned.trials[0].value == -30.0
    assert tuned.best.value > -0.5
    assert tuned.best.params["kind"] == "a"
    assert any(t.state == "pruned" and t.value is None for t in tuned.trials)


def test_what_is_declared_stays_where_nothing_scores_better(tmp_path):
    tuned = tune(lambda params, _: 0.0 if params else 1.0, SPACE, trials=4, seed=1, journal=tmp_path / "j")
    assert tuned.to_json()["best_params"] == {}


@pytest.mark.parametrize("killed_at", [0, 3, 9])
def test_a_search_that_is_cut_off_ends_as_an_uninterrupted_one(tmp_path, killed_at):
    whole = tune(bowl, SPACE, trials=12, seed=7, journal=tmp_path / "whole")
    calls = 0

    def fragile(params, report):
        nonlocal calls
        calls += 1
        if calls == killed_at + 1:
            raise KeyboardInterrupt
        return bowl(params, report)

    with pytest.raises(KeyboardInterrupt):
        tune(fragile, SPACE, trials=12, seed=7, journal=tmp_path / "cut")
    with (tmp_path / "cut").open("ab") as stream:
        stream.write(b'{"op_code": 4, "worker')  # the kill has cut a record in two
    (tmp_path / "cut.lock").symlink_to("gone")
    resumed = tune(bowl, SPACE, trials=12, seed=7, journal=tmp_path / "cut")
    assert resumed == whole


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError(), torch.OutOfMemoryError()])
def test_a_fault_of_the_machine_ends_the_job_and_is_no_finding_about_params(tmp_path, fault):
    whole = tune(bowl, SPACE, trials=5, seed=0, journal=tmp_path / "whole")
    calls = 0

    def unlucky(params, report):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise fault
        return bowl(params, report)

    with pytest.raises(type(fault)):
        tune(unlucky, SPACE, trials=5, seed=0, journal=tmp_path / "j")
    assert tune(bowl, SPACE, trials=5, seed=0, journal=tmp_path / "j") == whole


def test_a_search_in_which_everything_failed_begins_again(tmp_path, caplog):
    def late(params, report):
        raise DeadlineError("the job's time is used up")

    failed = tune(late, SPACE, trials=3, seed=0, journal=tmp_path / "j")
    assert {t.error for t in failed.trials} == {"DeadlineError: the job's time is used up"}
    assert tune(bowl, SPACE, trials=3, seed=0, journal=tmp_path / "j").best.value is not None
    assert "begins again" in caplog.text


def test_params_that_end_the_process_every_time_are_given_up(tmp_path):
    """Each attempt is cut off as by a kill; the third counts as failed, and the search goes on."""

    def lethal(params, report):
        if params and params["kind"] == "b":
            raise KeyboardInterrupt
        return 0.0 if not params else 1.0

    tuned = None
    for _ in range(40):
        try:
            tuned = tune(lethal, SPACE, trials=6, seed=3, journal=tmp_path / "j")
            break
        except KeyboardInterrupt:
            continue
    assert tuned is not None
    assert len(tuned.trials) == 6
    given_up = [t for t in tuned.trials if t.error]
    assert given_up
    assert all("cut off 3 times" in t.error and t.params["kind"] == "b" for t in given_up)
    assert tuned.best.params["kind"] == "a"


def test_a_torn_line_in_the_middle_costs_what_follows_and_not_the_search(tmp_path, caplog):
    whole = tune(bowl, SPACE, trials=8, seed=7, journal=tmp_path / "whole")
    tune(bowl, SPACE, trials=6, seed=7, journal=tmp_path / "j")
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    (tmp_path / "j").write_bytes(b"".join([*lines[:middle], lines[middle][:10], *lines[middle:]]))
    assert tune(bowl, SPACE, trials=8, seed=7, journal=tmp_path / "j") == whole
    assert "torn line" in caplog.text


def test_params_that_fail_are_kept_with_their_reason_and_count(tmp_path):
    def sometimes(params, report):
        if params and params["kind"] == "b":
            raise ValueError("b does not work")
        return float("nan") if not params else 1.0

    tuned = tune(sometimes, SPACE, trials=8, seed=3, journal=tmp_path / "j")
    assert len(tuned.trials) == 8
    assert tuned.trials[0].error == "the score is not a number"
    assert "ValueError: b does not work" in {t.error for t in tuned.trials}
    assert tuned.best.params["kind"] == "a"

    def never(params, report):
        raise ValueError("nothing works")

    with pytest.raises(BenchError, match=r"None of 2 tuning trials could be scored: ValueError: nothing works"):
        _ = tune(never, SPACE, trials=2, seed=3, journal=tmp_path / "never").best


def test_spaces_survive_json():
    assert space_from_json(json.loads(json.dumps(space_to_json(SPACE)))) == SPACE


def test_every_method_of_table_two_has_a_space_whose_params_it_takes():
    members = [m for m in registry().methods.values() if "table-2" in m.tags]
    assert len(members) == 10
    for info in members:
        assert info.space, info.name
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(5):
            params = suggest(study.ask(), info.space)
            assert params.keys() == info.space.keys()
            assert not params.keys() & info.params.keys()


# --- under the harness


def request_for(out, mode, **more):
    profile = load_profile("smoke")
    profile = profile.model_copy(update={"tuning": profile.tuning.model_copy(update={"trials": 6})})
    return runner.Request(profile=profile, methods="tunable,well", out=out, tuning=mode, **more)


def entry_of(result, name="tunable"):
    return next(e for e in result.study.entries if e.name == name)


@pytest.fixture(scope="module")
def nested(odd_plugins_of_module, tmp_path_factory):
    """Return a finished run with nested tuning: (request, result)."""
    request = request_for(tmp_path_factory.mktemp("nested"), "nested")
    return request, runner.run(request, runner.Silent())


def test_a_fold_is_fitted_with_what_its_training_patients_chose(nested):
    request, result = nested
    store, entry = Store(request.out), entry_of(result)
    assert not result.failed
    assert len(entry.tunes[0]) == len(entry.fits[0]) == 2
    for tune_key, fit_key in zip(entry.tunes[0], entry.fits[0], strict=True):
        tuned, fit = read_tuned(store.folder(tune_key)), store.read(fit_key)
        assert len(tuned["trials"]) == 6
        assert fit.record["params"] == tuned["best_params"]
        # a weight only turns the ranking round, so one of the two directions is at least as good as chance
        assert tuned["best_value"] == max(t["value"] for t in tuned["trials"] if t["value"] is not None) >= 0.5
        ids = {
            i for split in store.read(tune_key).job["splits"] for part in ("train", "validation") for i in split[part]
        }
        assert ids == set(fit.job["train"])
        assert not ids & set(fit.job["test"])
        plain = store.read(entry_of(result, "well").fits[0][fit.job["fold"]]).predictions()
        weight = fit.record["params"].get("weight", -1.0)
        assert np.allclose(fit.predictions()["risk"], weight * plain["risk"])
    assert entry_of(result, "well").tunes == ()


def test_tuning_the_published_way_is_one_search_on_the_test_folds_and_called_optimistic(nested, tmp_path):
    planned = runner.dry_run(request_for(tmp_path, "paper"))
    (job,) = [j for j in planned.to_do if j["kind"] == "tune"]
    assert [split["validation"] for split in job["splits"]] == [sorted(f) for f in planned.study.protocol["folds"]]
    result = runner.run(request_for(tmp_path, "paper"), runner.Silent())
    assert any("optimistic" in warning for warning in result.board.warnings)
    assert not any("optimistic" in warning for warning in nested[1].board.warnings)
    folder = result.study.folder(tmp_path)
    assert "tuned on the test folds, as published, 6 trials" in (folder / "leaderboard.md").read_text()


def test_deep_features_are_tuned_on_networks_that_have_not_seen_the_inner_patients(tmp_path):
    request = replace(request_for(tmp_path, "nested"), methods="deepfeat-lasso-cox")
    planned = runner.dry_run(request)
    jobs = {j["key"]: j for j in planned.to_do}
    order = list(jobs)
    searches = [j for j in jobs.values() if j["kind"] == "tune" and j["method"] == "deepfeat-lasso-cox"]
    assert len(searches) == 2
    for search in searches:
        for split in search["splits"]:
            upstream = jobs[split["upstream"]["key"]]
            assert set(upstream["train"]) == set(split["train"])
            assert not set(upstream["train"]) & set(split["validation"])
            assert order.index(upstream["key"]) < order.index(search["key"])
    (entry,) = planned.study.entries
    assert entry.name == "deepfeat-lasso-cox"
    assert {jobs[key]["method"] for key in entry.tunes[0]} == {"deepfeat-lasso-cox", "deepmts"}, "all of them are shown"
    more = runner.dry_run(replace(request, methods="deepfeat-lasso-cox,deepfeat-rsf"))
    assert len(more.plan.jobs) == len({j["key"] for j in more.plan.jobs}), "every job is planned once"


def test_inner_folds_that_cannot_be_scored_are_refused_before_anything_is_fitted(tmp_path):
    request = request_for(tmp_path, "nested")
    many = request.profile.tuning.model_copy(update={"inner_folds": 9})
    request = replace(request, profile=request.profile.model_copy(update={"tuning": many}))
    with pytest.raises(BenchError, match=r"cannot be dealt into 9 inner folds. Use --tune none"):
        runner.dry_run(request)


def test_fresh_forgets_a_search_that_is_under_way(odd_plugins, tmp_path):
    request = request_for(tmp_path, "nested")
    (job,) = [j for j in runner.dry_run(request).to_do if j["kind"] == "tune" and j["fold"] == 0]
    journal = Store(tmp_path).scratch(job["key"]) / "journal.log"
    journal.write_text("what an earlier attempt has left\n")
    assert not runner.run(replace(request, fresh=True), runner.Silent()).failed
    assert not journal.exists()


def test_untuned_methods_are_not_fitted_again(nested):
    request, _ = nested
    plain = runner.dry_run(replace(request, tuning="none", methods="well"))
    assert not plain.to_do


def test_a_search_whose_process_is_killed_goes_on_without_losing_or_repeating_trials(nested, tmp_path):
    request, result = nested
    profile = tmp_path / "profile.yaml"
    profile.write_text(yaml.safe_dump(request.profile.model_dump(mode="json")))
    command = ["run", "--methods", request.methods, "--tune", "nested", "--profile", str(profile), "--workers", "1"]
    command = [sys.executable, "-m", "survbench.cli", *command, "--out", str(tmp_path / "out")]
    counted = {**os.environ, "ODD_FITS": str(tmp_path / "fits")}
    # two fits a trial: the third trial of the first search is cut off after its first fit
    lethal = {**counted, "ODD_LETHAL_FIT": "6"}
    first = subprocess.run(command, env=lethal, capture_output=True, text=True, timeout=300, check=False)
    assert first.returncode == 1, first.stdout + first.stderr
    assert "failed    tunable seed 0 fold 0 tuning: ProcessDied" in first.stdout
    second = subprocess.run(command, env=counted, capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode == 0, second.stdout + second.stderr
    keys = entry_of(result).tunes[0]
    uninterrupted, resumed = (
        [read_tuned(Store(out).folder(k)) for k in keys] for out in (request.out, tmp_path / "out")
    )
    assert resumed == uninterrupted
    # only the fits of the trial that was cut off, at most two, came twice; failed and pruned trials have one
    trials = [t for search in resumed for t in search["trials"]]
    fits = sum(1 if t["value"] is None else 2 for t in trials) + len(entry_of(result).fits[0])
    assert 1 <= (tmp_path / "fits").stat().st_size - fits <= 2


def test_the_report_is_a_page_of_the_site_with_its_numbers_beside_it(nested):
    request, result = nested
    site = result.study.folder(request.out) / "site"
    page = (site / "tuning.html").read_text()
    searches = {key: read_tuned(Store(request.out).folder(key)) for key in entry_of(result).tunes[0]}
    for key, search in searches.items():
        for trial in search["trials"]:
            for value in trial["params"].values():
                assert f"weight = {value:.4g}" in page
        (table,) = (site / "tuning").glob(f"*-{key[:8]}.csv")
        rows = pd.read_csv(table)
        known = [trial["value"] for trial in search["trials"]]
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
    runner.build_and_write(result.study, Store(request.out))
    assert (site / "tuning.html").read_text() == page


def search_of(trials):
    best = max((t for t in trials if t["value"] is not None), key=lambda t: t["value"])
    return Search(
        key="k", method="m", title="M", where="seed 0 fold 0", space=SPACE, trials=tuple(trials),
        best_params=best["params"], best_value=best["value"],
    )  # fmt: skip


def test_scores_are_drawn_by_the_scale_of_each_hyper_parameter():
    drawn_params = [
        {},
        {"x": -1.0, "n": 2, "kind": "a"},
        {"x": 1.0, "n": 50, "kind": "b"},
        {"x": 2.0, "n": 9, "kind": "a"},
    ]
    trials = [
        {"number": n, "state": "complete", "value": v, "params": p, "error": ""}
        for n, (v, p) in enumerate(zip((0.5, 0.6, None, 0.55), drawn_params, strict=True))
    ]
    search = search_of(trials)
    course, x, n, kind = charts(search).values()
    dots, best = course.lines
    assert (list(dots.x), list(best.y)) == ([0, 1, 3], [0.5, 0.6, 0.6])
    assert (x.x_log, n.x_log, kind.x_names) == (False, True, ("a", "b"))
    assert [list(c.lines[0].x) for c in (x, n, kind)] == [[-1.0, 2.0], [2.0, 9.0], [0.0, 0.0]]
    assert kind.lines[0].mark == (0.0, 0.6), "what was chosen is ringed"
    assert ">b</text>" in svg(kind)
    assert importance(search) == (), "two trials say nothing"


def test_what_decides_the_score_is_the_most_important():
    rng = np.random.default_rng(0)
    trials = [
        {"number": k, "state": "complete", "value": -abs(x), "params": {"x": x, "n": n, "kind": "a"}, "error": ""}
        for k, (x, n) in enumerate(zip(rng.uniform(-4, 4, 30).tolist(), rng.integers(1, 100, 30).tolist(), strict=True))
    ]
    shares = importance(search_of(trials))
    assert shares[0][0] == "x"
    assert sum(share for _, share, _ in shares) == pytest.approx(1)


def test_mlflow_shows_the_trials_below_their_run(nested):
    from mlflow import MlflowClient
    from survbench.tracking import default_uri, track

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
