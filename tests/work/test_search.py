"""A search for hyper-parameters: the same after a kill as without one, and what fails is told."""

from __future__ import annotations

import pytest
import torch
from survbench.api import DeadlineError
from survbench.errors import BenchError
from survbench.space import Choice, Real, Whole
from survbench.work.search import tune

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
    assert "torn or damaged line" in caplog.text


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
