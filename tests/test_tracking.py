"""MLflow holds what the runs say, once, and its pages compare two methods."""

from __future__ import annotations

import json
import shutil

import pytest
from survbench import runner
from survbench.profile import load_profile
from survbench.store import Store
from survbench.tracking import LEDGER, TrackingError, default_uri, track


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return (output folder, study) of two finished methods, projected once."""
    out = tmp_path_factory.mktemp("tracked")
    request = runner.Request(profile=load_profile("smoke"), methods="volume,clinical-cox,deepmts", out=out)
    study = runner.run(request, runner.Silent()).study
    report = track(study, Store(out), out)
    assert (report.new, report.known) == (9, 0)
    return out, study


@pytest.fixture
def client(finished):
    from mlflow import MlflowClient

    out, study = finished
    client = MlflowClient(tracking_uri=default_uri(out))
    experiment = client.get_experiment_by_name(study.name)
    return client, experiment.experiment_id


def runs(client, kind="attributes.status = 'FINISHED'"):
    api, experiment = client
    return api.search_runs([experiment], kind, max_results=100)


def test_a_run_per_method_and_below_it_one_per_fold(client):
    found = runs(client)
    parents = {r.data.params["method"]: r for r in found if "mlflow.parentRunId" not in r.data.tags}
    assert set(parents) == {"volume", "clinical-cox", "deepmts"}
    children = [r for r in found if r.data.tags.get("mlflow.parentRunId") == parents["deepmts"].info.run_id]
    assert {r.data.params["fold"] for r in children} == {"0", "1"}


def test_metrics_are_the_boards(finished, client):
    out, study = finished
    rows = {r["method"]: r for r in json.loads((study.folder(out) / "leaderboard.json").read_text())["rows"]}
    for run in runs(client):
        if "mlflow.parentRunId" not in run.data.tags:
            row = rows[run.data.params["method"]]
            assert run.data.metrics["c_index"] == pytest.approx(row["c_index"])
            assert run.data.metrics["external_c_index"] == pytest.approx(row["external_c_index"])
            assert run.data.params["profile"] == "smoke"


def test_curves_are_metrics_by_step_of_fold_and_method(client):
    api, _ = client
    deepmts = [r for r in runs(client) if r.data.params["method"] == "deepmts"]
    for run in deepmts:
        steps = [m.step for m in api.get_metric_history(run.info.run_id, "train/L_seg")]
        assert sorted(steps) == list(range(1, 7))
        assert {m.step for m in api.get_metric_history(run.info.run_id, "test/C")} == {3, 6}
    parent = next(r for r in deepmts if "mlflow.parentRunId" not in r.data.tags)
    assert len(api.get_metric_history(parent.info.run_id, "fold_c_index")) == 2


def test_artifacts_are_there(client):
    api, _ = client
    for run in runs(client):
        names = {a.path for a in api.list_artifacts(run.info.run_id)}
        assert names >= (
            {"run.json", "predictions.parquet"} if "mlflow.parentRunId" in run.data.tags else {"leaderboard.html"}
        )


def test_figures_and_the_use_of_the_machine_are_there(client):
    api, _ = client
    for run in runs(client):
        if "mlflow.parentRunId" not in run.data.tags:
            figures = {a.path for a in api.list_artifacts(run.info.run_id, "figures")}
            assert "figures/risk-groups.svg" in figures
            assert any("convergence" in name for name in figures) == (run.data.params["method"] == "deepmts")
        else:
            assert run.data.metrics["system/peak_memory_megabytes"] > 10
            assert 0 < run.data.metrics["system/cpu_utilization_percentage"] < 10_000


def test_again_adds_nothing_with_and_without_the_ledger(finished, client):
    out, study = finished
    before = len(runs(client))
    assert track(study, Store(out), out).new == 0
    (out / LEDGER).rename(out / "away.json")
    assert track(study, Store(out), out).new == 0
    assert len(runs(client)) == before


def test_a_half_written_run_is_completed(finished, client):
    """As if killed between creating a run and filling it: the run is found by its key and filled."""
    out, study = finished
    api, _ = client
    victim = next(
        r for r in runs(client) if r.data.params["method"] == "volume" and "mlflow.parentRunId" in r.data.tags
    )
    api.delete_tag(victim.info.run_id, "survbench.content")
    report = track(study, Store(out), out, trust_ledger=False)
    assert report.new == 1
    assert api.get_run(victim.info.run_id).data.tags["survbench.content"]


def test_a_server_that_is_not_there_is_a_tracking_error(finished, monkeypatch):
    out, study = finished
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError):
        track(study, Store(out), out, tracking_uri="http://127.0.0.1:9")


def test_a_lost_database_is_made_again(finished, tmp_path):
    out, study = finished
    shutil.copytree(study.folder(out), study.folder(tmp_path))
    report = track(study, Store(out), tmp_path, tracking_uri=None)
    assert report.new == 9
