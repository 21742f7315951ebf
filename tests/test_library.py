"""``import survbench``: from scripts, modules, notebooks and beside a clone; the same as the command line."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import survbench as sb
from survbench.cli.run import run as command
from survbench.plan.code_key import closure
from survbench.results import Leaderboard

ROOT = Path(__file__).parents[1]
STORED = ROOT / "leaderboard" / "results" / "phantom-smoke"
PAGE = ROOT / "docs" / "how-to" / "use-from-python.md"
OURS = {"PYTHONSAFEPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"}
PLUGIN = """
import numpy as np
from survbench import MethodInfo

class Constant:
    def fit(self, train, *, validation, ctx):
        return self
    def predict_risk(self, cohort):
        return np.arange(len(cohort.subjects)) + 0.0
    def save(self, folder):
        pass
    def load(self, folder, *, device):
        return self

INFO = MethodInfo(name="beside", title="Beside", family="outside", target="beside:Constant", reference="none")
"""


def started(folder, *arguments):
    """Run Python in a folder as a user does, without what our tests and our command set for their processes."""
    environment = {name: value for name, value in os.environ.items() if name not in {*OURS, "PYTHONPATH"}}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder in which the script of the documentation has run, with what it printed in ``stdout.txt``."""
    folder = tmp_path_factory.mktemp("python")
    script = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    assert "__main__" not in script
    (folder / "script.py").write_text(script)
    (folder / "stdout.txt").write_text(started(folder, "script.py"))
    return folder


def test_a_script_without_a_main_guard_runs_once_and_prints_its_own_words_alone(finished):
    text = (finished / "stdout.txt").read_text()
    study = sb.load_study(finished / "results")
    frame, compared = study.board.to_frame(), sb.compare(study, "clinical-cox", "volume")
    expected = [
        str(study),
        str(frame[["method", "c_index", "c_index_low", "c_index_high"]]),
        *(f"{finding.code} {finding.text}" for finding in study.findings),
        str(compared),
        f"{compared.difference} {compared.interval} {compared.p['permutation']}",
    ]
    assert text == "\n".join(expected) + "\n"
    assert set(frame["method"]) == {"clinical-cox", "volume", "tlg"}
    assert set(frame["status"]) == {"ok"}


def test_the_command_line_finds_what_a_script_has_done_and_compares_alike(finished):
    shown = started(
        finished, "-m", "survbench.cli", "run", "--methods", "clinical-cox,volume", "--profile", "smoke",
        "--out", "results", "--dry-run", "--json",
    )  # fmt: skip
    assert json.loads(shown)["to_do"] == []
    told = json.loads(
        started(finished, "-m", "survbench.cli", "compare", "volume", "tlg", "--out", "results", "--json")
    )
    compared = sb.compare(sb.load_study(finished / "results"), "volume", "tlg")
    assert (compared.difference, *compared.interval) == (told["difference"], told["ci_low"], told["ci_high"])
    assert compared.p == told["p"]


def test_a_run_follows_into_mlflow_and_leaves_the_environment_alone(finished):
    assert (finished / "results" / "mlflow.db").is_file()
    code = f"""
import os
names = {sorted(OURS)}
import survbench as sb
sb.run("suvmax", profile="smoke", out="results")
print([name for name in names if name in os.environ])
"""
    (finished / "environment.py").write_text(code)
    assert started(finished, "environment.py") == "[]\n"


@pytest.mark.slow
def test_a_module_beside_the_script_starts_runs_of_a_method_that_is_edited_in_between(finished):
    (finished / "beside.py").write_text(PLUGIN)
    information = finished / "beside-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: beside\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[survbench.methods]\nbeside = beside:INFO\n")
    (finished / "helper.py").write_text(
        "import survbench as sb\n\n"
        "def c_index():\n"
        "    frame = sb.run(['beside'], profile='smoke', out='results').board.to_frame().set_index('method')\n"
        "    return float(frame.loc['beside', 'c_index'])\n"
    )
    (finished / "caller.py").write_text(
        "from pathlib import Path\n"
        "from helper import c_index\n"
        "first = c_index()\n"
        "code = Path('beside.py').read_text()\n"
        "Path('beside.py').write_text(code.replace('return np.arange', 'return -np.arange'))\n"
        "print(round(first + c_index(), 6))\n"
    )
    # the edit turns all risks round
    assert started(finished, "caller.py") == "1.0\n"


