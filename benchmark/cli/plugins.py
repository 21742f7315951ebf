"""Verbs for authors of methods: ``test`` and ``new``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from survbench.cli.text import AsJson, examples, say, say_json


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("test", epilog=examples("bench test my-method", "bench test deepmts --full"))(check)
    app.command("new", epilog=examples("bench new my-method", "bench new my-method --no-install"))(new)


def check(
    name: Annotated[str, typer.Argument(help="A method.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="Train longer, check the sign, and run the harness.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a method keeps what every method promises."""
    from survbench.registry import registry
    from survbench.testing import check_method

    checks = check_method(registry().get(name), full=full)
    failed = [c for c in checks if c.outcome == "failed"]
    if as_json:
        say_json([{"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in checks])
    else:
        for one in checks:
            say(f"{one.outcome:<8} {one.name}" + (f": {one.detail}" if one.detail else ""))
        say(f"{name}: {len(failed)} of {len(checks)} checks failed." if failed else f"{name}: all checks passed.")
    if failed:
        raise typer.Exit(1)


def new(
    name: Annotated[str, typer.Argument(help="Name of the method, in kebab case.")],
    folder: Annotated[Path, typer.Option("--in", help="Where the plugin's folder is made.", file_okay=False)] = Path(),
    *,
    install: Annotated[bool, typer.Option(help="Install it into this environment, editable.")] = True,
) -> None:
    """Write a plugin: a package with one method that works, to be changed into yours."""
    import subprocess
    import sys
    from importlib.resources import files

    from survbench.errors import BenchError
    from survbench.registry import registry

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise BenchError(f"{name!r} is no name for a method. Use kebab case: a-z, 0-9 and single hyphens.")
    if name in registry().methods:
        raise BenchError(f"There is a method {name!r} already. Choose another name; see 'bench list methods'.")
    target = folder / name
    if target.exists():
        raise BenchError(f"{target} exists. Choose another name, or remove it.")
    module = name.replace("-", "_")
    words = {"{{name}}": name, "{{module}}": module, "{{class}}": name.title().replace("-", "")}
    target.mkdir(parents=True)
    for template, path in (("plugin.py.txt", target / f"{module}.py"), ("plugin.toml.txt", target / "pyproject.toml")):
        text = (files("survbench.cli") / template).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        path.write_text(text, encoding="utf-8")
    say(f"Wrote {target / f'{module}.py'}; change it into your method.")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-e",
        str(target),
    ]
    if not install:
        say(f"Install it with: pip install -e {target}")
        return
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        tail = ended.stderr.strip().splitlines()[-1:] or ["pip failed"]
        raise BenchError(f"It could not be installed ({tail[0]}). Run: pip install -e {target}")
    say(f"Installed. Next: 'bench test {name}', then 'bench run --methods {name},radiomics-lasso-cox'.")
