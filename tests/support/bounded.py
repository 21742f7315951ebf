"""Reading a hostile file in a process of its own, which tells what came of it and what it took."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

# VmHWM, unlike ru_maxrss, starts anew with the program and not with the size of the test that starts it
READ = """
import json, sys, time
from importlib import import_module
from pathlib import Path
from survbench.errors import BenchError
module, name = sys.argv[1].split(":")
function = getattr(import_module(module), name)
start = time.monotonic()
try:
    function(sys.argv[2] if name == "load_profile" else Path(sys.argv[2]))
    said = ""
except BenchError as error:
    said = str(error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([said, time.monotonic() - start, int(peak.split()[1]) / 1024]))
"""
MOST_MB, MOST_SECONDS = 500, 10
"""Bounds of safety. The aim is 2 s on a machine that does nothing else."""


@dataclass(frozen=True)
class Refused:
    """What a function said of a file, and what it took."""

    said: str
    seconds: float
    peak_mb: float


def refused(function: str, path) -> Refused:
    """Return how ``module:function`` refuses a path, within the bounds."""
    ended = subprocess.run([sys.executable, "-c", READ, function, str(path)], capture_output=True, text=True, check=False, timeout=60)  # fmt: skip  # noqa: E501
    assert ended.returncode == 0, ended.stderr[-2000:]
    result = Refused(*json.loads(ended.stdout))
    assert result.said, "it was accepted"
    assert len(result.said) < 1500
    assert result.peak_mb < MOST_MB
    assert result.seconds < MOST_SECONDS
    return result
