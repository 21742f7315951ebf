"""What a run says of itself where there is no terminal: the plan, failures at once, and one line a minute."""

import io
from types import SimpleNamespace

import pytest
from jobs import a_fit, a_search
from survbench.cli import progress
from survbench.cli.progress import PlainWatcher
from survbench.plan.estimate import Forecast
from survbench.runs.record import RunError
from survbench.work.trials import Trials
from survbench.work.tuned import Trial


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test sets: ``clock.now``, in seconds."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture
def watcher(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "plan_lines", lambda planned, workers: ["Plan      so many jobs"])
    return PlainWatcher(2, tmp_path, io.StringIO())


def job(key):
    return a_fit(key, method="net")


def planned(*keys):
    return SimpleNamespace(to_do=tuple(map(job, keys)), forecast=Forecast)


def lines(watcher):
    return watcher.stream.getvalue().splitlines()


def ended(status="ok", message=""):
    return SimpleNamespace(
        status=status, error=RunError(type="ValueError", message=message) if status != "ok" else None
    )


def test_one_line_a_minute_says_what_is_done_and_what_runs(watcher, clock, tmp_path):
    watcher.planned(planned("a", "b"))
    watcher.started(job("a"))
    (tmp_path / "scratch" / "a").mkdir(parents=True)
    (tmp_path / "scratch" / "a" / "progress.txt").write_text("40/100")
    for _ in range(125):
        clock.now += 1.0
        watcher.poll()
    assert lines(watcher)[0] == "Plan      so many jobs"
    told = lines(watcher)[1:]
    assert [line.split(":")[0] for line in told] == ["Progress  after 60 s", "Progress  after 2 min"]
    assert "0 of 2 jobs done" in told[0]
    assert told[0].endswith("(net seed 0 fold 0 step 40/100)")


def test_a_search_says_how_many_of_its_trials_have_ended(watcher, tmp_path):
    search = a_search("s", method="net", trials=20)
    watcher.planned(planned("s"))
    watcher.started(search)
    assert watcher.progress().endswith("(net seed 0 all folds tuning 0 of 20 trials)")
    for number in (0, 1, 4):
        Trials(tmp_path, "s").begin(number)
        Trials(tmp_path, "s").write(Trial(number=number, params={}, state="fail", value=None, steps={}))
    Trials(tmp_path, "s").begin(2)
    assert watcher.progress().endswith("(net seed 0 all folds tuning 3 of 20 trials)")


def test_a_job_that_fails_is_named_at_once_and_one_that_goes_well_is_not(watcher):
    watcher.planned(planned("a", "b", "c"))
    for key, how in (("a", ended()), ("b", ended("failed", "no\nmore")), ("c", ended("oom", ""))):
        watcher.started(job(key))
        watcher.ended(job(key), how)
    assert lines(watcher)[1:] == [
        "failed    net seed 0 fold 0: ValueError: no",
        "oom       net seed 0 fold 0: ValueError: ",
    ]
    assert "3 of 3 jobs done" in watcher.progress()


def test_radiomics_alone_say_how_many_patients_are_done_and_nothing_of_jobs(watcher, clock):
    watcher.preparing("toy", 0, 40)
    clock.now += 61
    watcher.preparing("toy", 8, 40)
    assert lines(watcher) == ["Progress  after 61 s: preparing toy, 8 of 40 patients"]


def test_two_cohorts_of_one_name_do_not_undo_each_other(watcher):
    watcher.planned(planned("a"))
    watcher.forecast.preparing(10, (32, 32, 32))
    before = watcher.forecast.remaining_s(0.0)
    watcher.preparing("toy", 5, 5)
    watcher.preparing("toy", 0, 5)
    assert watcher.forecast.remaining_s(0.0) == before
