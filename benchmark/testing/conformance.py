"""Runs all checks on a method: ``bench method test NAME`` or :func:`check_method`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from survbench.api import MethodInfo
from survbench.testing.bench import Bench, Skip
from survbench.testing.checks import CHECKS


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""


def check_method(info: MethodInfo, *, full: bool = False) -> list[Check]:
    """Run all checks on a method.

    Args:
        info: the method's declaration.
        full: train longer, see that the sign is right for networks too, and run the method under the harness.
    """
    results: list[Check] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(info, Path(folder), full=full)
        for check in CHECKS:
            name = check.__name__.removeprefix("_").replace("_", " ")
            try:
                check(bench)
                results.append(Check(name, "passed"))
            except Skip as reason:
                results.append(Check(name, "skipped", str(reason)))
            except Exception as error:  # the method is foreign code; whatever it raises is the finding
                results.append(Check(name, "failed", f"{type(error).__name__}: {error}"[:500]))
    return results
