"""A search for hyper-parameters: the same in any order, after a kill as without one, and what fails is told."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch
from survbench.api import DeadlineError
from survbench.errors import BenchError
from survbench.io.hashing import digest
from survbench.space import Choice, Real, Whole
from survbench.work.search import Search
from survbench.work.trials import Trials

SPACE = {"x": Real(-4.0, 4.0), "n": Whole(1, 100, log=True), "kind": Choice(("a", "b"))}
BATCHES = pytest.mark.parametrize("batch", [1, 3])


def bowl(params, report):
    """Best (0) at x = 1, n = 10, kind a; the declared params are far from it."""
    if not params:
        return -30.0
    value = -((params["x"] - 1) ** 2) - 0.01 * abs(params["n"] - 10) - (params["kind"] == "b")
    report(0, value)
    return value


def search(objective, out, *, trials, seed, batch=1, space=SPACE):
    return Search(
        objective=objective, space=space, trials=trials, batch=batch, seed=seed, kept=Trials(out, "search"), steps=1
    )


def tune(*of, **more):
    return search(*of, **more).run()


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_a_search_finds_better_params_than_the_declared_ones(tmp_path):
    tuned = tune(bowl, tmp_path, trials=30, seed=1)
    assert len(tuned.trials) == 30
    assert tuned.trials[0].params == {}
    assert tuned.trials[0].value == -30.0
    assert tuned.best.value > -0.5
    assert tuned.best.params["kind"] == "a"
    assert any(t.state == "pruned" and t.value is None for t in tuned.trials)


def test_trials_one_at_a_time_are_those_that_optuna_makes_one_after_the_other(tmp_path):
    """The same search by one study of Optuna, asked and told 25 times."""
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(4, 0))
    for number in range(25):
        study.sampler = optuna.samplers.TPESampler(seed=int(digest([7, number])[:8], 16), n_startup_trials=5)
        trial = study.ask()
        params = {}
        if number:
            params = {
                "x": trial.suggest_float("x", -4.0, 4.0),
                "n": trial.suggest_int("n", 1, 100, log=True),
                "kind": trial.suggest_categorical("kind", ["a", "b"]),
            }
        if params.get("n", 0) > 50:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        value = bowl(params, lambda step, score, trial=trial: trial.report(score, step))
        pruned = number > 0 and trial.should_prune()
        study.tell(trial, None if pruned else value, optuna.trial.TrialState.PRUNED if pruned else None)

    def fails_above_50(params, report):
        if params.get("n", 0) > 50:
            raise ValueError("too many")
        return bowl(params, report)

    found = tune(fails_above_50, tmp_path, trials=25, seed=7).trials
    assert [t.params for t in found] == [t.params for t in study.trials]
    assert [t.state for t in found] == [t.state.name.lower() for t in study.trials]
    assert {"complete", "pruned", "fail"} == {t.state for t in found}
    complete = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert [t.value for t in found if t.value is not None] == [t.value for t in complete]


def test_trials_of_a_batch_may_run_in_any_order_and_write_the_same_files(tmp_path):
    whole = tune(bowl, tmp_path / "one-after-the-other", trials=11, seed=7, batch=4)
    apart = search(bowl, tmp_path / "apart", trials=11, seed=7, batch=4)
    for number in (3, 1, 0, 2, 2, 6, 5, 7, 4, 10, 9, 8):
        apart.run_one(number)
    assert files(tmp_path / "apart") == files(tmp_path / "one-after-the-other")
    assert len(files(tmp_path / "apart")) == 11
    assert apart.run() == whole
    one = tune(bowl, tmp_path / "batches-of-one", trials=11, seed=7).trials
    assert [t.params for t in one[:5]] == [t.params for t in whole.trials[:5]], "drawn at random"
    assert [t.params for t in one[6:]] != [t.params for t in whole.trials[6:]], "a batch does not see its own trials"


def test_a_trial_waits_for_those_of_earlier_batches_and_leaves_the_rest_to_the_search(tmp_path):
    apart = search(bowl, tmp_path / "apart", trials=6, seed=7, batch=3)
    apart.run_one(0)
    apart.run_one(2)
    before = files(tmp_path)
    apart.run_one(4)
    assert files(tmp_path) == before, "trial 1 is missing"
    assert apart.run() == tune(bowl, tmp_path / "whole", trials=6, seed=7, batch=3)


def test_what_is_declared_stays_where_nothing_scores_better(tmp_path):
    tuned = tune(lambda params, _: 0.0 if params else 1.0, tmp_path, trials=4, seed=1)
    assert tuned.to_json()["best_params"] == {}


@BATCHES
@pytest.mark.parametrize("killed_at", [0, 3, 10])
def test_a_search_that_is_cut_off_ends_as_an_uninterrupted_one(tmp_path, killed_at, batch):
    whole = tune(bowl, tmp_path / "whole", trials=12, seed=7, batch=batch)
    calls = 0

    def fragile(params, report):
        nonlocal calls
        calls += 1
        if calls == killed_at + 1:
            raise KeyboardInterrupt
        return bowl(params, report)

    with pytest.raises(KeyboardInterrupt):
        tune(fragile, tmp_path / "cut", trials=12, seed=7, batch=batch)
    folder = next((tmp_path / "cut").rglob("*.attempts")).parent
    (folder / "trial-11.json.4711.part").write_bytes(b'{\n "error": ""')  # the kill has cut a file in two
    resumed = tune(fragile, tmp_path / "cut", trials=12, seed=7, batch=batch)
    assert resumed == whole
    assert calls == 13, "only the trial that was cut off ran twice"


FAULTS = [OSError(28, "No space left on device"), RuntimeError("CUDA error: uncorrectable ECC error encountered")]


@BATCHES
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_machine_ends_the_job_however_often_and_is_not_a_finding_about_params(tmp_path, fault, batch):
    whole = tune(bowl, tmp_path / "whole", trials=7, seed=0, batch=batch)
    calls = 0

    def unlucky(params, report):
        nonlocal calls
        calls += 1
        if 3 <= calls <= 7:
            raise fault
        return bowl(params, report)

    for _ in range(5):
        with pytest.raises(type(fault)):
            tune(unlucky, tmp_path / "again", trials=7, seed=0, batch=batch)
    assert tune(unlucky, tmp_path / "again", trials=7, seed=0, batch=batch) == whole


@pytest.mark.parametrize("fault", [MemoryError(), torch.OutOfMemoryError()])
def test_too_little_memory_ends_the_job_until_the_params_are_given_up(tmp_path, fault):
    def large(params, report):
        if params:
            raise fault
        return bowl(params, report)

    for _ in range(3):
        with pytest.raises(type(fault)):
            tune(large, tmp_path, trials=2, seed=0)
    assert [t.state for t in tune(large, tmp_path, trials=2, seed=0).trials] == ["complete", "fail"]


def test_a_trial_whose_file_cannot_be_read_at_the_moment_is_kept(tmp_path, monkeypatch):
    whole = tune(bowl, tmp_path, trials=3, seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        with pytest.raises(OSError, match="Too many open files"):
            tune(bowl, tmp_path, trials=3, seed=0)
    assert tune(lambda *_: 1 / 0, tmp_path, trials=3, seed=0) == whole


def test_a_search_in_which_everything_failed_begins_again(tmp_path, caplog):
    def late(params, report):
        raise DeadlineError("the job's time is used up")

    failed = tune(late, tmp_path, trials=3, seed=0)
    assert {t.error for t in failed.trials} == {"DeadlineError: the job's time is used up"}
    assert "begins the search again" in caplog.text
    assert tune(bowl, tmp_path, trials=3, seed=0).best.value is not None


@BATCHES
def test_params_that_end_the_process_every_time_are_given_up(tmp_path, batch):
    """Each attempt is cut off as by a kill; after the third the trial counts as failed, and the search goes on."""
    ran = []

    def lethal(params, report):
        ran.append(params)
        if params and params["kind"] == "b":
            raise KeyboardInterrupt
        return 0.0 if not params else 1.0

    tuned = None
    for _ in range(40):
        try:
            tuned = tune(lethal, tmp_path, trials=6, seed=3, batch=batch)
            break
        except KeyboardInterrupt:
            continue
    assert tuned is not None
    assert len(tuned.trials) == 6
    given_up = [t for t in tuned.trials if t.error]
    assert given_up
    assert all("cut off 3 times" in t.error and t.params["kind"] == "b" for t in given_up)
    assert all(ran.count(t.params) == 3 for t in given_up)
    assert tuned.best.params["kind"] == "a"


@pytest.mark.parametrize("damage", ["", "{", '{"number": 2, "value": 1.0}', "[]", "nul", "flip"])
def test_a_damaged_trial_runs_again_and_changes_no_search(tmp_path, caplog, damage):
    whole = tune(bowl, tmp_path, trials=8, seed=7, batch=3)
    (path,) = tmp_path.rglob("trial-2.json")
    intact = path.read_bytes()
    path.write_bytes({"nul": intact + b"\0", "flip": intact.replace(b"0", b"1", 1)}.get(damage, damage.encode()))
    ran = []

    def counted(params, report):
        ran.append(params)
        return bowl(params, report)

    assert tune(counted, tmp_path, trials=8, seed=7, batch=3) == whole
    assert ran == [whole.trials[2].params]
    assert path.read_bytes() == intact
    assert f"{path} cannot be read" in caplog.text


def test_params_that_fail_are_kept_with_their_reason_and_count(tmp_path):
    def sometimes(params, report):
        if params and params["kind"] == "b":
            raise ValueError("b does not work")
        return float("nan") if not params else 1.0

    tuned = tune(sometimes, tmp_path / "sometimes", trials=8, seed=3)
    assert len(tuned.trials) == 8
    assert tuned.trials[0].error == "ValueError: the score is not a number"
    assert "ValueError: b does not work" in {t.error for t in tuned.trials}
    assert tuned.best.params["kind"] == "a"

    def never(params, report):
        report(0, float("nan"))

    with pytest.raises(
        BenchError, match=r"None of 2 tuning trials could be scored: ValueError: the score is not a number"
    ):
        _ = tune(never, tmp_path / "never", trials=2, seed=3).best
