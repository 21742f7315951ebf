"""``bench doctor``: the environment, and what is missing in it."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import typer
from survbench.cli.options import DEFAULT_OUT, AsJson, Out, examples, say, say_json
from survbench.io.paths import expanded

MODULES = {
    "torch": "torch",
    "sksurv": "scikit-survival",
    "lifelines": "lifelines",
    "pycox": "pycox",
    "radiomics": "pyradiomics-bhklab",
    "SimpleITK": "SimpleITK",
    "nibabel": "nibabel",
    "mlflow": "mlflow",
    "optuna": "optuna",
    "numba": "numba",
    "pydicom": "pydicom",
}
"""Importable name -> what to install."""
GIGABYTE = 1e9


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog=examples("bench doctor", "bench doctor --json"))(doctor)


def doctor(out: Out = DEFAULT_OUT, *, as_json: AsJson = False) -> None:
    """Show versions, machine and GPU, and how to get what is missing."""
    checks = [_system()]
    if checks[0]["ok"]:
        checks += [*_python(), *_modules(), *_machine(expanded(out, "--out").absolute()), *_plugins()]
    if as_json:
        say_json(checks)
    else:
        for check in checks:
            mark = "ok  " if check["ok"] else "MISS"
            say(f"{mark}  {check['name']:<20} {check['found']}")
            if not check["ok"]:
                say(f"      {check['remedy']}")
    if not all(check["ok"] for check in checks):
        raise typer.Exit(1)


def _check(name: str, found: str, *, ok: bool = True, remedy: str = "") -> dict[str, Any]:
    return {"name": name, "found": found, "ok": ok, "remedy": remedy}


def _system() -> dict[str, Any]:
    return _check(
        "system",
        f"{platform.system()} {platform.machine()}",
        ok=platform.system() == "Linux",
        remedy="Jobs start on Linux alone. Use a container, a virtual machine, or WSL 2 under Windows.",
    )


def _python() -> list[dict[str, Any]]:
    from survbench.runs.provenance import provenance

    known = provenance()
    return [
        _check("survbench", f"{known.survbench} {known.commit or ''}".strip()),
        _check("python", sys.version.split()[0], ok=sys.version_info >= (3, 11), remedy="Install Python 3.11 or 3.12."),
    ]


def _modules() -> list[dict[str, Any]]:
    from importlib.metadata import PackageNotFoundError, version

    checks = []
    for module, package in MODULES.items():
        present = importlib.util.find_spec(module) is not None
        try:
            found = version(package) if present else "not installed"
        except PackageNotFoundError:
            found = "another build"
        checks.append(_check(package, found, ok=present, remedy=f"pip install {package}"))
    return checks


def _machine(out: Path) -> list[dict[str, Any]]:
    import shutil

    import psutil
    from survbench.work.process_limits import available_workers

    memory = psutil.virtual_memory()
    existing = next(p for p in (out, *out.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    return [
        _check("processors", f"{available_workers()}"),
        _check("memory", f"{memory.total / GIGABYTE:.0f} GB, {memory.available / GIGABYTE:.0f} GB free"),
        _check(
            "disk", f"{free / GIGABYTE:.0f} GB free at {existing}", ok=free > GIGABYTE, remedy="Give another --out."
        ),
        _check("GPU", _gpu()),
    ]


def _gpu() -> str:
    if importlib.util.find_spec("torch") is None:
        return "unknown without torch"
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use; networks run on the CPU"
    names = Counter(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
    cards = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in names.items())
    return f"{cards}, CUDA {torch.version.cuda}"


def _plugins() -> list[dict[str, Any]]:
    from survbench.datasets.checks.catalogue import installed
    from survbench.plan.registry import registry

    found = registry()
    checks = [_check("methods", f"{len(found.methods)} registered")]
    checks += [
        _check(f"plugin {b.name}", b.reason, ok=False, remedy="Fix or uninstall the plugin.")
        for b in (*found.broken, *installed().broken)
    ]
    return checks
