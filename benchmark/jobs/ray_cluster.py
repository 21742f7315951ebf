"""Runs the processes of tasks on the nodes of a Ray cluster.

Ray chooses the node, and counts processors, GPUs and memory. The node then runs the task as this machine would, in the
same kind of process with the same limits, so that results are the same to the last bit.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from survbench.errors import BenchError, message_of
from survbench.io.layout import SCRATCH, Status
from survbench.jobs.attempt import MB, Outcome, error_of
from survbench.jobs.gpus import VISIBLE
from survbench.jobs.task import Task
from survbench.jobs.this_machine import POLL_S, ThisMachine
from survbench.plan.code_key import code_fingerprint, library_versions

OTHER_MACHINE = "OtherMachine"
"""Type of the error of a task that a node did not take."""
NODE_LOST = "NodeLost"
"""Type of the error of a task whose node, or process there, is gone."""
CARD_MB = "gpu_memory_mb"
"""Resource by which a node says how many megabytes each of its GPUs has: Ray itself only counts them."""
SHARE_STEP = 1e-4
"""Ray counts shares of a GPU in such steps."""

log = logging.getLogger(__name__)
_connected: list[tuple[str, str]] = []
"""The clusters of this process so far: how they were named."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What a node must have in common with the machine that sends it a task.

    Attributes:
        out: the output folder.
        mark: name of a file that lies in its scratch folder.
        modules: of the task.
        code: their fingerprint.
        libraries: versions by name, Python's and Ray's checked by Ray itself.
    """

    out: str
    mark: str
    modules: tuple[str, ...]
    code: str
    libraries: Mapping[str, str | None]

    def refusal(self) -> str:
        """Return why a task cannot run on this machine; "" if it can."""
        here = f"The node {os.uname().nodename}"
        if not (Path(self.out) / SCRATCH / self.mark).is_file():
            return f"{here} does not see {self.out}. Give an --out on a file system that all nodes share"
        there = library_versions()
        other = [name for name, version in self.libraries.items() if there.get(name) != version]
        if other:
            listed = ", ".join(f"{name} {there.get(name)} in the place of {self.libraries[name]}" for name in other)
            return f"{here} has {listed}. Install the same versions on all nodes"
        if self.code != code_fingerprint(*self.modules):
            return f"{here} has other code of {', '.join(self.modules)}. Install the same on all nodes"
        return ""


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
        self._ray = _imported()
        self._address = address
        self._out = out
        self._mark = out / SCRATCH / f"cluster-{uuid4().hex}"
        self._sent: dict[str, _Sent] = {}
        self._shares: dict[str, float] = {}
        self._alone = False
        _connect(self._ray, address)

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
        remote = self._ray.remote(_there).options(
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
        error = error_of("NodeLost", "the only node that could take the job is gone")
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
            return Outcome(Status.OOM, error=error_of("OutOfMemory", _first_line(problem)), passing=True)
        except errors.RayError as problem:
            return Outcome(Status.FAILED, error=error_of(NODE_LOST, _first_line(problem)), passing=True)
        if outcome.error is not None and outcome.error.type == OTHER_MACHINE:
            raise BenchError(f"{outcome.error.message}, then run the same command again. What is done is kept.")
        return outcome


def share_of_card(mb: float, nodes: Sequence[Mapping[str, float]]) -> float:
    """Return which share of a GPU a task takes, from 0 to 1: a whole one where it does not say how much it needs, or a
    node does not say what its GPUs hold. Ray chooses the node, so that the smallest GPU counts.

    Args:
        mb: megabytes that the task takes at most.
        nodes: resources of the nodes with a GPU.

    >>> share_of_card(6000, [{"GPU": 4, CARD_MB: 24000}, {"GPU": 1, CARD_MB: 80000}])
    0.25
    >>> share_of_card(6000, [{"GPU": 4, CARD_MB: 24000}, {"GPU": 1}]), share_of_card(math.inf, [{CARD_MB: 24000}])
    (1.0, 1.0)
    >>> share_of_card(8000, [{CARD_MB: 24000}])
    0.3333
    """
    smallest = min((node.get(CARD_MB, 0.0) for node in nodes), default=0.0)
    if mb >= smallest:
        return 1.0
    return round(max(math.floor(mb / smallest / SHARE_STEP + 1e-9), 1) * SHARE_STEP, 4)


def fits(share: float, held: Iterable[float], cards: int) -> bool:
    """Return whether a card has room for one more share, each of those that are held being where the first room is.

    >>> fits(0.6, [0.6], 2), fits(0.6, [0.6, 0.6], 2), fits(0.4, [0.6, 0.6], 2)
    (True, False, True)
    """
    free = [1.0] * cards
    for one in [*held, share]:
        card = next((n for n, room in enumerate(free) if one <= room + SHARE_STEP / 2), None)
        if card is None:
            return False
        free[card] -= one
    return True


def _imported() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise BenchError(
            "--executor ray needs Ray, which is not installed. Install it with pip install 'survbench[ray]', or use "
            "--executor local."
        ) from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    """Join the cluster, unless this process belongs to it since an earlier run.

    Raises:
        BenchError: the cluster does not answer.
    """
    wanted = address, os.environ.get("RAY_ADDRESS", "")
    if _connected and _connected[-1] != wanted:
        ray.shutdown()  # it would silently go on with the cluster of the earlier run
    try:
        with _signals_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # says what the error says, which is told
            ray.init(
                address="auto" if address == "ray" else address,
                log_to_driver=False,
                logging_level="ERROR",
                ignore_reinit_error=True,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ImportError) as problem:
        where, advice = f"at {address}", "Check host and port, and the port of clients, 10001 by default"
        if address == "ray":
            where, advice = "on this machine", "Start one with 'ray start --head'"
        reason = _first_line(problem).rstrip(".")
        if reason.endswith(":"):  # a server for clients sends a traceback of its own
            reason = f"{reason} {message_of(problem).strip().splitlines()[-1].strip()}"
        raise BenchError(f"No Ray cluster answers {where} ({reason}). {advice}, or use --executor local.") from problem
    # lost nodes are printed in front of the run's JSON, whatever log_to_driver says; the run tells them itself
    ray._private.worker._worker_logs_enabled = False
    _connected.append(wanted)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what this process does at a stop: Ray puts an abrupt exit in its place."""
    kept: dict[int, Any] = {}
    try:
        kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield
    finally:
        for number, handler in kept.items():
            try:
                signal.signal(number, handler)
            except ValueError:  # not the main thread, where Ray sets none either
                break


def _first_line(problem: BaseException) -> str:
    return message_of(problem).strip().splitlines()[0]


def _there(sender: Sender, task: Task) -> Outcome:
    """Make an attempt at a task on the node where this runs, with the GPU that Ray has chosen."""
    refusal = sender.refusal()
    if refusal:
        return Outcome(Status.FAILED, error=error_of(OTHER_MACHINE, refusal))
    gpus = {} if task.gpu_mb is None else {os.environ.get(VISIBLE, "0"): math.inf}
    place = ThisMachine(1, gpus, remedy="Start the nodes of the cluster with fewer --num-cpus")
    place.reserve(task)
    try:
        outcome = place.start(task)
        while outcome is None:
            outcome = next((ended for _, ended in place.ended()), None)
    finally:
        place.stop()
    return outcome
