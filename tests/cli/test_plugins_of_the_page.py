"""The packages of docs/how-to/write-a-plugin.md: as printed, they pass their checks and stand on a board."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-plugin.md"
PLUGINS = ("boosted", "tiny-cnn", "pca-cox", "small-cnn")
"""In the order of the page."""
ADAPTED = PLUGINS[:2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the environment in which all packages are installed, built from the files of the page."""
    folder = tmp_path_factory.mktemp("plugins")
    text = PAGE.read_text(encoding="utf-8")
    first, _ = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    modules = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, module in zip(PLUGINS, modules, strict=True):
        package = folder / name
        package.mkdir()
        importable = name.replace("-", "_")
        project = first.replace(f'= "{PLUGINS[0]}:', f'= "{importable}:').replace(
            f'["{PLUGINS[0]}"]', f'["{importable}"]'
        )
        project = project.replace(PLUGINS[0], name)
        (package / "pyproject.toml").write_text(project)
        (package / f"{importable}.py").write_text(module)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", folder / "site", *(folder / name for name in PLUGINS)], check=True)
    return os.environ | {"PYTHONPATH": str(folder / "site")}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_of_the_page_passes_every_check(process, environment, name):
    ended = process("method", "test", name, "--full", env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "runs under the harness" in ended.stdout


@pytest.mark.slow
def test_all_plugins_stand_on_a_board(process, environment, tmp_path):
    ended = process(
        "run", "--methods", ",".join(PLUGINS), "--profile", "smoke", "--out", tmp_path, "--json", env=environment
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = {row["method"]: row["status"] for row in json.loads(ended.stdout)["rows"]}
    assert rows == dict.fromkeys(PLUGINS, "ok")


def test_an_adapted_model_takes_under_ten_lines_beside_its_imports():
    modules = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for module in modules[: len(ADAPTED)]:
        own = [line for line in module.splitlines() if line.strip() and not re.match(r"\s*(from|import) ", line)]
        assert len(own) < 10
