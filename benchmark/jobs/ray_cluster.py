"""Runs the processes of tasks on the nodes of a Ray cluster.

Ray chooses the node, and counts processors, GPUs and memory. The node then runs the task as this machine would
(:mod:`survbench.jobs.ray_node`), so that results are the same to the last bit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from survbench.errors import BenchError, message_of
from survbench.io.layout import SCRATCH, Status
from survbench.jobs.attempt import MB, Outcome, error_of
from survbench.jobs.card_shares import fits, share_of_card
from survbench.jobs.ray_connection import connect, first_line, imported
from survbench.jobs.ray_node import OTHER_MACHINE, Sender, run_on_node
from survbench.jobs.task import Task
from survbench.jobs.this_machine import POLL_S
from survbench.plan.code_key import code_fingerprint, library_versions

NODE_LOST = "NodeLost"
"""Type of the error of a task whose node, or process there, is gone."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A task that the cluster has, and what a node must have to take it."""

    task: Task
    reference: Any
    needs: Mapping[str, float]


class RayCluster:
    """The nodes of a cluster that runs.

    Args:
        address: ``ray`` for the cluster that this machine belongs to, or ``ray://HOST:PORT``.
        out: the output folder, on a file system that all nodes share.

    Raises:
        BenchError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, address: str, out: Path) -> None:
        self._ray = imported()
        self._address = address
        self._out = out
        self._mark = out / SCRATCH / f"cluster-{uuid4().hex}"
        self._sent: dict[str, _Sent] = {}
        self._shares: dict[str, float] = {}
        self._alone = False
        connect(self._ray, address)

    def processors(self) -> int:
        """Return the number of processors of the nodes that are there now."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    def device(self, wanted: str) -> str:
        """Return ``cpu`` or ``cuda`` for ``auto``, ``cpu`` or ``cuda``.

        Raises:
            BenchError: a GPU is wanted, and no node has one.
        """
        has_gpu = bool(self._cards())
        if wanted == "cuda" and not has_gpu:
            raise BenchError(f"device cuda: no node of the cluster at {self._address} has a GPU. Use cpu.")
        return "cuda" if wanted != "cpu" and has_gpu else "cpu"

    def memory_share_mb(self) -> float:
        """Return the megabytes for each processor on the node that has the least."""
        return min((node.get("memory", 0) / MB / node["CPU"] for node in self._nodes() if node.get("CPU")), default=0.0)

    def reserve(self, task: Task) -> bool:
        """Keep a GPU, or a share of one, for a task that takes one, so that no more tasks are sent than there is room
        for. Without a GPU in the cluster there is nothing to wait for.
        """
        if task.gpu_mb is None:
            return True
        cards = self._cards()
        share = share_of_card(task.gpu_mb, cards)
        if cards and not fits(share, self._shares.values(), int(sum(node["GPU"] for node in cards))):
            return False
        self._shares[task.key] = share
        return True

    def start(self, task: Task) -> Outcome | None:
        """Send a task to the cluster; return an outcome where no node can ever take it."""
        able = self._nodes() if task.gpu_mb is None else self._cards()
        if not able:
            self._shares.pop(task.key, None)
            return Outcome(Status.FAILED, error=error_of("NoGpu", "no node of the cluster has a GPU"))
        # what no node has would be waited for for ever; on this machine such a task would run alone
        most = max(able, key=lambda node: node.get("CPU", 0))
        needs = {
            "CPU": min(task.cpus, most.get("CPU", 0)),
            "memory": min((task.most_mb or 0) * MB, most.get("memory", 0)),
            "GPU": self._shares.get(task.key, 0),
        }
        self._mark.parent.mkdir(parents=True, exist_ok=True)
        self._mark.touch()
        code = code_fingerprint(*task.modules)
        sender = Sender(str(self._out), self._mark.name, task.modules, code, library_versions())
        remote = self._ray.remote(run_on_node).options(
            num_cpus=needs["CPU"],
            memory=needs["memory"],
            num_gpus=needs["GPU"],
            max_retries=0,  # whoever sends it tries again, and says so
            name=task.key,
        )
        reference = remote.remote(sender, replace(task, requires=frozenset(), conclude=None))
        self._sent[task.key] = _Sent(task, reference, needs)
        return None

    def ended(self) -> list[tuple[Task, Outcome]]:
        """Wait a moment, or until a task ends; return those that have ended.

        Raises:
            BenchError: a node is not as this machine; it would fail one job after the other.
        """
        if not self._sent:
            self._say_if_alone()
            time.sleep(POLL_S)
            return []
        of = {sent.reference: sent for sent in self._sent.values()}
        done, _ = self._ray.wait(list(of), num_returns=1, timeout=POLL_S)
        ended = [(of[reference].task, self._outcome(of[reference])) for reference in done]
        return ended or self._stranded()

    def stop(self) -> None:
        """End all tasks. Their processes end with those of Ray that have started them."""
        for sent in self._sent.values():
            self._ray.cancel(sent.reference, force=True)
        self._sent.clear()
        self._shares.clear()
        self._mark.unlink(missing_ok=True)

    def _nodes(self) -> list[dict[str, float]]:
        """Return the resources of the nodes that are there now."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _cards(self) -> list[dict[str, float]]:
        """Return the resources of the nodes with a GPU."""
        return [node for node in self._nodes() if node.get("GPU", 0) >= 1]

    def _stranded(self) -> list[tuple[Task, Outcome]]:
        """Give up tasks that wait for a node that is gone, and that no other can take."""
        nodes = self._nodes()
        left = [
            sent
            for sent in self._sent.values()
            if not any(all(node.get(name, 0) >= amount for name, amount in sent.needs.items()) for node in nodes)
        ]
        for sent in left:
            self._ray.cancel(sent.reference, force=True)
            self._forget(sent.task)
        error = error_of(NODE_LOST, "the only node that could take the job is gone")
        return [(sent.task, Outcome(Status.FAILED, error=error, passing=True)) for sent in left]

    def _say_if_alone(self) -> None:
        """Log once that there is no node to wait for."""
        alone = not self.processors()
        if alone and not self._alone:
            log.warning("The cluster has no node with processors. Jobs wait until one joins; Ctrl-C ends the run.")
        self._alone = alone

    def _forget(self, task: Task) -> None:
        del self._sent[task.key]
        self._shares.pop(task.key, None)

    def _outcome(self, sent: _Sent) -> Outcome:
        """Return how a task ended. What the loss of a node or of its process has stopped may pass on another one."""
        self._forget(sent.task)
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(sent.reference)
        except errors.RayTaskError as problem:
            return Outcome(Status.FAILED, error=error_of(type(problem.cause).__name__, message_of(problem.cause)))
        except errors.OutOfMemoryError as problem:
            return Outcome(Status.OOM, error=error_of("OutOfMemory", first_line(problem)), passing=True)
        except errors.RayError as problem:
            return Outcome(Status.FAILED, error=error_of(NODE_LOST, first_line(problem)), passing=True)
        if outcome.error is not None and outcome.error.type == OTHER_MACHINE:
            raise BenchError(f"{outcome.error.message}, then run the same command again. What is done is kept.")
        return outcome
