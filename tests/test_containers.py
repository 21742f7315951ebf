"""The files that build images: what they copy is there and all that the package needs, and what they promise holds."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOW_TO = ROOT / "docs" / "how-to"
CONTAINERFILE = (HOW_TO / "Containerfile").read_text(encoding="utf-8")
DEFINITION = (HOW_TO / "survbench.def").read_text(encoding="utf-8")
PACKAGE_FOLDERS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"].values()
)


def instructions():
    """Return name and arguments of each instruction of the Containerfile, its lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def section(name):
    """Return the lines of a section of the definition, without comments."""
    (text,) = re.findall(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION, flags=re.MULTILINE | re.DOTALL)
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def copied():
    """Return what each file takes from the repository."""
    from_context = [rest.split() for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
    return {
        "Containerfile": {source.rstrip("/") for *sources, _ in from_context for source in sources},
        "survbench.def": {line.split()[0] for line in section("files")},
    }


@pytest.mark.parametrize("name", ["Containerfile", "survbench.def"])
def test_what_is_copied_is_in_the_repository_and_all_that_the_package_needs(name):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a clone")
    tracked = {part for path in listed.stdout.splitlines() for part in (path, path.split("/")[0])}
    assert copied()[name] <= tracked
    assert copied()[name] >= PACKAGE_FOLDERS | {"pyproject.toml", "requirements.lock", "README.md", "LICENSE"}


def test_both_install_the_same():
    runs = [rest.strip() for name, rest in instructions() if name == "RUN"]
    installs = [line for line in runs if line.startswith("pip install")]
    named = [line.replace("{{ TORCH_INDEX }}", "$TORCH_INDEX") for line in section("post")]
    assert [line for line in named if line.startswith("pip install")] == installs
    assert [line.split()[2] for line in installs] == ["--index-url", "--requirement", "--no-deps"]
    arguments = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG")
    assert dict(line.split("=", 1) for line in section("arguments")) == arguments


def test_the_image_runs_bench_as_a_user_by_number():
    last = instructions()[max(n for n, (name, _) in enumerate(instructions()) if name == "FROM") :]
    of = dict(last)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", of["USER"])
    assert of["ENTRYPOINT"] == '["bench"]'
    assert section("runscript") == ['exec bench "$@"']
    assert {name for name, _ in instructions()} <= {"ARG", "FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER"} | {
        "ENTRYPOINT",
        "CMD",
    }, "ADD would fetch what no lock names"
