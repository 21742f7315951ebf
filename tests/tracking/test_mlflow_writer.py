"""MLflow holds what the runs say, once, and its pages compare two methods."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from jobs import a_search
from survbench.actions.build import build_and_write
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.plan.profile import load_profile
from survbench.runs.record import RunRecord
from survbench.runs.store import Store
from survbench.tracking.mlflow_writer import LEDGER, TrackingError, default_uri, track


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    """Return (output folder, study) of two finished methods, projected once."""
    out = prepared(tmp_path_factory.mktemp("tracked"))
    request = Request(profile=load_profile("smoke"), methods="volume,clinical-cox,deepmts", out=out)
    study = run_study(request, Silent()).study
    report = track(study, Store(out), out)
    assert (report.new, report.unchanged) == (10, 0)
    return out, study


@pytest.fixture
def copied(finished, tmp_path):
    """Return (output folder, study) with the same runs and board, not projected yet, to change things in."""
    out, study = finished
    for name in ("runs", "studies"):
        shutil.copytree(out / name, tmp_path / name)
    return tmp_path, study


def client_of(out, study, uri=None):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri or default_uri(out))
    return client, client.get_experiment_by_name(study.name).experiment_id


@pytest.fixture
def client(finished):
    return client_of(*finished)


def runs(client, kind=""):
    api, experiment = client
    return api.search_runs([experiment], f"tags.`survbench.kind` = '{kind}'" if kind else "", max_results=100)


def by_method(client):
    found = {r.data.params["method"]: r for r in runs(client, "method")}
    assert found
    return found


def children(client, parent):
    return [r for r in runs(client) if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def artifact(run, name):
    return Path(run.info.artifact_uri.removeprefix("file://")) / name


def doubled(client):
    """Return what a run holds more than once for a step."""
    api, _ = client
    return [
        (run.info.run_name, name, step)
        for run in runs(client)
        for name in run.data.metrics
        for step, times in Counter(m.step for m in api.get_metric_history(run.info.run_id, name)).items()
        if times > 1
    ]


def change_board(out, study, change):
    path = study.folder(out) / "leaderboard.json"
    board = json.loads(path.read_text())
    change({row["method"]: row for row in board["rows"]})
    path.write_text(json.dumps(board))


def test_a_run_per_method_and_below_it_one_per_fold(client):
    parents = by_method(client)
    assert set(parents) == {"volume", "clinical-cox", "deepmts"}
    assert {r.data.params["fold"] for r in children(client, parents["deepmts"])} == {"0", "1"}


def test_metrics_are_the_boards(finished, client):
    out, study = finished
    rows = {r["method"]: r for r in json.loads((study.folder(out) / "leaderboard.json").read_text())["rows"]}
    for method, run in by_method(client).items():
        assert run.data.metrics["c_index"] == pytest.approx(rows[method]["c_index"])
        assert run.data.metrics["external_c_index"] == pytest.approx(rows[method]["external_c_index"])
        assert run.data.params["profile"] == "smoke"
        assert run.data.params["group"] == rows[method]["group"]
        assert run.data.params["training.short_budget.risk_set"] == "fold"


def test_whether_fits_have_learned_is_a_tag_of_each_and_a_share_of_their_method(finished, client):
    out, study = finished
    rows = {r["method"]: r for r in json.loads((study.folder(out) / "leaderboard.json").read_text())["rows"]}
    counts, parents = rows["deepmts"]["learning"], by_method(client)
    fits = children(client, parents["deepmts"])
    for key, verdict in (("learned", "learned"), ("over_fitted", "over-fitted"), ("not_learned", "not learned")):
        assert parents["deepmts"].data.metrics[f"share_{key}"] == counts[key] / 2
        assert sum(run.data.tags["survbench.verdict"] == verdict for run in fits) == counts[key]
    for run in fits:
        measured = Store(out).read(run.data.tags["survbench.run"]).learning()
        assert run.data.metrics["training_c_index"] == pytest.approx(measured["c_index"])
        assert run.data.metrics["training_dice_constant"] == pytest.approx(measured["dice_constant"])
    assert "share_learned" not in parents["volume"].data.metrics
    assert "survbench.verdict" not in children(client, parents["volume"])[0].data.tags


def test_curves_are_metrics_by_step_of_fold_and_method(client):
    api, _ = client
    deepmts = [r for r in runs(client) if r.data.params.get("method") == "deepmts"]
    for run in deepmts:
        steps = [m.step for m in api.get_metric_history(run.info.run_id, "train/L_seg")]
        assert sorted(steps) == list(range(1, 7))
        assert {m.step for m in api.get_metric_history(run.info.run_id, "test/C")} == {3, 6}
    parent = next(r for r in deepmts if "mlflow.parentRunId" not in r.data.tags)
    assert len(api.get_metric_history(parent.info.run_id, "fold_c_index")) == 2


def test_one_run_holds_the_board_and_nothing_that_could_be_compared(finished, client):
    out, study = finished
    (board,) = [r for r in runs(client) if "mlflow.parentRunId" not in r.data.tags and "method" not in r.data.params]
    assert (board.info.run_name, board.data.tags["survbench.kind"]) == ("leaderboard", "board")
    assert not board.data.metrics
    assert (board.data.params["cohort"], board.data.params["profile"]) == ("phantom", "smoke")
    assert board.info.start_time == min(r.info.start_time for r in runs(client))  # last in a list by time
    assert board.info.end_time >= max(r.info.end_time for r in runs(client))
    folder = study.folder(out)
    names = [f"leaderboard.{kind}" for kind in ("html", "md", "csv", "json")]
    for name in (*names, "tables/table-2.tex", "site/index.html", "site/methods/deepmts.html"):
        assert artifact(board, name).read_bytes() == (folder / name).read_bytes()


def test_fits_keep_their_files_and_methods_their_figures(client):
    api, _ = client
    for method, parent in by_method(client).items():
        assert {a.path for a in api.list_artifacts(parent.info.run_id)} == {"figures"}
        figures = {a.path for a in api.list_artifacts(parent.info.run_id, "figures")}
        assert "figures/risk-groups.svg" in figures
        assert any("convergence" in name for name in figures) == (method == "deepmts")
        for run in children(client, parent):
            names = {a.path for a in api.list_artifacts(run.info.run_id)}
            checked = {"learning.json"} if method == "deepmts" else set()
            assert names == {"run.json", "job.json", "predictions.parquet", "log.txt"} | checked


def test_the_use_of_the_machine_is_there(client):
    for run in runs(client, "fit"):
        assert run.data.metrics["system/peak_memory_megabytes"] > 10
        assert 0 < run.data.metrics["system/cpu_utilization_percentage"] < 10_000


def test_a_run_lasts_as_long_as_its_fit_and_a_method_from_its_first_fit_to_its_last(finished, client):
    out, _ = finished
    for parent in by_method(client).values():
        spans = []
        for run in children(client, parent):
            record = Store(out).folder(run.data.tags["survbench.run"]) / "run.json"
            written, seconds = record.stat().st_mtime, json.loads(record.read_text())["seconds"]
            assert run.info.end_time == pytest.approx(1000 * written, abs=1)
            assert run.info.end_time - run.info.start_time == pytest.approx(1000 * seconds, abs=1)
            (logged,) = client[0].get_metric_history(run.info.run_id, "seconds")
            assert logged.timestamp == run.info.end_time
            spans.append((run.info.start_time, run.info.end_time))
        first, last = min(start for start, _ in spans), max(end for _, end in spans)
        assert (parent.info.start_time, parent.info.end_time) == (first, last)


def test_again_adds_nothing_with_and_without_the_ledger(finished, client):
    out, study = finished
    before = len(runs(client))
    assert track(study, Store(out), out).new == 0
    (out / LEDGER).rename(out / "away.json")
    assert track(study, Store(out), out).new == 0
    assert len(runs(client)) == before


def test_a_half_written_run_is_made_anew(finished, client):
    """As if killed between creating a run and filling it."""
    out, study = finished
    api, _ = client
    before = len(runs(client))
    victim = by_method(client)["volume"]
    api.delete_tag(victim.info.run_id, "survbench.content")
    assert track(study, Store(out), out, trust_ledger=False).new == 1
    assert len(runs(client)) == before
    assert len(children(client, by_method(client)["volume"])) == 2
    assert track(study, Store(out), out, trust_ledger=False).new == 0


def test_a_declared_parameter_that_changes_replaces_the_run_of_its_method_alone(copied):
    out, study = copied
    track(study, Store(out), out)
    client = client_of(out, study)
    before = by_method(client)
    first, *others = study.entries
    changed = replace(study, entries=(replace(first, params={"weight": 1}), *others))
    assert track(changed, Store(out), out).new == 1
    again = replace(study, entries=(replace(first, params={"weight": 2}), *others))
    assert track(again, Store(out), out).new == 1
    after = by_method(client)
    assert after[first.name].data.params["params.weight"] == "2"
    assert {r.info.run_id for r in children(client, after[first.name])} == {
        r.info.run_id for r in runs(client, "fit") if r.data.params["method"] == first.name
    }
    assert len(runs(client)) == 10
    for entry in others:
        assert after[entry.name].info.run_id == before[entry.name].info.run_id
    assert track(again, Store(out), out, trust_ledger=False).new == 0


def test_nothing_is_doubled_and_reports_are_current_when_the_board_changes(copied):
    out, study = copied
    few = replace(study, entries=study.entries[:2])
    build_and_write(few, Store(out))
    track(few, Store(out), out)
    client = client_of(out, study)
    build_and_write(study, Store(out))
    change_board(out, study, lambda rows: rows["deepmts"].update(seconds=0.25))
    track(study, Store(out), out)
    change_board(out, study, lambda rows: rows["deepmts"].update(seconds=0.5))
    track(study, Store(out), out)
    assert not doubled(client)
    assert by_method(client)["deepmts"].data.metrics["seconds"] == 0.5
    (board,) = runs(client, "board")
    rows = {row["method"]: row for row in json.loads(artifact(board, "leaderboard.json").read_text())["rows"]}
    assert set(rows) == {"volume", "clinical-cox", "deepmts"}
    assert rows["deepmts"]["seconds"] == 0.5
    for parent in by_method(client).values():
        assert len(children(client, parent)) == 2


def test_what_an_earlier_version_wrote_is_replaced_once(copied, monkeypatch):
    out, study = copied
    track(study, Store(out), out)
    client = client_of(out, study)
    for run in runs(client):
        for name, value in run.data.metrics.items():
            client[0].log_metric(run.info.run_id, name, value)
    assert doubled(client)
    monkeypatch.setattr("survbench.tracking.records.PROJECTION", 1_000)
    assert track(study, Store(out), out).new == 10
    assert not doubled(client)
    assert len(runs(client)) == 10
    assert track(study, Store(out), out, trust_ledger=False).new == 0


def test_a_fit_that_failed_is_there_until_it_succeeds(copied):
    out, study = copied
    store = Store(out)
    key = next(e for e in study.entries if e.name == "deepmts").fits[0][1]
    good, kept = store.read(key), out / "kept"
    shutil.copytree(good.folder, kept)
    error = {"type": "Timeout", "message": "killed " * 1_000, "traceback": "Traceback of a secret place"}
    shutil.rmtree(good.folder)  # a failure replaces no result
    store.record_failure(good.job, RunRecord(status="timeout", error=error), "the last words\n")
    build_and_write(study, store)
    track(study, store, out)
    client = client_of(out, study)
    parent = by_method(client)["deepmts"]
    ended = {r.data.params["fold"]: r for r in children(client, parent)}
    assert {fold: r.info.status for fold, r in ended.items()} == {"0": "FINISHED", "1": "FAILED"}
    tags = ended["1"].data.tags
    assert (tags["survbench.status"], tags["survbench.error"]) == ("timeout", "Timeout")
    assert tags["survbench.message"] == error["message"][:500]
    assert not any("secret place" in text for text in tags.values())
    assert artifact(ended["1"], "log.txt").read_text() == "the last words\n"
    assert parent.info.status == "FAILED"
    # the fold that went well keeps its number, and is not taken for the mean of all
    assert [m.step for m in client[0].get_metric_history(parent.info.run_id, "fold_c_index")] == [0]
    assert "train/L_seg" not in parent.data.metrics
    assert by_method(client)["volume"].info.status == "FINISHED"

    shutil.rmtree(good.folder)
    kept.rename(good.folder)
    build_and_write(study, store)
    track(study, store, out)
    assert len(runs(client)) == 10
    assert {r.info.status for r in runs(client)} == {"FINISHED"}
    assert "survbench.error" not in {tag for r in runs(client) for tag in r.data.tags}
    assert {r.data.params["fold"] for r in children(client, by_method(client)["deepmts"])} == {"0", "1"}


def test_an_external_prediction_that_failed_is_there(copied):
    out, study = copied
    store = Store(out)
    key = study.entries[0].predicts[0][0]
    record = RunRecord(status="failed", error={"type": "OSError", "message": "no"})
    job = store.read(key).job
    shutil.rmtree(store.folder(key))
    store.record_failure(job, record, "")
    track(study, store, out)
    client = client_of(out, study)
    (failed,) = runs(client, "predict")
    assert failed.info.status == by_method(client)[study.entries[0].name].info.status == "FAILED"
    assert failed.info.run_name == f"{study.entries[0].name} seed 0 fold 0 external"


def test_a_search_that_methods_share_is_there_once_below_the_method_it_is_for(copied):
    out, study = copied
    store, key = Store(out), "5ea2c4" * 5
    job = a_search(key, method="deepmts", fold=1)
    store.record_failure(job, RunRecord(status="failed", error={"type": "BenchError", "message": "no"}), "")
    tuned = replace(study, entries=tuple(replace(e, tunes=((key,),)) for e in study.entries))
    without = replace(tuned, entries=tuple(e for e in tuned.entries if e.name != "deepmts"))
    for shown, below in ((without, without.entries[0].name), (tuned, "deepmts")):
        track(shown, store, out)
        client = client_of(out, study)
        (search,) = runs(client, "tune")
        assert search.info.run_name == "deepmts seed 0 fold 1 tuning"
        assert search.data.tags["mlflow.parentRunId"] == by_method(client)[below].info.run_id
        assert {r.info.status for r in by_method(client).values()} == {"FAILED"}
        assert track(shown, store, out, trust_ledger=False).new == 0


def test_whatever_a_method_calls_its_losses_the_study_is_projected(copied):
    out, study = copied
    store, key = Store(out), next(e for e in study.entries if e.name == "deepmts").fits[0][0]
    part = shutil.copytree(store.folder(key), out / "part")
    (part / "DONE").unlink()
    curves = pd.read_parquet(part / "curves.parquet")
    curves.loc[curves["metric"] == "L_seg", "metric"] = "loss[α=1]/"
    with store.sealing(part, key):
        curves.to_parquet(part / "curves.parquet")
    track(study, Store(out), out)
    (fit,) = [r for r in runs(client_of(out, study), "fit") if "train/loss_α_1_" in r.data.metrics]
    assert fit.data.params["fold"] == "0"


def test_what_left_the_study_leaves_its_own_database_but_not_a_server_that_others_may_share(copied, monkeypatch):
    out, study = copied
    monkeypatch.chdir(out)
    server = f"sqlite:///{out / 'server.db'}"
    store = Store(out)
    for uri in (None, server):
        track(study, store, out, tracking_uri=uri)
    first, second, third = study.entries
    fewer = replace(study, entries=(replace(first, fits=(first.fits[0][:1],)), second))
    for uri in (None, server):
        track(fewer, store, out, tracking_uri=uri)
    own, shared = client_of(out, study), client_of(out, study, server)
    assert set(by_method(own)) == {first.name, second.name}
    assert set(by_method(shared)) == {first.name, second.name, third.name}
    for client in (own, shared):
        assert len(children(client, by_method(client)[first.name])) == 1
        assert {r.data.params["method"] for r in runs(client, "fit")} == set(by_method(client))


def test_a_study_that_was_stopped_before_its_board_is_projected_without(copied):
    out, study = copied
    (study.folder(out) / "leaderboard.json").unlink()
    assert track(study, Store(out), out).new == 9
    client = client_of(out, study)
    assert not runs(client, "board")
    assert "c_index" not in by_method(client)["volume"].data.metrics


def test_a_server_that_is_not_there_is_a_tracking_error(finished, monkeypatch):
    out, study = finished
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError):
        track(study, Store(out), out, tracking_uri="http://127.0.0.1:9")


def test_a_lost_database_is_made_again(finished, tmp_path):
    out, study = finished
    shutil.copytree(study.folder(out), study.folder(tmp_path))
    report = track(study, Store(out), tmp_path, tracking_uri=None)
    assert report.new == 10


def test_a_folder_that_was_copied_with_its_database_keeps_its_artifacts_to_itself(finished, client, tmp_path):
    out, study = finished
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    before = sorted((out / "mlflow-artifacts").rglob("*"))
    assert track(study, Store(copy), copy).new == 10
    assert track(study, Store(copy), copy, trust_ledger=False).new == 0
    (board,) = runs(client_of(copy, study), "board")
    assert artifact(board, "leaderboard.html").is_file()
    assert artifact(board, "leaderboard.html").is_relative_to(copy)
    assert sorted((out / "mlflow-artifacts").rglob("*")) == before
    assert len(runs(client)) == 10


def test_a_study_of_skipped_methods_alone_is_projected(tmp_path):
    rows = "id,months,event,f1\n" + "".join(f"P{n},{n * 5 % 17 + 1},{n % 2},{n * 7 % 5}\n" for n in range(16))
    (tmp_path / "t.csv").write_text(rows)
    (tmp_path / "cohort.yaml").write_text(
        "name: toy\ntitle: Toy\ntable: t.csv\nid: id\nlicence: none\ncitation: none\n"
        "endpoint: {name: OS, time: months, event: event, unit: months}\nfeatures: {columns: [f1]}\n"
    )
    out = tmp_path / "out"
    request = Request(profile=load_profile("smoke"), cohort=str(tmp_path), methods="deepmts", out=out)
    study = run_study(request, Silent()).study
    assert track(study, Store(out), out).new == 1, "the board alone"


def test_a_stop_while_a_run_is_written_leaves_none_that_seems_to_go_on(copied, monkeypatch):
    from mlflow import MlflowClient

    def stopped(*_):
        raise KeyboardInterrupt

    out, study = copied
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "log_artifacts", stopped)
        track(study, Store(out), out)
    assert [r.info.status for r in runs(client_of(out, study))] == ["KILLED"]
    track(study, Store(out), out)
    assert {r.info.status for r in runs(client_of(out, study))} == {"FINISHED"}


@pytest.mark.parametrize("name", ["results?1", "50%41"])
def test_a_folder_that_mlflow_would_take_for_another_is_refused(finished, tmp_path, name):
    out, study = finished
    with pytest.raises(TrackingError, match=r"takes '\?' and '%' before two digits for something else.*Rename"):
        track(study, Store(out), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_database_lies_in_a_folder_of_an_odd_name(finished, tmp_path):
    out, study = finished
    copy = tmp_path / "50 % # ß @ : ;"
    for part in ("runs", "studies"):
        shutil.copytree(out / part, copy / part)
    assert track(study, Store(copy), copy).new == 10
    assert (copy / "mlflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]
