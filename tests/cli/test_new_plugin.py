"""A plugin as ``bench method new`` writes it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_new_plugin_passes_as_it_comes(process, tmp_path):
    pip = [sys.executable, "-m", "pip"]
    made = process("method", "new", "my-own-method", cwd=tmp_path)
    try:
        assert made.returncode == 0, made.stdout + made.stderr
        tested = process("method", "test", "my-own-method", "--full", cwd=tmp_path)
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert "runs under the harness" in tested.stdout
        again = process("method", "new", "my-own-method", cwd=tmp_path)
        assert again.returncode == 2
        assert "There is already a method 'my-own-method'" in again.stderr
    finally:
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", "my-own-method"], check=False, capture_output=True)


@pytest.mark.parametrize("name", ["My Method", "x_y", "-a", "deepmts"])
def test_names_that_cannot_be_are_refused(bench, name, tmp_path):
    made = bench("method", "new", "--no-install", "--", name)
    assert made.returncode == 2
    assert list(tmp_path.iterdir()) == []
