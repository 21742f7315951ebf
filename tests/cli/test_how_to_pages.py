"""The how-to pages: their commands work in the order in which a reader types them.

Runs are made cheap (profile ``smoke``, two methods), and names of studies become those of the test; nothing else of a
command is changed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
NAME_ON_PAGE = re.compile(r"our-npc-quick-[0-9a-f]{8}")


def blocks(page, language="sh"):
    """Return the blocks of a page in a language, in their order."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no block in {language}"
    return [textwrap.dedent(block) for _indent, block in found]


def shell(commands, folder):
    """Run commands of a page, runs made cheap; return what they print."""
    commands = commands.replace("@radiomics,volume", "radiomics-lasso-cox,volume")
    cheap = re.sub(r"^bench run(?!.*--methods)", "bench run --methods volume,suvmax", commands, flags=re.MULTILINE)
    cheap = re.sub(r"^bench run", "bench run --profile smoke", cheap, flags=re.MULTILINE)
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "160",
    }
    ended = subprocess.run(
        ["sh", "-ec", cheap], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 0, f"{cheap}\n{printed}"
    return printed


def python(script, folder):
    """Run a script of a page; return what it prints."""
    ended = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{script}\n{ended.stderr}"
    return ended.stdout


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def wait_for(port, seconds=120):
    """Wait until something listens at a port of this machine."""
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def studies(folder, **protocol):
    """Return the names of the studies in a folder whose protocol says this, the last written at the end."""
    return [
        path.parent.name
        for path in sorted(folder.glob("bench-results/studies/*/study.json"), key=lambda path: path.stat().st_mtime)
        if protocol.items() <= read_json(path)["protocol"].items()
    ]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A folder with the cohorts ``our-npc`` and ``hospital-b``, whose cards are complete."""
    folder = tmp_path_factory.mktemp("how to")
    shell("bench cohort example patients", folder)
    (folder / "patients" / "hospital-a").rename(folder / "our-npc")
    (folder / "patients" / "hospital-b").rename(folder / "hospital-b")
    for name in ("our-npc", "hospital-b"):
        shell(f"bench cohort init {name} --table clinical.csv", folder)
    return folder


def test_two_hospitals_in_one_folder(tmp_path):
    page = "two-hospitals-in-one-folder.md"
    draft, check_and_run, whole_folder, to_try = blocks(page)
    (three_lines,) = blocks(page, "yaml")
    shell(to_try, tmp_path)
    shell(draft, tmp_path)
    card = yaml.safe_load((tmp_path / "our-npc" / "cohort.yaml").read_text(encoding="utf-8"))
    assert card.pop("centre") == "hospital"
    for_a = card | yaml.safe_load(three_lines)
    for_b = for_a | {"name": "hospital-b", "title": "Hospital B", "patients": {"where": {"hospital": ["B"]}}}
    for one in (for_a, for_b):
        (tmp_path / "our-npc" / f"{one['name']}.yaml").write_text(yaml.safe_dump(one), encoding="utf-8")

    printed = shell(check_and_run, tmp_path)

    (study,) = studies(tmp_path)
    described = read_json(tmp_path / "bench-results" / "studies" / study / "study.json")
    assert (described["cohort"]["patients"], described["external"]["patients"]) == (24, 8)
    assert "Hospital A" in printed
    shell(whole_folder, tmp_path)
    centres = [
        read_json(tmp_path / "bench-results" / "studies" / study / "study.json")["cohort"]["centres"]
        for study in studies(tmp_path)
    ]
    assert sorted(centres) == [1, 2]


def test_validate_externally(ours):
    page = "validate-externally.md"
    (run,) = blocks(page)
    shell(run.replace("hospital-a/", "our-npc/"), ours)
    (script,) = blocks(page, "python")
    assert {line.split()[0] for line in python(script, ours).splitlines()} >= {"volume", "suvmax"}


def test_predict_a_new_patient(ours):
    run, one, many, refit = blocks("predict-a-new-patient.md")
    shell(run, ours)
    printed = shell(one, ours)
    assert "Research use only" in printed
    assert (ours / "predictions" / "B001.html").is_file()
    shell(many.splitlines()[0], ours)
    assert len(list((ours / "predictions-b").glob("*_mask.nii.gz"))) == 8
    shell(many.splitlines()[1], ours)
    shell(refit, ours)
    written = read_json(ours / "predictions" / "predictions.json")
    assert [len(patient["by_model"]) for patient in written["patients"]] == [1] * 8


def test_tune_and_compare_with_the_untuned_method(ours):
    (tune,) = blocks("tune.md")
    shell(tune.replace("--tune nested", ""), ours)
    assert "site/tuning.html" in shell(tune, ours)
    tuned, plain = (studies(ours, tuning=how)[-1] for how in ("nested", "none"))
    (compare,) = blocks("tune.md", "console")
    names = iter((plain, tuned))
    printed = shell(NAME_ON_PAGE.sub(lambda _match: next(names), compare).removeprefix("$ "), ours)
    assert "tuning none" in printed
    assert "tuning nested" in printed


@pytest.fixture(scope="module")
def ran(ours):
    """The folder with a study of three methods."""
    shell("bench run --cohort our-npc/ --methods radiomics-lasso-cox,volume,deepmts", ours)
    return ours


def test_read_the_board(ran):
    (ask,) = blocks("read-the-board.md")
    assert "deepmts" in shell(ask, ran)


def test_share_a_study(ran, tmp_path):
    packing, for_reviewers, elsewhere, across, with_pseudonyms, same_folds = blocks("share-a-study.md")
    assert "SHA-256" in shell(packing, ran)
    assert "pseudonyms" in shell(for_reviewers.replace("~/keys", str(tmp_path)), ran)
    assert "volume@study.zip" in shell(across, ran)
    on_the_server = " --tracking-uri http://server:5077"
    assert on_the_server in with_pseudonyms
    shell(with_pseudonyms.replace("~/keys", str(tmp_path)).replace(on_the_server, ""), ran)
    (ran / "study.zip").rename(tmp_path / "study.zip")
    printed = shell(elsewhere.replace("bench ui ", "bench ui --only-track "), tmp_path)
    assert "nothing differs" in printed
    assert "volume" in printed

    study = studies(ran)[-1]
    (tmp_path / "splits.json").write_bytes((ran / "bench-results" / "studies" / study / "splits.json").read_bytes())
    (tmp_path / "our-npc").symlink_to(ran / "our-npc")
    shell(same_folds, tmp_path)
    both = (
        read_json(tmp_path / "splits.json"),
        read_json(tmp_path / "bench-results" / "studies" / studies(tmp_path)[-1] / "splits.json"),
    )
    assert both[0]["folds"] == both[1]["folds"]


def test_use_mlflow(ours):
    open_pages, serve, bring = blocks("use-mlflow.md")
    assert open_pages == "bench ui\n"
    (script,) = blocks("use-mlflow.md", "python")
    shell("bench run --cohort our-npc/ --external hospital-b/", ours)  # the script shows external C, too
    assert "volume" in python(script, ours)
    server = subprocess.Popen(
        [f"{Path(sys.executable).parent}/{serve.split()[0]}", *serve.split()[1:], "--workers", "1"],
        cwd=ours,
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # that, too, starts several processes
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(5077)
        shell(bring.replace("server:5077", "127.0.0.1:5077"), ours)
        shared = script.replace("sqlite:///bench-results/mlflow.db", "http://127.0.0.1:5077")
        assert "volume" in python(shared, ours)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
