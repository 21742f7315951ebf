"""A Ray cluster of two nodes on this machine: results are those of this machine, and a lost node costs no job."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from lost_node import compared, request, two_nodes
from odd_tasks import content_of, double, gpu_seen, holds, meets, raises, waits_for
from survbench.errors import BenchError
from survbench.io.layout import SCRATCH
from survbench.jobs import ray_cluster, ray_connection
from survbench.jobs.card_shares import CARD_MB
from survbench.jobs.executor import execute
from survbench.jobs.ray_cluster import RayCluster
from survbench.jobs.ray_node import Sender
from survbench.jobs.task import Task
from survbench.plan.code_key import code_fingerprint, library_versions

pytest.importorskip("ray", reason="Ray is not installed (pip install 'survbench[ray]')")
METHODS = "clinical-cox,volume,radiomics-lasso-cox,cnn-survival"


@pytest.fixture(scope="module")
def nodes():
    with two_nodes() as started:
        yield started


@pytest.fixture
def for_clients(nodes):
    """Start the server through which callers outside the cluster reach it, and return its address."""
    import ray

    cluster, _ = nodes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "ray.util.client.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([*words, "--mode", "proxy", "--address", cluster.address])
    try:
        wait_until(lambda: answers(port))
        yield f"ray://127.0.0.1:{port}"
    finally:
        ray.shutdown()
        server.terminate()
        server.wait()


def ended(tasks, place):
    return {end.task.key: end for end in execute(tasks, place=place)}


@pytest.mark.slow
def test_tasks_end_there_as_they_do_here(nodes, tmp_path):
    place = RayCluster("ray", tmp_path)
    assert place.processors() == 2
    ends = ended(
        [
            Task("good", double, (21,), conclude=lambda value, _: (tmp_path / "concluded").write_text(str(value))),
            Task("reader", content_of, (str(tmp_path / "concluded"),), requires=frozenset({"good"})),
            Task("raises", raises, ()),
            Task("skipped", double, (1,), requires=frozenset({"raises"})),
            Task("on a card", gpu_seen, (0.0,), gpu_mb=100.0),
            Task("wide", double, (2,), cpus=64),
            Task("big", double, (3,), most_mb=10**9),
            Task("holds", holds, (300,), most_mb=100.0),
        ],
        place,
    )
    assert {key: end.status for key, end in ends.items()} == {
        "good": "ok",
        "reader": "ok",
        "raises": "failed",
        "skipped": "skipped",
        "on a card": "failed",
        "wide": "ok",
        "big": "ok",
        "holds": "oom",
    }
    assert "Start the nodes of the cluster with fewer --num-cpus, or let" in ends["holds"].error.message
    assert ends["reader"].value == "42"
    assert ends["on a card"].error.type == "NoGpu"
    assert "on purpose" in ends["raises"].error.traceback
    assert not list((tmp_path / SCRATCH).iterdir())


@pytest.mark.slow
def test_a_run_of_which_a_node_is_lost_ends_as_it_does_on_this_machine(nodes, tmp_path):
    cluster, second = nodes
    there = request(tmp_path / "there", METHODS, executor="ray")
    assert there.at_once == 2
    found = compared(tmp_path, METHODS, cluster, second)
    assert (found.jobs, found.differ, found.failed) == (16, (), ())
    wait_until(lambda: there.at_once == 1)  # the cluster takes a while to notice


@pytest.mark.slow
def test_a_task_on_a_lost_node_is_tried_again_on_another(nodes, tmp_path):
    cluster, _ = nodes
    lost = cluster.add_node(num_cpus=1)
    told = []
    tasks = [Task(str(n), waits_for, (str(tmp_path / "go"), str(tmp_path / f"began-{n}"))) for n in range(2)]

    def poll():
        if len(list(tmp_path.glob("began-*"))) == 2 and lost in cluster.worker_nodes:
            cluster.remove_node(lost, allow_graceful=False)

    def retried(_task, error):
        told.append(error.type)
        (tmp_path / "go").touch()  # until then no task can end

    ends = list(execute(tasks, place=RayCluster("ray", tmp_path), on_poll=poll, on_retry=retried))
    assert [end.status for end in ends] == ["ok", "ok"]
    assert set(told) == {"NodeLost"}  # it may be sent again before the loss is known


@pytest.mark.slow
def test_tasks_for_a_gpu_follow_one_another_and_fail_when_the_only_one_is_gone(nodes, tmp_path):
    cluster, _ = nodes
    lost = cluster.add_node(num_cpus=4, num_gpus=1)  # what looks like one
    (seen,) = ended([Task("a", gpu_seen, (0.0,), gpu_mb=1.0)], RayCluster("ray", tmp_path)).values()
    assert seen.value == "0"
    tasks = [
        Task(str(n), waits_for, (str(tmp_path / "never"), str(tmp_path / f"began-{n}")), gpu_mb=1.0) for n in range(2)
    ]
    begun = []

    def poll():
        if not begun and list(tmp_path.glob("began-*")):
            begun.extend(tmp_path.glob("began-*"))
            cluster.remove_node(lost, allow_graceful=False)

    ends = list(execute(tasks, place=RayCluster("ray", tmp_path), on_poll=poll))
    assert len(begun) == 1
    assert [(end.status, end.error.type) for end in ends] == [("failed", "NoGpu")] * 2


@pytest.mark.slow
def test_a_caller_outside_the_cluster_sends_tasks_and_stops_them(for_clients, tmp_path):
    place = RayCluster(for_clients, tmp_path)
    count = place.processors()
    tasks = [
        Task("good", double, (21,)),
        Task("reader", content_of, (str(tmp_path / "absent"),)),
        Task("skipped", double, (1,), requires=frozenset({"reader"})),
    ]
    ends = ended(tasks, place)
    assert (ends["good"].value, ends["reader"].status, ends["skipped"].status) == (42, "failed", "skipped")
    assert "absent" in ends["reader"].error.message

    for n in range(count):
        place.start(Task(str(n), waits_for, (str(tmp_path / "never"), str(tmp_path / f"began-{n}"))))
    wait_until(lambda: len(list(tmp_path.glob("began-*"))) == count)
    place.stop()
    (after,) = ended([Task("after", double, (1,))], place).values()
    assert after.value == 2
    assert not list((tmp_path / SCRATCH).iterdir())


@pytest.mark.slow
def test_tasks_share_the_gpus_of_a_node_that_says_what_they_hold(nodes, tmp_path):
    cluster, _ = nodes
    node = cluster.add_node(num_cpus=6, num_gpus=2, resources={CARD_MB: 24_000})  # what looks like them
    tasks = [Task(str(n), meets, (str(tmp_path / "small"), 4), gpu_mb=12_000.0, timeout_s=60) for n in range(4)]
    tasks += [Task("whole", gpu_seen, (0.0,), gpu_mb=math.inf), Task("large", gpu_seen, (0.0,), gpu_mb=30_000.0)]
    ends = ended(tasks, RayCluster("ray", tmp_path))
    assert {end.status for end in ends.values()} == {"ok"}
    assert Counter(ends[str(n)].value for n in range(4)) == {"0": 2, "1": 2}  # all four ran at once, two on each card
    assert {ends["whole"].value, ends["large"].value} <= {"0", "1"}
    cluster.remove_node(node)


@pytest.mark.slow
def test_a_run_ends_at_the_first_job_on_a_node_that_differs(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "library_versions", lambda: {"scipy": "1.0"})
    with pytest.raises(BenchError, match=r"The node .* in the place of 1\.0\. Install the same versions on all nodes"):
        ended([Task(str(n), double, (n,)) for n in range(4)], RayCluster("ray", tmp_path))


def test_a_node_that_differs_takes_no_task(tmp_path, monkeypatch):
    (tmp_path / SCRATCH).mkdir()
    mark = tmp_path / SCRATCH / "mark"
    mark.touch()
    modules = ("survbench.work.fit",)
    code = code_fingerprint(*modules)
    same = Sender(str(tmp_path), mark.name, modules, code, library_versions())
    assert same.refusal() == ""
    assert "does not see" in replace(same, out=str(tmp_path / "elsewhere")).refusal()
    assert "has other code of survbench.work.fit" in replace(same, code="0").refusal()
    assert "in the place of 1.0" in replace(same, libraries={**same.libraries, "scipy": "1.0"}).refusal()


def test_without_ray_or_a_cluster_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(BenchError, match="value of executor.*slurm.*ray://HOST:PORT"):
        request(tmp_path, METHODS, executor="slurm")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match=r"pip install 'survbench\[ray\]'"):
        request(tmp_path, METHODS, executor="ray")


def test_what_a_server_for_clients_says_is_in_the_message(monkeypatch):
    def refuses(**_):
        raise ConnectionAbortedError("Initialization failure from server:\nTraceback\nRuntimeError: Version mismatch")

    monkeypatch.setattr(ray_connection, "_connected", [])
    with pytest.raises(BenchError, match=r"at ray://host:1 \(Initialization failure from server: .*Version mismatch\)"):
        ray_connection.connect(SimpleNamespace(init=refuses), "ray://host:1")


def answers(port):
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)
