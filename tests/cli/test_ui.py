"""``bench ui``: MLflow is brought up to date, then served."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from survbench.runs.store import Store
from survbench.tracking import mlflow_writer
from toy_study import method, study


@pytest.fixture
def out(tmp_path):
    store = Store(tmp_path / "out")
    study([method(store, "good", np.linspace(1, 0, 30))], external=False).write(store.root)
    return store.root


@pytest.fixture
def done(monkeypatch):
    """Return what was done, in its order, with MLflow's part left out."""
    steps = []

    def track(study, store, out, *, tracking_uri, trust_ledger, pseudonyms):
        steps.append(("track", study.name, tracking_uri))
        return mlflow_writer.TrackReport(tracking_uri or "sqlite", 2, 1)

    def serve(command, **_):
        steps.append(("serve", command[-3:]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(mlflow_writer, "track", track)
    monkeypatch.setattr(subprocess, "run", serve)
    return steps


def test_studies_are_tracked_and_then_served(bench, out, done):
    ended = bench("ui", "--out", out, "--port", "5001")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "toy-smoke-00000000: 2 new and 1 unchanged runs in sqlite",
        "MLflow on http://127.0.0.1:5001 (stop with Ctrl-C)",
    ]
    assert done == [("track", "toy-smoke-00000000", None), ("serve", ["5001", "--workers", "1"])]


def test_only_track_serves_nothing(bench, out, done):
    ended = bench("ui", "--only-track", "--tracking-uri", "http://server:5000", "--out", out)
    assert (ended.returncode, ended.stdout) == (
        0,
        "toy-smoke-00000000: 2 new and 1 unchanged runs in http://server:5000\n",
    )
    assert done == [("track", "toy-smoke-00000000", "http://server:5000")]


def test_an_mlflow_that_cannot_be_written_ends_with_2(bench, out, done, monkeypatch):
    def track(*_, **__):
        raise mlflow_writer.TrackingError("OperationalError: disk I/O error.")

    monkeypatch.setattr(mlflow_writer, "track", track)
    ended = bench("ui", "--out", out)
    assert (ended.returncode, ended.stdout, done) == (2, "", [])
    assert ended.stderr.startswith("Error: MLflow could not be updated: OperationalError: disk I/O error. Then run")


def test_without_a_study_there_is_nothing_to_open(bench, tmp_path, done):
    ended = bench("ui", "--out", tmp_path / "none")
    assert (ended.returncode, ended.stdout, done) == (2, "", [])
    assert ended.stderr.startswith(f"Error: There is no study under {tmp_path / 'none'}. Start one with 'bench run'")


@pytest.mark.faults  # row 30
def test_other_hosts_need_a_word(bench, out, done):
    ended = bench("ui", "--host", "0.0.0.0", "--out", out)  # noqa: S104
    assert (ended.returncode, done) == (2, [])
    assert "--expose-without-login" in ended.stderr
