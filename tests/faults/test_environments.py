"""Rows 26 and 27: the same results under whatever locale, time zone, home, path, hash seed, workers and order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from survbench.errors import BenchError
from survbench.io.holding import held

pytestmark = pytest.mark.faults

METHODS = ["volume", "tlg", "clinical-cox"]


def bench(out, methods, *more, environment, apart=()):
    """Run ``bench`` in a process of its own."""
    command = [
        *apart,
        sys.executable,
        "-m",
        "survbench.cli",
        "run",
        "--profile",
        "smoke",
        "--methods",
        ",".join(methods),
    ]
    ended = subprocess.run(
        [*command, "--out", out, *more],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, (ended.stdout, ended.stderr)


def results(out):
    """Return of each run its predictions, and the board without what a machine took."""
    (path,) = out.glob("studies/*/leaderboard.json")
    board = json.loads(path.read_text(encoding="utf-8"))
    for row in board["rows"]:
        row["seconds"] = row["memory_mb"] = None
    predictions = {p.parent.name: p.read_bytes() for p in out.glob("runs/*/predictions.parquet")}
    splits = path.with_name("splits.json").read_bytes()
    return predictions, board, splits


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    out = tmp_path_factory.mktemp("usual")
    bench(out, METHODS, "--workers", "2", environment={"PYTHONHASHSEED": "0", "TZ": "UTC"})
    return results(out)


def test_rows_26_and_27_locale_time_zone_home_path_hash_seed_workers_and_order_change_no_result(usual, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    out = tmp_path / "résultats à lire (neu) ß 结果"
    environment = {
        "LC_ALL": "de_DE.UTF-8",
        "LANG": "de_DE.UTF-8",
        "TZ": "Pacific/Kiritimati",
        "HOME": str(home),
        "PYTHONHASHSEED": "4711",
        "PYTHONIOENCODING": "ascii",
    }
    bench(out, METHODS[::-1], "--workers", "1", environment=environment)
    predictions, board, splits = results(out)
    expected, usual_board, usual_splits = usual
    assert len(expected) == 12, "a fit and an external prediction for each fold and method"
    assert {key for key in expected if predictions.get(key) != expected[key]} == set()
    assert predictions.keys() == expected.keys()
    assert (board, splits) == (usual_board, usual_splits)
    assert list(home.iterdir()) == []


def test_row_26_a_user_without_a_name_a_home_or_shared_memory_gets_the_same_results(usual):
    """As rootless containers run it: an uid that is in no file, a package that it cannot write, 8 MB of /dev/shm."""
    inside = "mount -t tmpfs -o size=8m tmpfs /dev/shm && exec setpriv --reuid=4242 --regid=4242 --clear-groups "
    inside += '--inh-caps=+dac_read_search --ambient-caps=+dac_read_search "$@"'  # to read it wherever it lies
    apart = ["unshare", "--mount", "sh", "-c", inside, "sh"]
    if os.getuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs root, unshare and setpriv")
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no namespaces of mounts")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is root's alone
        out = Path(folder)
        os.chown(out, 4242, 4242)
        bench(out, METHODS, environment={"HOME": "/nonexistent", "USER": "", "LOGNAME": ""}, apart=apart)
        predictions, board, splits = results(out)
        assert (predictions, board["rows"], splits) == (usual[0], usual[1]["rows"], usual[2])
        assert {path.stat().st_uid for path in out.rglob("*")} == {4242}


def test_row_26_a_library_that_is_broken_costs_the_jobs_that_need_it_alone(tmp_path):
    (tmp_path / "numba.py").write_text("raise RuntimeError('built for another NumPy')")
    script = (
        "from survbench.jobs.executor import execute; from survbench.jobs.task import Task\n"
        "from survbench.jobs.this_machine import ThisMachine\n"
        "tasks = [Task('a', len, ('four',)), Task('b', __import__, ('numba',))]\n"
        "import json\n"
        "print(json.dumps([(e.status, e.value or e.error.message) for e in execute(tasks, place=ThisMachine(1))]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert sorted(json.loads(ended.stdout)) == [["failed", "built for another NumPy"], ["ok", 4]]


def test_row_26_a_command_whose_streams_the_caller_has_closed_ends_as_usual(tmp_path):
    command = f"{sys.executable} -m survbench.cli status --out {tmp_path} <&- >&-"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_row_26_an_output_folder_whose_name_is_not_text_is_refused_before_anything_is_done(tmp_path):
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sultats"))
    with pytest.raises(BenchError, match="is not UTF-8. Give another folder with --out"), held(out):
        pass
    assert not out.exists()
