"""The page on several machines: its batch script, with stand-ins for what SLURM brings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "how-to" / "survbench.sbatch"
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
printf 'node-1\\nnode-2\\n'
"""


def test_the_batch_script_is_clean():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    ended = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.slow
def test_the_batch_script_runs_on_all_nodes_of_an_allocation(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'survbench[ray]')")
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        "PATH": os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node-[1-2]",
        "SLURM_CPUS_PER_TASK": "1",
    }
    options = ["--methods", "volume,clinical-cox", "--profile", "smoke", "--workers", "1", "--out", "results"]
    ended = subprocess.run(
        ["bash", SCRIPT, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    logs = "".join(path.read_text() for path in tmp_path.glob("ray-*.log"))
    assert ended.returncode == 0, ended.stdout + ended.stderr + logs
    assert "0 cached, 32 patients to prepare, 4 to fit, 4 to predict" in ended.stdout
    assert len(list(tmp_path.glob("ray-*.log"))) == 2
    assert len(list((tmp_path / "results" / "runs").glob("*/DONE"))) == 8
