"""The key of a job, and the freshness of a board, cover the code that makes them, and no other."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "benchmark": "",
    "datasets": "datasets",
    "features": "features",
    "leaderboard": "leaderboard",
    "models": "models",
}
ROOTS = {
    "fit of DeepMTS": ("survbench.work.fit", "survbench.models.networks.deepmts.method"),
    "fit of Lasso-Cox": ("survbench.work.fit", "survbench.models.learners.lasso_cox"),
    "search": ("survbench.work.tune", "survbench.models.learners.forest"),
    "external prediction": ("survbench.work.predict", "survbench.models.networks.mdsn"),
    "board": ("survbench.actions.build",),
}
EDITS = """
import json, sys
from pathlib import Path
import grimp
from survbench.plan import code_key

roots, root = json.loads(sys.argv[1]), Path(sys.argv[2])
assert Path(code_key.__file__).is_relative_to(root), code_key.__file__
graph = grimp.build_graph("survbench", exclude_type_checking_imports=True)
modules = sorted(graph.modules)

def path_of(name):
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

found = {}
for what, names in roots.items():
    inside = set(names)
    for name in names:
        inside |= graph.find_upstream_modules(name)
    inside |= {".".join(n.split(".")[:k]) for n in inside for k in range(1, n.count(".") + 1)}
    while True:  # the packages that hold them run, too, and what these import
        more = {up for n in inside for up in graph.find_upstream_modules(n)} - inside
        if not more:
            break
        inside |= more
    fingerprint = code_key.code_and_data_fingerprint if what == "board" else code_key.code_fingerprint
    texts = {name: path_of(name).read_text(encoding="utf-8") for name in modules}

    def after(*edited):
        for name in edited:
            path_of(name).write_text(texts[name] + "# edited\\n", encoding="utf-8")
        # an edit of a comment changes no import, and to read all imports again takes most of the time
        for cached in (code_key.code_fingerprint, code_key.code_and_data_fingerprint, code_key._content):
            cached.cache_clear()
        key = fingerprint(*names)
        for name in edited:
            path_of(name).write_text(texts[name], encoding="utf-8")
        return key

    before, outside = after(), sorted(set(modules) - inside)
    found[what] = {
        "inside": len(inside),
        "outside": len(outside),
        "unseen": [name for name in sorted(inside) if after(name) == before],
        "needless": [] if after(*outside) == before else [name for name in outside if after(name) != before],
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a folder with a copy of the package as the wheel lays it out, to be edited."""
    root = tmp_path_factory.mktemp("edited")
    for folder, name in FOLDERS.items():
        shutil.copytree(
            ROOT / folder,
            root / "survbench" / name,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__", "results"),
        )
    return root


def run(package, script, *arguments):
    command = [sys.executable, "-c", script, *arguments]
    ended = subprocess.run(command, cwd=package, env=_environment(package), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _environment(package):
    return {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def edits(package):
    """Edit every module in turn and return which edits changed each key, against the imports that grimp reads."""
    return json.loads(run(package, EDITS, json.dumps(ROOTS), str(package)))


@pytest.mark.parametrize("what", ROOTS)
def test_an_edit_of_each_module_that_runs_changes_the_key(edits, what):
    assert edits[what]["inside"] > 20
    assert not edits[what]["unseen"]


@pytest.mark.parametrize("what", ROOTS)
def test_an_edit_of_no_other_module_changes_the_key(edits, what):
    assert edits[what]["outside"] > 20
    assert not edits[what]["needless"]


LOADED = """
import json, sys
from pathlib import Path
from survbench.actions.request import Request
from survbench.actions.planning import open_request, plan_study, prepare_cohorts
from survbench.actions.watcher import Silent
from survbench.plan.profile import load_profile
from survbench.runs.store import Store

request = Request(profile=load_profile("smoke"), methods=sys.argv[2], out=Path(sys.argv[1]), workers=1)
cohorts, infos = open_request(request)
if sys.argv[3] == "plan":
    prepare_cohorts(cohorts, request, Silent())
    jobs = plan_study(cohorts, infos, request, Store(request.out)).plan.jobs
    print(next(job for job in jobs if job.kind == "fit").model_dump_json())
"""
WORKS = """
import json, sys
from pathlib import Path
from survbench.plan.job import job_from_json
from survbench.runs.follow_up import FollowUp
from survbench.runs.completion import complete
from survbench.runs.store import Store
from survbench.work.fit import run_fit

job, follow_up = job_from_json(json.loads(sys.argv[2])), FollowUp(json.loads(sys.argv[3]))
left = run_fit(job, sys.argv[1], follow_up.only(job.outcomes_of))
complete(Store(Path(sys.argv[1])), job, follow_up, left)
print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] == "survbench")))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("radiomics-lasso-cox", "survbench.models.learners.lasso_cox"),
        ("mdsn", "survbench.models.networks.mdsn"),
    ],
)
def test_what_a_fit_has_loaded_is_what_its_key_covers(package, tmp_path, method, target):
    job = run(package, LOADED, str(tmp_path), method, "plan")
    outcomes = (tmp_path / "cohorts" / json.loads(job)["cohort"] / "outcomes.json").read_text()
    loaded = set(json.loads(run(package, WORKS, str(tmp_path), job, outcomes).splitlines()[-1]))
    script = "import json, sys; from survbench.plan.code_key import closure; print(json.dumps(closure(*sys.argv[1:])))"
    covered = set(json.loads(run(package, script, "survbench.work.fit", target)))
    assert loaded
    assert loaded <= covered


def test_a_board_is_built_anew_when_a_template_or_a_style_sheet_changes(package):
    script = (
        "import sys; from pathlib import Path; from survbench.plan import code_key as k\n"
        "f = lambda: (k.clear(), k.code_and_data_fingerprint('survbench.actions.build'))[1]\n"
        "before = f()\n"
        "for name in sys.argv[1:]:\n"
        "    path = Path('survbench') / name; text = path.read_text(); path.write_text(text + ' ')\n"
        "    assert f() != before, name\n"
        "    path.write_text(text)\n"
        "assert f() == before\n"
    )
    run(
        package,
        script,
        "leaderboard/site/templates/board.html.j2",
        "leaderboard/site/static/site.css",
        "leaderboard/paper/published_patients.yaml",
        "plan/contrasts.yaml",
    )


def test_a_page_and_a_test_of_significance_stand_in_no_fit(package):
    script = "import sys; from survbench.plan.code_key import closure; print(*closure(*sys.argv[1:]), sep='\\n')"
    inside = set(run(package, script, *ROOTS["fit of DeepMTS"]).split())
    rooms = {".".join(name.split(".")[:2]) for name in inside}
    assert not rooms & {
        f"survbench.{room}" for room in ("actions", "cli", "evaluation", "jobs", "leaderboard", "testing", "tracking")
    }
    assert not inside & {"survbench.statistics.paired_tests", "survbench.statistics.significance"}
