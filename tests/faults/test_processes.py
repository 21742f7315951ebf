"""Rows 6, 23 to 25 and 29 of the fault table: what a method does to its process costs itself alone."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.jobs import this_machine
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.statistics.metrics import cox_loss

pytestmark = pytest.mark.faults

HARMLESS = "volume,clinical-cox"
ODD = "grows,hangs,chatty,leaves,sets-flags,forks,has-children,abandons-children"
TIMEOUT_S, GRACE_S, NOTICED_S = 20.0, 2.0, 10.0


class Clock(Silent):
    """Notes when jobs start and how long after their start they end."""

    def __init__(self):
        self.started_at, self.took = {}, {}

    def started(self, job):
        self.started_at[job.key] = time.monotonic()

    def ended(self, job, ended):
        if job.key in self.started_at:
            self.took.setdefault(job.method, []).append(time.monotonic() - self.started_at[job.key])


def run(out, methods, watcher=None):
    profile = load_profile("smoke").model_copy(update={"job_timeout_s": TIMEOUT_S})
    request = Request(profile=profile, methods=methods, out=out, workers=2)
    return run_study(request, watcher or Silent())


def predictions(result, out, method):
    entry = next(entry for entry in result.study.entries if entry.name == method)
    return [Store(out).read(key).predictions() for key in entry.keys]


@pytest.fixture(scope="module")
def mixed(odd_plugins_of_module, prepared, tmp_path_factory):
    """Return a finished run of two harmless methods among those that are not: (folder, result, clock)."""
    out, clock = prepared(tmp_path_factory.mktemp("mixed")), Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(this_machine, "GRACE_S", GRACE_S)
        patch.setattr("survbench.actions.execution.available_memory", lambda: 3_000_000_000)
        patch.chdir(tmp_path_factory.mktemp("current"))
        result = run(out, f"{HARMLESS},{ODD}", clock)
        assert list(Path.cwd().iterdir()) == []
    return out, result, clock


def test_rows_24_25_29_each_method_ends_as_it_did(mixed):
    _, result, _ = mixed
    assert {row.method: row.status for row in result.board.rows} == {
        "volume": "ok",
        "clinical-cox": "ok",
        "grows": "oom",
        "hangs": "timeout",
        "chatty": "ok",
        "leaves": "failed",
        "sets-flags": "ok",
        "forks": "ok",
        "has-children": "ok",
        "abandons-children": "timeout",
    }
    reasons = {row.method: row.reason for row in result.board.rows}
    assert "held" in reasons["grows"]
    assert "exit code 0" in reasons["leaves"]


def test_rows_24_25_29_every_end_is_noticed_within_seconds(mixed):
    _, _, clock = mixed
    for method in ("hangs", "abandons-children"):
        assert max(clock.took[method]) < TIMEOUT_S + NOTICED_S
    assert max(clock.took["leaves"]) < NOTICED_S
    assert max(clock.took["grows"]) < TIMEOUT_S


def test_row_29_the_predictions_of_others_are_those_of_a_run_without(mixed, prepared, tmp_path):
    out, result, _ = mixed
    alone = run(prepared(tmp_path), HARMLESS)
    for method in HARMLESS.split(","):
        found, expected = predictions(result, out, method), predictions(alone, tmp_path, method)
        assert len(found) == len(expected) == 4
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.equals(theirs)


def test_row_25_what_a_job_has_started_ends_with_it(mixed):
    out, _, _ = mixed
    pids = [int(line) for line in (out / "pids").read_text().split()]
    assert len(pids) == 5 * 4, "two methods on two folds"
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_row_29_what_is_printed_is_bounded(mixed):
    out, result, _ = mixed
    entry = next(entry for entry in result.study.entries if entry.name == "chatty")
    for key in entry.keys:
        assert (Store(out).folder(key) / "log.txt").stat().st_size <= 1_000_000


@pytest.mark.parametrize("risk", [1e4, -1e4])
def test_row_23_extreme_risks_have_a_finite_loss(risk):
    time_, event = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    assert np.isfinite(cox_loss(time_, event, np.array([risk, -risk, 0.0])))
    assert np.isfinite(cox_loss(time_, event, np.full(3, risk)))
