"""Where a result comes from: versions, hardware, and the state of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import survbench
from survbench.io.versions import Provenance, installed_version

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "scikit-survival", "torch", "pyradiomics-bhklab", "SimpleITK")


@cache
def provenance() -> Provenance:
    """Return versions of survbench, Python and the libraries that compute, the processor, and the code's git commit."""
    return Provenance(
        survbench=installed_version("survbench"),
        commit=_commit(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        cpus=len(os.sched_getaffinity(0)),
        packages={name: installed_version(name) for name in PACKAGES},
    )


def _commit() -> str | None:
    """Return the commit of a source checkout, with ``+changes`` where files differ from it; None for a wheel."""
    folder = Path(survbench.__file__).resolve().parent
    try:
        head = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+changes", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", "__init__.py"],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() if tracked.returncode == 0 else None