def test_a_study_is_found_by_a_path_that_leads_up_and_a_method_is_not_compared_with_itself(finished, monkeypatch):
    folder = sb.load_study(finished / "results").folder
    monkeypatch.chdir(folder / "site")
    study = sb.load_study("..")
    assert study.folder == folder
    assert sb.compare(study, "volume", "tlg").difference
    with pytest.raises(sb.BenchError, match="volume would be compared with itself"):
        sb.compare(study, "volume", f"volume@{study.name}")


@pytest.mark.slow
def test_runs_that_threads_start_in_one_folder_follow_one_another(finished):
    (finished / "threads.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import survbench as sb\n"
        "def rows(method):\n"
        "    return len(sb.run(method, profile='smoke', out='threads').board.rows)\n"
        "with ThreadPoolExecutor() as pool:\n"
        "    print(sorted(pool.map(rows, ['volume', 'tlg'])))\n"
    )
    assert started(finished, "threads.py") == "[1, 2]\n"


@pytest.mark.slow
def test_a_notebook_runs_jobs_and_shows_tables(finished):
    cells = [
        "import survbench as sb",
        "study = sb.run(['oracle', 'volume'], profile='smoke', out='results')\nstudy",
        "study.board",
        "sb.compare(study, 'volume', 'oracle')",
    ]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
    notebook["cells"] = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": []} for text in cells]
    (finished / "notebook.ipynb").write_text(json.dumps(notebook))
    (finished / "shell.py").write_text(
        "import json\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shown = []\n"
        "for cell in json.load(open('notebook.ipynb'))['cells']:\n"
        "    ran = shell.run_cell(cell['source'])\n"
        "    ran.raise_error()\n"
        "    shown.append(shell.display_formatter.format(ran.result)[0] if ran.result is not None else {})\n"
        "print(json.dumps(shown))\n"
    )
    shown = json.loads(started(finished, "-c", "exec(open('shell.py').read())").splitlines()[-1])
    texts, tables = ([cell.get(kind, "") for cell in shown] for kind in ("text/plain", "text/html"))
    assert [text.split()[0] for text in texts[1:]] == ["Study", "Leaderboard", "volume"]
    assert [table.count("<table>") for table in tables] == [0, 1, 1, 1]
    assert "<td>oracle</td>" in tables[1]
    assert "http" not in "".join(tables)


