"""Tasks on several GPUs, which are made up: a name that a process finds in ``CUDA_VISIBLE_DEVICES``, and a size."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from odd_tasks import breaks_its_kernel, double, fails_on_gpu, gpu_seen
from survbench.jobs import process, this_machine
from survbench.jobs.executor import execute
from survbench.jobs.gpus import Gpus, visible_names
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine

FOUR = {str(number): 1000.0 for number in range(4)}


@pytest.fixture(autouse=True)
def _light_processes(monkeypatch):
    monkeypatch.setattr(this_machine, "GRACE_S", 0.0)
    monkeypatch.setattr(process, "PRELOAD", [])


@pytest.fixture
def failures(tmp_path):
    """Return the file in which a made-up GPU counts its failures."""
    (tmp_path / "failures").touch()
    return tmp_path / "failures"


def run(tasks, gpus, workers=8):
    """Return how each task ended, and the most that ran at once."""
    running, most = set(), 0

    def start(task):
        nonlocal most
        running.add(task.key)
        most = max(most, len(running))

    ended = {}
    for end in execute(tasks, place=ThisMachine(workers, gpus), on_start=start):
        running.discard(end.task.key)
        ended[end.task.key] = end
    return ended, most


def test_seven_tasks_share_four_gpus_one_each_and_no_gpu_gets_a_third():
    ended, most = run([Task(str(n), gpu_seen, (0.5,), gpu_mb=math.inf) for n in range(7)], FOUR)
    assert {end.status for end in ended.values()} == {"ok"}
    assert most == 4
    assert sorted(Counter(end.value for end in ended.values()).values()) == [1, 2, 2, 2]


def test_tasks_share_a_gpu_while_the_memory_that_they_declare_allows():
    tasks = [Task(str(n), gpu_seen, (0.5,), gpu_mb=400.0) for n in range(4)]
    ended, most = run(tasks, {"7": 1000.0})
    assert {end.value for end in ended.values()} == {"7"}
    assert most == 2
    ended, most = run([Task("large", gpu_seen, (0.0,), gpu_mb=5000.0), *tasks[:1]], {"7": 1000.0})
    assert [end.status for end in ended.values()] == ["ok", "ok"]
    assert most == 1, "one that declares more than there is runs alone"


def test_a_task_without_a_gpu_does_not_wait_for_one_and_sees_what_the_run_sees(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    tasks = [Task("a", gpu_seen, (0.5,), gpu_mb=math.inf), Task("b", gpu_seen, (0.0,), gpu_mb=math.inf)]
    ended, _ = run([*tasks, Task("cpu", gpu_seen, (0.0,))], {"GPU-5ab": 1000.0})
    assert next(iter(ended)) == "cpu"
    assert {key: end.value for key, end in ended.items()} == {"cpu": None, "a": "GPU-5ab", "b": "GPU-5ab"}


def test_what_fails_on_a_broken_gpu_ends_well_on_another_and_the_broken_one_is_named_and_given_up(caplog, failures):
    ended, _ = run([Task(str(n), fails_on_gpu, ("2", failures, 2), gpu_mb=math.inf) for n in range(12)], FOUR)
    assert {end.status for end in ended.values()} == {"ok"}
    assert {end.value for end in ended.values()} == {"0", "1", "3"}
    tried_again = [end for end in ended.values() if end.earlier]
    assert len(tried_again) == 2
    assert "GPU 2 is used no more" in caplog.text
    assert "3 left" in caplog.text


def test_without_a_gpu_that_works_tasks_fail_and_others_go_on(failures):
    tasks = [Task(str(n), fails_on_gpu, ("0", failures, 0), gpu_mb=math.inf) for n in range(3)]
    ended, _ = run([*tasks, Task("cpu", double, (2,))], {"0": 1000.0})
    assert ended.pop("cpu").value == 4
    assert {(end.status, end.error.type) for end in ended.values()} == {("failed", "NoGpu")}


def test_an_error_of_the_task_is_not_blamed_on_the_gpu():
    ended, _ = run([Task(str(n), breaks_its_kernel, (), gpu_mb=math.inf) for n in range(3)], {"0": 1000.0})
    assert {end.error.type for end in ended.values()} == {"RuntimeError"}
    assert all(not end.earlier for end in ended.values())


def test_the_user_chooses_which_gpus_are_used(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_names(2) == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937, 3")
    assert visible_names(2) == ("GPU-8932f937", "3")


def test_a_task_that_failed_on_a_gpu_waits_for_another():
    gpus = Gpus({"0": 1000.0, "1": 1000.0})
    assert gpus.take("long")
    assert gpus.take("unlucky")
    assert gpus.name_of("unlucky") == "1"
    gpus.leave("unlucky", card_failed=True)
    assert not gpus.take("unlucky")
    gpus.leave("long", card_failed=False)
    assert gpus.take("unlucky")
    assert gpus.name_of("unlucky") == "0"
