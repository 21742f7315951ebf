"""Outcomes of test patients join a run after its job has ended; without them it is never sealed."""

from __future__ import annotations

import numpy as np
import pytest
from jobs import a_fit
from sksurv.metrics import concordance_index_censored
from survbench.runs.completion import Unscored, complete
from survbench.runs.follow_up import FollowUp
from survbench.runs.predictions import Predictions
from survbench.runs.record import RunRecord
from survbench.runs.store import Store, write_run

FOLLOW_UP = FollowUp({"c": (30.0, False), "a": (10.0, True), "b": (20.0, True), "trained on": (5.0, True)})
IDS = ("a", "b", "c")
JOB = a_fit("k1")


def left_by_a_job(store, monitored):
    store.scratch(JOB.key)
    with store.filling(JOB.key) as folder:
        write_run(folder, JOB, RunRecord(status="ok"))
    return Unscored(
        folder=folder,
        record=RunRecord(status="ok"),
        predictions=Predictions(ids=IDS, fold=0, seed=0, role="test", centres=["x"] * 3, risk=np.arange(3.0)),
        curves={(2, "train", "L"): 0.5},
        monitored=monitored,
    )


def test_patients_get_their_own_outcomes_and_steps_their_scores(tmp_path):
    store = Store(tmp_path)
    risks = {10: np.array([3.0, 1.0, 2.0]), 2: np.array([1.0, 2.0, 3.0])}
    left = left_by_a_job(store, risks)
    assert not store.is_done("k1")
    assert complete(store, JOB, FOLLOW_UP, left) == left.record
    assert store.is_done("k1", with_model=True)
    run = store.read("k1")
    table = run.predictions()
    assert list(table["id"]) == list(IDS)
    assert list(table["time"]) == [10.0, 20.0, 30.0]
    assert list(table["event"]) == [True, True, False]
    curves = run.curves()
    assert list(zip(curves["step"], curves["split"], curves["metric"], strict=True)) == [
        (2, "test", "C"),
        (2, "test", "L_sur"),
        (2, "train", "L"),
        (10, "test", "C"),
        (10, "test", "L_sur"),
    ]
    c = curves[curves["metric"] == "C"].set_index("step")["value"]
    for step, risk in risks.items():
        assert c[step] == concordance_index_censored(table["event"].to_numpy(), table["time"].to_numpy(), risk)[0]
    assert not (tmp_path / "scratch" / "k1").exists()


def test_what_cannot_be_scored_is_not_sealed_and_the_fit_can_go_on_from_its_checkpoints(tmp_path):
    store = Store(tmp_path)
    left = left_by_a_job(store, {2: np.zeros(2)})
    with pytest.raises(ValueError, match="shape"):
        complete(store, JOB, FOLLOW_UP, left)
    assert list((tmp_path / "runs").iterdir()) == []
    assert (tmp_path / "scratch" / "k1").is_dir()


def test_a_run_whose_parent_was_killed_before_it_was_sealed_is_done_again(tmp_path):
    store = Store(tmp_path)
    left_by_a_job(store, {})
    store.clear_leftovers()
    assert not store.is_done("k1")
    assert list((tmp_path / "runs").iterdir()) == []
    assert (tmp_path / "scratch" / "k1").is_dir()


def test_who_was_not_handed_over_is_not_known():
    handed = FOLLOW_UP.only(["trained on"])
    assert handed.outcomes == {"trained on": (5.0, True)}
    with pytest.raises(KeyError, match="'a'"):
        handed.of(["a"])
