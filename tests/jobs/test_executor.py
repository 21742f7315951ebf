"""Tasks: each in a process of its own; whatever one does to itself, the others end well."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from odd_tasks import (
    changes_environment,
    content_of,
    dies,
    dies_until,
    double,
    eats_memory,
    finds_the_disk_full_once,
    hangs,
    held_back,
    holds,
    logs_its_span,
    pid,
    raises,
    raises_and_counts,
    reads_environment,
    too_late,
)
from survbench.errors import BenchError
from survbench.jobs import process, this_machine
from survbench.jobs.executor import execute
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine


def run(tasks, workers=2):
    return {e.task.key: e for e in execute(tasks, place=ThisMachine(workers))}


@pytest.fixture(autouse=True)
def short_grace(monkeypatch):
    monkeypatch.setattr(this_machine, "GRACE_S", 0.0)
    monkeypatch.setattr(process, "PRELOAD", [])


def test_every_way_to_end_has_its_status_and_none_takes_another_task_down():
    ended = run(
        [
            Task("good", double, (21,)),
            Task("raises", raises, ()),
            Task("hangs", hangs, (), timeout_s=3.0),
            Task("dies", dies, ()),
            Task("memory", eats_memory, ()),
            Task("late", too_late, ()),
            Task("good again", double, (4,)),
        ]
    )
    statuses = {key: e.status for key, e in ended.items()}
    assert statuses == {
        "good": "ok",
        "raises": "failed",
        "hangs": "timeout",
        "dies": "failed",
        "memory": "oom",
        "late": "timeout",
        "good again": "ok",
    }
    assert ended["good"].value == 42
    assert ended["raises"].error.type == "RuntimeError"
    assert "on purpose" in ended["raises"].error.traceback
    assert "exit code -9" in ended["dies"].error.message


def test_what_needs_a_failed_task_is_skipped_and_order_is_kept_otherwise():
    ended = run(
        [
            Task("second", double, (1,), requires=frozenset({"first"})),
            Task("first", raises, ()),
            Task("third", double, (1,), requires=frozenset({"second"})),
            Task("free", double, (1,)),
        ]
    )
    assert [ended[k].status for k in ("first", "second", "third", "free")] == ["failed", "skipped", "skipped", "ok"]


def test_what_concludes_a_task_runs_here_before_what_requires_it_and_its_failure_is_the_tasks(tmp_path):
    def refuses(value, earlier):
        raise ValueError(f"{value} is not wanted")

    def writes(value, earlier):
        (tmp_path / "concluded").write_text(str(value))
        return os.getpid()

    ended = run(
        [
            Task("written", double, (21,), conclude=writes),
            Task("reader", content_of, (str(tmp_path / "concluded"),), requires=frozenset({"written"})),
            Task("refused", double, (4,), conclude=refuses),
            Task("after refused", double, (1,), requires=frozenset({"refused"})),
            Task("raises", raises, (), conclude=writes),
        ]
    )
    assert ended["written"].value == os.getpid()
    assert ended["reader"].value == "42"
    assert [ended[k].status for k in ("refused", "after refused", "raises")] == ["failed", "skipped", "failed"]
    assert ended["refused"].error.message == "8 is not wanted"
    assert ended["raises"].error.type == "RuntimeError"


def test_what_was_stopped_from_outside_is_tried_again_and_nothing_else(tmp_path):
    told, retried = [], {}
    tasks = [
        Task(
            "killed", dies_until, (str(tmp_path / "killed"), 2), conclude=lambda _, earlier: retried.update(it=earlier)
        ),
        Task("disk", finds_the_disk_full_once, (str(tmp_path / "disk"),)),
        Task("always", dies_until, (str(tmp_path / "always"), 99)),
        Task("raises", raises_and_counts, (str(tmp_path / "raises"),)),
    ]
    ended = {
        e.task.key: e
        for e in execute(
            tasks,
            place=ThisMachine(2),
            on_retry=lambda task, error: told.append((task.key, error.type)),
        )
    }
    assert {key: e.status for key, e in ended.items()} == {
        "killed": "ok",
        "disk": "ok",
        "always": "failed",
        "raises": "failed",
    }
    assert [error.message for error in retried["it"]] == ["the process died with exit code -9"] * 2
    assert sorted(told) == [("always", "ProcessDied")] * 3 + [("disk", "OSError")] + [("killed", "ProcessDied")] * 2
    assert len(ended["always"].earlier) == 3
    assert (tmp_path / "always").stat().st_size == 4
    assert (tmp_path / "raises").stat().st_size == 1


def test_a_task_may_hold_so_much_memory_and_no_more():
    ended = run([Task("much", holds, (600,), most_mb=300.0), Task("little", holds, (1,), most_mb=300.0)])
    assert (ended["much"].status, ended["little"].status) == ("oom", "ok")
    assert "300 MB are its share" in ended["much"].error.message


def test_every_task_has_a_process_of_its_own():
    here = str(Path.cwd())
    ended = run([Task("change", changes_environment, ()), Task("read", reads_environment, (), frozenset({"change"}))])
    assert ended["read"].value == (None, here)
    pids = [e.value for e in run([Task(str(i), pid, ()) for i in range(4)], workers=1).values()]
    assert len(set(pids)) == 4


def test_a_task_that_takes_two_processors_runs_without_another(tmp_path):
    log = tmp_path / "log"
    tasks = [
        Task(key="wide", function=logs_its_span, arguments=(str(log), "wide"), cpus=2),
        Task(key="a", function=logs_its_span, arguments=(str(log), "a")),
        Task(key="b", function=logs_its_span, arguments=(str(log), "b")),
        Task(key="wider", function=logs_its_span, arguments=(str(log), "wider"), cpus=5),
    ]
    assert {e.status for e in run(tasks, workers=2).values()} == {"ok"}
    spans = {}
    for line in log.read_text().splitlines():
        name, start, end = line.split()
        spans[name] = float(start), float(end)
    for wide in ("wide", "wider"):
        others = [span for name, span in spans.items() if name != wide]
        assert all(span[1] <= spans[wide][0] or span[0] >= spans[wide][1] for span in others)


def test_a_task_starts_after_others_however_they_ended(tmp_path):
    path = str(tmp_path / "count")
    ended = run(
        [
            Task("reader", content_of, (path,), after=frozenset({"killed", "raises", "skipped"})),
            Task("killed", dies_until, (path, 2)),  # two of its attempts
            Task("raises", raises, ()),
            Task("skipped", double, (1,), requires=frozenset({"raises"})),
            Task("needs both", double, (2,), requires=frozenset({"raises"}), after=frozenset({"reader"})),
        ]
    )
    assert ended["reader"].status == "ok"
    assert ended["reader"].value == "xxx"
    assert list(ended)[-2:] == ["reader", "needs both"]
    assert ended["needs both"].status == "skipped"


def test_ctrl_c_reaches_the_process_that_runs_tasks_and_not_those_that_do_them():
    assert signal.SIGINT in run([Task("one", held_back, ())])["one"].value
    assert signal.SIGINT not in held_back()


def test_a_process_that_may_start_no_others_is_told_where_to_start_the_run(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(BenchError, match="concurrent.futures.ProcessPoolExecutor"):
        run([Task("one", pid, ())])


def test_a_temporary_folder_whose_name_is_too_long_for_sockets_is_named(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/" + "x" * 75)
    with pytest.raises(BenchError, match=r"temporary folder, /x+, is too long .* Set TMPDIR"):
        run([Task("never", double, (1,))])
