"""Row 29 of the fault table: a plugin that misbehaves harms its own rows alone, and what it raises can be stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.faults

IMPORT = {
    "exits": "import sys; sys.exit(0)",
    "raises": "raise RuntimeError(chr(27) + '[31mred')",
    "prints": "print('noise ' * 2_000_000)\nINFO = None",
    "prints through a child": "import os; os.system('echo noise')\nINFO = None",
    "ends the process": "import os; os._exit(0)",
    "raises what is no exception": "raise type('Odd', (BaseException,), {})",
    "forks": "import os; os.fork()\nINFO = None",
    "starts a thread": "import threading, time; threading.Thread(target=time.sleep, args=(999,)).start()\nINFO = None",
    "changes Python": "import builtins; builtins.sorted = lambda *_, **__: []\nINFO = None",
}
"""What a plugin's module does when it is imported."""
FIT = {
    "bare assert": ("import sys; sys.stdout = None; assert False", "AssertionError: no message"),
    "exit without a text": ("raise SystemExit", "SystemExit"),
    "surrogate": ("raise ValueError('file \\udce4.nii')", "ValueError: file"),
    "control characters": ("raise ValueError(chr(27) + '[31m' + chr(7) + 'red')", "red"),
    "message that raises": ("raise type('Bad', (Exception,), {'__str__': lambda self: 1 / 0})", "Bad: no message"),
    "silent exit": ("import os; os._exit(0)", "exit code 0"),
}
"""What its fit does, and what the error then says."""
METHOD = """
from survbench.api import MethodInfo

class {target}:
    def fit(self, train, *, validation, ctx):
        {fit}
    def predict_risk(self, cohort): ...
    def save(self, folder): ...
    def load(self, folder, *, device): ...

{target}.INFO = MethodInfo(name="{name}", title="Odd", family="outside", target="odd_plugin:{target}", reference="none")
"""


def bench(folder, module, *arguments, points=("INFO",)):
    """Run ``bench`` where a plugin of this module is installed, whose entry points are these."""
    site = folder / "site"
    information = site / "odd_plugin-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[survbench.methods]\n" + "".join(f"odd{n or ''} = odd_plugin:{point}\n" for n, point in enumerate(points))
    )
    (site / "odd_plugin.py").write_text(module)
    return subprocess.run(
        [sys.executable, "-m", "survbench.cli", *arguments],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("kind", IMPORT)
def test_row_29_a_plugin_that_cannot_be_imported_is_named_and_costs_nobody_else(tmp_path, kind):
    ended = bench(tmp_path, IMPORT[kind], "list", "--json")
    assert ended.returncode == 0, ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["deepmts"]["available"]
    assert not rows["odd"]["available"]
    assert "\x1b" not in ended.stdout


@pytest.mark.parametrize(
    ("module", "code", "said"),
    [
        ("raise KeyboardInterrupt", 130, "Stopped while plugin odd was imported."),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, "odd_plugin.py"),
    ],
)
def test_row_29_a_plugin_that_ends_the_command_is_named(tmp_path, module, code, said):
    ended = bench(tmp_path, module, "list", "--json")
    assert (ended.returncode, said in ended.stderr) == (code, True)


@pytest.mark.parametrize(
    "idiom",
    ["sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')", "sys.stdout.detach()", "sys.stdout.close()"],
)
def test_row_29_a_plugin_that_takes_its_output_apart_makes_no_command_mute(tmp_path, idiom):
    ended = bench(tmp_path, f"import io, os, sys; os.write(1, b'noise'); {idiom}\nINFO = None", "list", "--json")
    assert json.loads(ended.stdout)
    assert "Plugin odd printed while it was imported: noise" in ended.stderr


def test_row_5_a_stop_while_a_plugin_is_imported_is_one(tmp_path):
    module = "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
    ended = bench(tmp_path, module, "list", "--json")
    assert (ended.returncode, ended.stdout) == (143, "")
    assert "Stopped while plugin odd was imported." in ended.stderr


def test_row_29_what_a_plugin_prints_at_import_is_shortened(tmp_path):
    ended = bench(tmp_path, IMPORT["prints"], "list", "--json")
    assert "Plugin odd printed while it was imported: noise" in ended.stderr
    assert "12,000,001 bytes" in ended.stderr
    assert len(ended.stderr) < 2_000


def test_row_29_a_plugin_that_takes_long_to_import_is_named(tmp_path):
    ended = bench(tmp_path, "import time; time.sleep(8)\nINFO = None", "list", "--json")
    assert "Plugin odd is still being imported after 5 s" in ended.stderr
    assert json.loads(ended.stdout)


def test_row_29_a_run_of_all_methods_says_which_plugin_is_left_out(tmp_path):
    ended = bench(tmp_path, IMPORT["exits"], "run", "--methods", "volume", "--profile", "smoke", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "Plugin odd is left out" in ended.stderr


@pytest.fixture(scope="module")
def odd_fits(prepared, tmp_path_factory):
    """Return how a run with a method for each of FIT ended, and the rows of its board by method."""
    folder = tmp_path_factory.mktemp("odd")
    names = {kind: kind.replace(" ", "-") for kind in FIT}
    methods = {kind: METHOD.format(target=f"Odd{n}", name=names[kind], fit=FIT[kind][0]) for n, kind in enumerate(FIT)}
    points = [f"Odd{n}.INFO" for n in range(len(FIT))]
    wanted = ",".join(["volume", *names.values()])
    arguments = ("run", "--methods", wanted, "--profile", "smoke", "--out", str(prepared(folder / "out")))
    ended = bench(folder, "".join(methods.values()), *arguments, points=points)
    (board,) = (folder / "out").glob("studies/*/leaderboard.json")
    return ended, {row["method"]: row for row in json.loads(board.read_text(encoding="utf-8"))["rows"]}


@pytest.mark.parametrize("kind", FIT)
def test_row_29_whatever_a_fit_ends_with_is_stored(odd_fits, kind):
    row = odd_fits[1][kind.replace(" ", "-")]
    assert row["status"] == "failed"
    assert FIT[kind][1] in row["reason"]


def test_row_29_whatever_fits_end_with_the_others_finish(odd_fits):
    ended, rows = odd_fits
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert rows["volume"]["status"] == "ok"
    assert "Traceback" not in ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["../../x", "all", "@x", "a,b", "", "x" * 300, "Volume", "a--b"])
def test_row_29_names_that_no_option_can_take_are_refused(tmp_path, name):
    module = METHOD.format(target="Odd", name=name, fit="pass")
    rows = json.loads(bench(tmp_path, module, "list", "--json", points=["Odd.INFO"]).stdout)
    (odd,) = [row for row in rows if not row["available"]]
    assert "kebab case" in odd["reason"]
