"""What a node of a Ray cluster does with a task: it checks that it is as the machine that sent it, and runs the task as
that one would, in the same kind of process with the same limits.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from survbench.io.layout import SCRATCH, Status
from survbench.jobs.attempt import Outcome, error_of
from survbench.jobs.gpus import VISIBLE
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine
from survbench.plan.code_key import code_fingerprint, library_versions

OTHER_MACHINE = "OtherMachine"
"""Type of the error of a task that a node did not take."""


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


def run_on_node(sender: Sender, task: Task) -> Outcome:
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
