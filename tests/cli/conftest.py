"""What the tests of the command line share: the command in this process and in its own, and one finished run."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import pytest
from survbench import cli


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path):
    """Return a function that runs ``bench`` here, in an empty folder: arguments -> exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr("survbench.cli.ingest.PRELOAD", [])  # the server of this process has jobs of other tests, too

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code, shown.out, shown.err)

    return call


@pytest.fixture(scope="session")
def process():
    """Return a function that runs ``bench`` as a user does, in a process of its own."""

    def call(*arguments, **more):
        return subprocess.run(
            [sys.executable, "-m", "survbench.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **more,
        )

    return call


@pytest.fixture(scope="session")
def finished(process, tmp_path_factory):
    """Return the output folder of one finished run, with what it printed in ``stdout.txt``."""
    folder = tmp_path_factory.mktemp("cli")
    ended = process("run", "--profile", "smoke", "--methods", "volume,tlg,clinical-cox,oracle", "--out", folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (folder / "stdout.txt").write_text(ended.stdout)
    return folder
