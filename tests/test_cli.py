"""The command line as a user meets it: exit codes, first lines, suggestions."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
from cohort_folder import write_cohort, write_image
from survbench.cli.comparison import IN_JSON

VERBS = [
    ["run"],
    ["list"],
    ["info"],
    ["status"],
    ["logs"],
    ["validate"],
    ["cohort", "init"],
    ["features", "list"],
    ["features", "describe"],
    ["features", "extract"],
    ["leaderboard", "build"],
    ["compare"],
    ["selection"],
    ["import-risks"],
    ["null-check"],
    ["masks"],
    ["track"],
    ["ui"],
    ["test"],
    ["new"],
    ["doctor"],
]


def bench(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "survbench.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=300,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Return the output folder of one finished run through the command line."""
    folder = tmp_path_factory.mktemp("cli")
    ended = bench("run", "--profile", "smoke", "--methods", "volume,tlg,clinical-cox,oracle", "--out", folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (folder / "stdout.txt").write_text(ended.stdout)
    return folder


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself_with_examples(verb):
    ended = bench(*verb, "--help")
    assert ended.returncode == 0
    assert "Examples" in ended.stdout
    assert f"bench {' '.join(verb)}" in ended.stdout


def test_a_run_tells_plan_progress_board_and_where_things_lie(out):
    text = (out / "stdout.txt").read_text()
    assert "Prepare   phantom: 24/24 patients" in text
    assert ["16 jobs: 0 cached, 8", "... "][0] in text
    assert "[16/16, 0 s left]" in text
    assert "oracle" in text
    assert "leaderboard.html" in text


def test_dry_run_says_what_is_cached_to_do_and_skipped(out):
    ended = bench("run", "--profile", "smoke", "--methods", "volume,suvmax", "--out", out, "--dry-run")
    assert ended.returncode == 0
    assert "8 jobs: 4 cached, 2 to fit, 2 to predict" in ended.stdout


def test_status_counts_jobs_by_method(out):
    rows = json.loads(bench("status", "--out", out, "--json").stdout)
    assert {r["method"]: r["states"] for r in rows}["volume"] == {"ok": 4}


def test_logs_show_how_a_job_ended(out):
    ended = bench("logs", "volume", "--out", out)
    assert ended.returncode == 0
    assert "volume seed 0 fold 0: ok" in ended.stdout


def test_compare_gives_difference_interval_p_and_patients(out):
    ended = bench("compare", "tlg", "clinical-cox", "--out", out, "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["ci_low"] <= result["difference"] <= result["ci_high"]
    assert set(result["p"]) == {"bootstrap", "jackknife", "compareC", "permutation"}
    # the keys of --csv, and what only a study knows
    assert set(result) == {*IN_JSON, "a", "b", "excluded", "folds", "patients", "reasons"}
    shown = bench("compare", "tlg", "clinical-cox", "--out", out)
    assert "difference (tlg - clinical-cox) of Harrell's C-index" in shown.stdout
    assert "C by fold" in shown.stdout
    assert all(patient["id"] in shown.stdout for patient in result["patients"])


def test_selection_tells_what_every_fit_made_of_the_columns(out):
    ended = bench("selection", "clinical-cox", "--out", out, "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [(f["seed"], f["fold"]) for f in result["fits"]] == [(0, 0), (0, 1)]
    assert all(len(c["weights"]) == 2 and c["kept"] <= 2 for c in result["columns"])
    assert len(result["columns"]) <= result["candidates"]
    shown = bench("selection", "clinical-cox", "--out", out)
    assert shown.stdout.splitlines()[0].endswith("(selection last, tuning none)")
    assert shown.stdout.splitlines()[1].startswith("clinical-cox: 2 fits kept")
    (folder,) = (out / "studies").glob("*/selection")
    assert sorted(p.name for p in folder.iterdir()) == ["clinical-cox.csv", "clinical-cox.svg"]
    refused = bench("selection", "volume", "--out", out)
    assert refused.returncode == 2
    assert "volume does not tell which features it keeps" in refused.stderr


def test_risks_of_another_program_get_a_row_and_a_wrong_file_ends_with_2(out, tmp_path):
    import shutil

    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    (splits,) = (copy / "studies").glob("*/splits.json")
    ids = [i for fold in json.loads(splits.read_text())["folds"] for i in fold]
    risks = tmp_path / "risks.csv"
    risks.write_text("id,risk\n" + "".join(f"{i},{n % 5}\n" for n, i in enumerate(ids)))
    ended = bench("import-risks", risks, "--name", "cox-in-r", "--out", copy)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("cox-in-r is on the board of phantom-smoke-")
    assert "cox-in-r" in (splits.parent / "leaderboard.md").read_text()
    again = bench("track", "--out", copy)
    assert again.returncode == 0, again.stderr
    risks.write_text("id,risk\n" + f"{ids[0]},1\n")
    refused = bench("import-risks", risks, "--name", "cox-in-r", "--out", copy)
    assert refused.returncode == 2
    assert f"{len(ids) - 1} of phantom have no risk" in refused.stderr


def test_the_board_is_rebuilt_from_stored_runs_alone(out):
    (board,) = (out / "studies").glob("*/leaderboard.json")
    before = board.read_bytes()
    board.unlink()
    ended = bench("leaderboard", "build", "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert board.read_bytes() == before


def test_tracking_again_adds_nothing(out):
    ended = bench("track", "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert ": 0 new and" in ended.stdout


def test_lists_are_machine_readable():
    methods = json.loads(bench("list", "methods", "--json").stdout)
    assert {"name", "family", "available"} <= set(methods[0])
    assert "deepmts" in {m["name"] for m in methods}
    for what in ("cohorts", "profiles", "metrics"):
        assert all("name" in row for row in json.loads(bench("list", what, "--json").stdout))


def test_every_metric_that_is_listed_is_where_the_list_says(out):
    (path,) = (out / "studies").glob("*/leaderboard.json")
    compared = json.loads(bench("compare", "volume", "tlg", "--out", out, "--json").stdout)
    places = {"leaderboard.json": json.loads(path.read_text())["rows"][0], "bench compare": compared}
    for metric in json.loads(bench("list", "metrics", "--json").stdout):
        if metric["where"] in places:
            found = places[metric["where"]]
            for key in metric["name"].split("."):
                found = found[key]
        else:
            assert callable(getattr(importlib.import_module(metric["where"]), metric["name"]))


def test_info_counts_the_parameters_of_deepmts():
    info = json.loads(bench("info", "deepmts", "--json").stdout)
    assert info["parameters"] == 3_709_672
    assert info["buffers"] == 14_600


def test_doctor_names_versions_and_devices():
    names = {c["name"] for c in json.loads(bench("doctor", "--json").stdout)}
    assert {"python", "torch", "GPU", "disk", "methods"} <= names


def test_feature_sets_are_listed_with_their_count_and_bins():
    ended = bench("features", "list")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0].split()[:6] == ["paper", "1456", "features", "32", "grey", "levels"]
    rows = json.loads(bench("features", "list", "--json").stdout)
    assert {r["name"]: r["features"] for r in rows} == {"paper": 1456, "paper-fixed-width": 1456, "pyradiomics": 1436}


def test_a_feature_set_is_described_with_names_settings_and_reason():
    ended = bench("features", "describe", "paper-fixed-width")
    assert ended.returncode == 0
    assert ended.stdout.startswith("paper-fixed-width: The same 1456 features, grey levels of 25 HU and 0.25 SUV\n")
    assert "glcm        24: Autocorrelation, " in ended.stdout
    assert json.loads(bench("features", "describe", "pyradiomics", "--json").stdout)["count"] == 1436


def test_features_of_a_cohort_are_written_and_a_patient_that_fails_is_named(tmp_path):
    folder = write_cohort(tmp_path / "toy", 3)
    write_image(folder / "images" / "P01_mask.nii.gz", np.zeros((16, 16, 16), dtype=np.uint8))
    arguments = ("features", "extract", folder, "--profile", "smoke", "--out", tmp_path / "out")
    ended = bench(*arguments, "--to", "toy.csv", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.splitlines()[0] == "Prepare   toy: 0/3 patients"
    assert "Features  paper: 2 patients x 1456 features, 32 grey levels; 0 from the cache" in ended.stdout
    assert "Failed    P01: " in ended.stdout
    assert (tmp_path / "toy-report.csv").read_text().startswith("finding,subject,feature,detail\n")
    accepted = bench(*arguments, "--skip-bad", "--json", cwd=tmp_path)
    assert accepted.returncode == 0
    told = json.loads(accepted.stdout)
    assert (told["patients"], told["cached"], list(told["failed"])) == (2, 2, ["P01"])
    assert (tmp_path / told["table"]).name == "toy-paper.parquet"
    (folder / "images" / "P01_mask.nii.gz").unlink()
    assert bench(*arguments).returncode == 2, "what can be seen before preparing is an error, as in bench run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--methods", "deepmst"], "Unknown method 'deepmst'. Did you mean 'deepmts'"),
        (["run", "--profile", "quik"], "Unknown profile 'quik'. Did you mean 'quick'?"),
        (["run", "--cohort", "fantom"], "Unknown cohort 'fantom'. Did you mean 'phantom'"),
        (["info", "tgl"], "Unknown method 'tgl'. Did you mean 'tlg'"),
        (["run", "--methods", "@radiomic"], "Did you mean '@radiomics'"),
        (["run", "--splits", "none.json"], "There is no splits file none.json"),
        (["status", "--jsn"], "No such option"),
        (["compare", "volume", "tlg"], "Start one with 'bench run'"),
        (["run", "--methods", "volume", "--out", "/proc/none"], "cannot be made"),
        (["new", "Bad Name"], "Use kebab case"),
        (["features", "describe", "papr"], "Unknown feature set 'papr'. Did you mean 'paper'"),
        (["features", "extract", "phantom", "--set", "pyradiomic"], "Unknown feature set 'pyradiomic'. Did you mean"),
        (["features", "extract", "phantom", "--to", "a.xlsx"], "Give a file that ends in .parquet or .csv"),
        (["ui", "--host", "0.0.0.0"], "--expose-without-login"),  # noqa: S104
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(arguments, message, tmp_path):
    ended = bench(*arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert message in " ".join(ended.stderr.replace("│", " ").split())
    assert "Traceback" not in ended.stderr


def test_a_failed_job_ends_with_1_and_names_its_log(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "plugins"))
    ended = bench("run", "--profile", "smoke", "--methods", "raises,volume", "--out", tmp_path)
    assert ended.returncode == 1
    assert "RuntimeError: this method always fails" in ended.stdout
    assert "bench logs" in ended.stdout
    shown = bench("logs", "raises", "--out", tmp_path)
    assert "this method always fails" in shown.stdout


def test_a_full_disk_ends_with_a_sentence(monkeypatch, capsys):
    from survbench import cli

    def full():
        raise OSError(28, "2,048 bytes cannot be written (No space left on device)", "/results/run.json")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    expected = (
        "Error: 2,048 bytes cannot be written (No space left on device) (/results/run.json). What is done is kept;"
    )
    assert capsys.readouterr().err.startswith(expected)
