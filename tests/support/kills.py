"""Row 1 of the fault table, at random: kills a run, one of its jobs or the server of its processes, goes on, and
compares every byte of the board and the predictions, times and memory aside, with those of a run that nobody killed.

    python tests/support/kills.py --kills 20 --seed 0
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from survbench.plan.profile import Profile, load_profile

METHODS = "volume,clinical-cox,cnn-survival"
TARGETS = ("run", "job", "server")
LONGEST_S = 600.0
ASIDE = frozenset({"seconds", "memory_mb", "commit"})
"""Keys of a board that say what fits took, and whether the checkout had changes meanwhile."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Who was killed how long after the start, how the call ended, and what the next one left that differs."""

    target: str
    after_s: float
    code: int
    resumed: int
    differs: tuple[str, ...]

    @property
    def survived(self) -> bool:
        return self.resumed == 0 and not self.differs


def start(out: Path) -> subprocess.Popen[str]:
    """Start a run with a small profile, which lies beside the output folder."""
    profile = out.parent / "tiny.yaml"
    profile.write_text(yaml.safe_dump(tiny().model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "survbench.cli", "run", "--profile", str(profile), "--methods", METHODS]
    return subprocess.Popen(
        [*command, "--workers", "2", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def tiny() -> Profile:
    """Return a budget of seconds in which each fold has events, and networks train for a few steps."""
    smoke = load_profile("smoke")
    phantom = smoke.phantom.model_copy(update={"train": 16, "external": 4})
    return smoke.model_copy(update={"name": "tiny", "phantom": phantom, "resamples": 50})


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a run; return its exit code, or 1 where it shows a traceback."""
    _, errors = process.communicate(timeout=LONGEST_S)
    if "Traceback" in errors:
        sys.stderr.write(errors)
        return process.returncode or 1
    return process.returncode


def left_by(out: Path) -> dict[str, bytes]:
    """Return what must be equal: predictions by job, and boards without what may differ."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.glob("runs/*/predictions.parquet")}
    for path in out.glob("studies/*/leaderboard.json"):
        found[str(path.relative_to(out))] = json.dumps(_compared(json.loads(path.read_bytes()))).encode()
    found |= {str(path.relative_to(out)): b"left behind" for path in out.glob("runs/*.part-*")}
    return found


def _compared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _compared(inner) for key, inner in value.items() if key not in ASIDE}
    return [_compared(inner) for inner in value] if isinstance(value, list) else value


def victims(run: psutil.Process, target: str) -> Iterator[psutil.Process]:
    """Yield processes that are the target: the run, the server that it has started, or jobs, which lead sessions."""
    if target == "run":
        yield run
    for server in run.children():
        if "multiprocessing.forkserver" in _command(server):
            if target == "server":
                yield server
            elif target == "job":
                yield from (job for job in server.children() if os.getsid(job.pid) == job.pid)


def _command(process: psutil.Process) -> str:
    """Return the command line of a process, or nothing where it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also what psutil raises of a zombie
        return ""


def strike(process: subprocess.Popen[str], target: str, after_s: float) -> float | None:
    """Kill the target at a moment, or as soon as there is one; return when, or None if the run was over before."""
    began = time.monotonic()
    while process.poll() is None:
        time.sleep(0.01)
        if time.monotonic() - began < after_s:
            continue
        try:
            victim = next(victims(psutil.Process(process.pid), target), None)
            if victim is not None:
                victim.kill()
                return time.monotonic() - began
        except (psutil.NoSuchProcess, ProcessLookupError):
            pass
    return None


def kills(count: int, seed: int, folder: Path) -> Iterator[Kill]:
    """Yield kills, each in an output folder of its own, and what came of them."""
    chance = random.Random(seed)  # noqa: S311  # moments, not secrets
    began = time.monotonic()
    code = finish(start(folder / "whole"))
    if code:
        raise RuntimeError(f"The run that nobody kills ended with {code}.")
    longest = time.monotonic() - began
    expected = left_by(folder / "whole")
    done = tried = 0
    while done < count:
        target, out = TARGETS[done % len(TARGETS)], folder / f"kill-{tried}"
        tried += 1
        began = time.monotonic()
        process = start(out)
        after = strike(process, target, chance.uniform(0, longest))
        code = finish(process)
        if after is None:  # it was over before its moment
            longest = min(longest, time.monotonic() - began)
            continue
        resumed = finish(start(out))
        found = left_by(out)
        names = sorted(expected.keys() | found.keys())
        differs = tuple(name for name in names if expected.get(name) != found.get(name))
        yield Kill(target, after, code, resumed, differs)
        done += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        print("  n  killed  after    ended  resumed  result")  # noqa: T201
        for number, kill in enumerate(kills(given.kills, given.seed, Path(folder)), 1):
            failed += not kill.survived
            result = "identical" if kill.survived else "differs: " + ", ".join(kill.differs)
            print(  # noqa: T201
                f"{number:3}  {kill.target:6} {kill.after_s:5.1f} s  {kill.code:6}  {kill.resumed:7}  {result}",
                flush=True,
            )
    print(f"{given.kills - failed} of {given.kills} kills survived")  # noqa: T201
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
