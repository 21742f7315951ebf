"""Runs methods here, and on a Ray cluster of two nodes of which one is killed in the middle; compares predictions.

python tests/support/lost_node.py --methods all
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from survbench.actions.request import Request, request_of
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.io.layout import RUNS


@contextmanager
def two_nodes() -> Iterator[tuple[Any, Any]]:
    """Start a cluster of two nodes with one processor each, for this process; give it and the second node."""
    import ray
    from ray.cluster_utils import Cluster

    # nodes import the tasks of tests
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    with patch.dict(os.environ, PYTHONPATH=path):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            second = cluster.add_node(num_cpus=1)
            os.environ["RAY_ADDRESS"] = cluster.address
            yield cluster, second
        finally:
            ray.shutdown()
            cluster.shutdown()


class LosesANode(Silent):
    """Kills a node as a job starts, when so many have ended; counts the jobs that this has stopped."""

    def __init__(self, cluster: Any, node: Any, after: int) -> None:
        self.cluster, self.node, self.after = cluster, node, after
        self.jobs = self.stopped = 0

    def started(self, job: Any) -> None:
        if self.jobs >= self.after and self.node in self.cluster.worker_nodes:
            self.cluster.remove_node(self.node, allow_graceful=False)

    def ended(self, job: Any, ended: Any) -> None:
        self.jobs += 1

    def retried(self, job: Any, error: Any) -> None:
        self.stopped += 1


@dataclass(frozen=True, slots=True)
class Compared:
    """How many jobs made predictions here, which of them differ there, which failed, and how many were sent again."""

    jobs: int
    differ: tuple[str, ...]
    failed: tuple[str, ...]
    stopped: int


def compared(out: Path, methods: str, cluster: Any, node: Any) -> Compared:
    """Run methods here and there, with one copy of the prepared patients, and compare their predictions."""
    here, there = request(out / "here", methods, "local"), request(out / "there", methods, "ray")
    failed = run_study(here, Silent()).failed
    shutil.copytree(out / "here" / "cache", out / "there" / "cache")
    expected = predictions(out / "here")
    loses = LosesANode(cluster, node, len(expected) // 2)
    failed = (*failed, *run_study(there, loses).failed)
    found = predictions(out / "there")
    differ = tuple(sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)))
    return Compared(len(expected), differ, tuple(map(str, failed)), loses.stopped)


def request(out: Path, methods: str, executor: str) -> Request:
    """Return a run of the smallest profile with two workers."""
    return request_of(
        methods=methods,
        cohort="phantom",
        data=None,
        external=None,
        profile="smoke",
        ignore=None,
        splits=None,
        selection="last",
        tune="none",
        seeds=1,
        workers=2,
        out=out,
        device="cpu",
        executor=executor,
        fresh=False,
        skip_bad=False,
        pseudonyms=None,
    )


def predictions(out: Path) -> dict[str, bytes]:
    """Return the bytes of all predictions by path."""
    return {str(p.relative_to(out)): p.read_bytes() for p in (out / RUNS).rglob("predictions.parquet")}


def main() -> int:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, two_nodes() as (cluster, second):
        found = compared(Path(folder), arguments.methods, cluster, second)
    print(f"{found.jobs} jobs, {found.stopped} stopped and sent again, {len(found.failed)} failed")  # noqa: T201
    print(f"{len(found.differ)} predictions differ {', '.join(found.differ)}")  # noqa: T201
    return min(len(found.failed) + len(found.differ), 1)


if __name__ == "__main__":
    sys.exit(main())