@pytest.fixture
def clone(tmp_path):
    """Return a folder ``survbench`` that holds what Python sees of a clone."""
    folder = tmp_path / "survbench"
    folder.mkdir()
    shutil.copy(ROOT / "__init__.py", folder)
    for room in ("benchmark", "datasets", "features", "leaderboard", "models"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "results"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("inside", [False, True], ids=["beside the clone", "in the clone"])
def test_a_script_where_a_clone_lies_runs_the_installed_package(clone, inside):
    folder = clone if inside else clone.parent
    (folder / "script.py").write_text(
        "import survbench as sb\n"
        "frame = sb.run('volume', profile='smoke', out='results').board.to_frame()\n"
        "print(sb.__file__, *frame['status'])\n"
    )
    assert started(folder, "script.py") == f"{sb.__file__} ok\n"


def test_a_link_to_a_clone_hides_nothing_and_a_python_without_survbench_is_told_so(tmp_path):
    (tmp_path / "survbench").symlink_to(ROOT)
    code = "import survbench, survbench.models; from survbench import run; print(survbench.__file__)"
    assert started(tmp_path, "-c", code) == f"{sb.__file__}\n"
    # -S leaves out what is installed
    bare = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in OURS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{tmp_path / 'survbench'} is a clone of survbench, and survbench is not installed in" in bare.stderr


def test_a_frame_has_the_columns_and_the_numbers_of_the_csv():
    frame, table = sb.load_study(STORED).board.to_frame(), pd.read_csv(STORED / "leaderboard.csv")
    assert list(frame.columns) == list(table.columns)
    assert list(frame["method"]) == list(table["method"])
    numbers = [name for name in frame if pd.api.types.is_float_dtype(frame[name])]
    assert {"c_index", "rank", "p_holm", "dice", "auc_12", "calibration_ratio_36", "published_c_index"} <= set(numbers)
    pd.testing.assert_frame_equal(frame[numbers], table[numbers].astype(float), check_exact=True)


def test_options_have_the_names_and_the_defaults_of_the_command():
    def options(function, *left_out):
        found = {n: p.default for n, p in inspect.signature(function).parameters.items() if n not in left_out}
        return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}

    assert options(sb.run, "progress") == options(command, "dry_run", "as_json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "deepmst"}, "Unknown method 'deepmst'. Did you mean 'deepmts'"),
        ({"methods": ["volume", "@radiomic"]}, "Unknown group of methods '@radiomic'"),
        ({"methods": []}, "names no method"),
        ({"data": "here"}, "phantom is made by survbench and needs no data. Leave out --data"),
        ({"cohort": "fantom"}, "Unknown cohort 'fantom'"),
        ({"profile": "quik"}, "Unknown profile 'quik'"),
        ({"selection": "best"}, "Unknown value of selection 'best'. Known: inner, last, paper"),
        ({"tune": "nest"}, "Unknown value of tune 'nest'. Did you mean 'nested'"),
        ({"device": "gpu"}, "Unknown value of device 'gpu'. Did you mean 'cpu'"),
        ({"seeds": 0}, "seeds is 0; it must be at least 1"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
        ({"ignore": ["SB306", ""]}, "ignore: a code is missing"),
        ({"splits": "none.json"}, "There is no splits file none.json"),
        ({"out": "/proc/none"}, "/proc/none cannot be made"),
        ({"methods": None}, "methods is None; it must be names of methods ('bench list methods')"),
        ({"methods": [sb.MethodInfo]}, "an entry of methods is of type type; it must be names of methods"),
        ({"cohort": pd.DataFrame({"id": ["a"]})}, "cohort is of type DataFrame; it must be a name or a path"),
        ({"profile": {"folds": 3}}, "profile is of type dict; it must be a name or a path"),
        ({"splits": [["a"], ["b"]]}, "splits is of type list; it must be a path"),
        ({"seeds": "3"}, "seeds is '3'; it must be a whole number"),
        ({"workers": 1.5}, "workers is 1.5; it must be a whole number"),
        ({"ignore": [206]}, "an entry of ignore is 206; it must be codes of findings"),
        ({"tracking_uri": 3}, "tracking_uri is 3; it must be the address of an MLflow server"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_wrong_input_raises_and_says_what_is_allowed(tmp_path, capsys, options, message):
    with pytest.raises(sb.BenchError, match=re.escape(message)):
        sb.run(**{"methods": "volume", "profile": "smoke", "out": tmp_path, **options})
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(sb.BenchError, match=f"{tmp_path} cannot be written"):
        sb.run("volume", profile="smoke", out=tmp_path)


def test_what_cannot_be_loaded_or_compared_says_what_to_do(tmp_path):
    with pytest.raises(sb.BenchError, match="There is no study under"):
        sb.load_study(tmp_path)
    with pytest.raises(sb.BenchError, match="path is None; it must be a path"):
        sb.load_study(None)
    with pytest.raises(sb.BenchError, match="lies outside an output folder"):
        sb.compare(sb.load_study(STORED), "volume", "tlg")
    with pytest.raises(sb.BenchError, match="study is of type PosixPath; it must be what sb.run"):
        sb.compare(STORED, "volume", "tlg")
    with pytest.raises(sb.BenchError, match="b is of type Row; it must be the name of a method"):
        sb.compare(sb.load_study(STORED), "volume", sb.load_study(STORED).board.rows[0])
    stopped = tmp_path / "studies" / sb.load_study(STORED).name
    stopped.mkdir(parents=True)
    shutil.copy(STORED / "study.json", stopped)
    with pytest.raises(sb.BenchError, match=f"'bench study board .* --out {tmp_path}'"):
        sb.load_study(tmp_path)


def test_a_notebooks_table_shows_text_as_text():
    content = sb.load_study(STORED).board.content
    rows = (replace(content.rows[0], method="<b>bold</b>"), *content.rows[1:])
    html = Leaderboard(replace(content, rows=rows))._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>" not in html


def test_importing_loads_nothing_and_every_name_loads_neither_torch_nor_pandas():
    code = (
        "import sys; import survbench; print({'numpy', 'survbench.exports'} & set(sys.modules) or '-'); "
        "from survbench.exports import __all__; [getattr(survbench, n) for n in __all__]; "
        "print({'torch', 'pandas', 'scipy', 'sklearn', 'mlflow', 'typer', 'rich'} & set(sys.modules) or '-'); "
        "print(set(__all__) <= set(dir(survbench)), hasattr(survbench, 'nothing'))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["-", "-", "True False"]


@pytest.mark.parametrize("job", ["fit", "predict", "tune"])
def test_no_job_depends_on_the_library_and_all_that_a_method_may_take_is_in_its_key(job):
    covered = set(closure(f"survbench.work.{job}"))
    assert {"survbench.exports", "survbench.library", "survbench.results"} & covered == set()
    offered = {getattr(sb, name).__module__ for name in ("MethodInfo", "Subject", "BenchError", "Real", "Volume")}
    assert offered == {f"survbench.{name}" for name in ("api", "cohort", "errors", "space", "volume")}
    assert offered <= covered
