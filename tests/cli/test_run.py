"""``bench run`` and what works on a finished run."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from survbench.cli.compare import IN_JSON
from survbench.errors import BenchError, UnknownNameError
from survbench.plan.registry import registry

OURS = {name for name, info in registry().methods.items() if info.in_all}
PLUGINS = Path(__file__).parents[1] / "plugins"


def selected(wanted):
    return {m.name for m in registry().select(wanted)}


def test_a_part_with_a_minus_leaves_methods_out():
    assert selected("all,-dlpm") == selected("-dlpm") == OURS - {"dlpm"}
    assert selected("-@marker, -dlpm") == OURS - {"dlpm", "volume", "tlg", "suvmax", "lesions", "dmax"}
    assert selected("-tlg,@marker,deepmts") == {"volume", "suvmax", "lesions", "dmax", "deepmts"}
    assert selected("volume,-dlpm") == {"volume"}


def test_what_is_left_out_must_exist_and_leave_something():
    with pytest.raises(UnknownNameError, match="Unknown method 'dlmp'. Did you mean 'dlpm'"):
        selected("all,-dlmp")
    with pytest.raises(UnknownNameError, match="Did you mean '@marker'"):
        selected("-@markers")
    for nothing in ("dlpm,-dlpm", "-all", "@marker,-@marker"):
        with pytest.raises(BenchError, match=f"'{nothing}' leaves no method: all that it chooses is left out with '-'"):
            selected(nothing)
    with pytest.raises(BenchError, match="names no method"):
        selected(",")


@pytest.mark.parametrize(
    "given",
    [
        ["--methods=@marker,-tlg"],
        ["--methods", "@marker,-tlg"],
        ["--methods", "-tlg,@marker"],
    ],
    ids=" ".join,
)
def test_a_minus_in_methods_is_no_option(bench, tmp_path, given):
    ended = bench("run", *given, "--profile", "smoke", "--out", tmp_path, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "8 jobs: 0 cached, " in ended.stdout
    assert "4 to fit, 4 to predict" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "deepmst"], "Error: Unknown method 'deepmst'. Did you mean 'deepmts'"),
        (["--methods", "-dlmp"], "Error: Unknown method 'dlmp'. Did you mean 'dlpm'"),
        (["--methods", "@radiomic"], "Error: Unknown group of methods '@radiomic'. Did you mean '@radiomics'"),
        (["--profile", "quik"], "Error: Unknown profile 'quik'. Did you mean 'quick'?"),
        (["--cohort", "fantom"], "Error: Unknown cohort 'fantom'. Did you mean 'phantom'"),
        (["--splits", "none.json"], "Error: There is no splits file none.json"),
        (["--methods", "volume", "--out", "~nobody-of-this-name/x"], "Error: --out is '~nobody-of-this-name/x', and"),
        (["--methods", "volume", "--external", ""], "Error: external is an empty text"),
        (["--methods", "volume", "--seeds", "100000000"], "Error: seeds is 100000000; it must be at least 1"),
        (["--methods", "volume", "--out", "/proc/none"], "Error: /proc/none cannot be made"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(bench, arguments, message):
    ended = bench("run", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(message)


def test_a_failed_job_ends_with_1_and_names_its_log(process, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    ended = process("run", "--profile", "smoke", "--methods", "raises,volume", "--out", prepared(tmp_path))
    assert ended.returncode == 1
    assert "RuntimeError: this method always fails" in ended.stdout
    assert "; see 'bench status " in ended.stdout
    shown = process("status", "raises", "--out", tmp_path)
    assert "this method always fails" in shown.stdout


def test_a_run_tells_plan_board_and_where_things_lie(finished):
    text = (finished / "stdout.txt").read_text()
    assert text.startswith("Study     phantom-smoke-")
    assert "16 jobs: 0 cached, " in text
    assert "oracle" in text
    assert "leaderboard.html" in text


def test_dry_run_says_what_is_cached_to_do_and_skipped(bench, finished):
    arguments = ("run", "--profile", "smoke", "--methods", "volume,suvmax", "--out", finished, "--dry-run")
    ended = bench(*arguments)
    assert ended.returncode == 0
    assert "8 jobs: 4 cached, 2 to fit, 2 to predict" in ended.stdout
    told = json.loads(bench(*arguments, "--json").stdout)
    assert (len(told["cached"]), len(told["to_do"]), told["skipped"]) == (4, 4, {})
    assert [(cost["method"], cost["jobs"], cost["share"]) for cost in told["costs"]] == [("suvmax", 4, 1.0)]
    *costs, memory, disk = ended.stdout.partition("Cost ")[2].splitlines()
    shown = [line.split() for line in costs[1:]]
    assert shown == [["suvmax", "<1", "s", "100", "%", "80.0", "kB"]], "what is cached costs nothing"
    assert re.fullmatch(r"Memory    at most \d+\.\d GB for \d+ jobs? at once; \d+\.\d GB are free\.(.*)", memory)
    assert told["forecast_mb"] > 400
    assert re.fullmatch(rf"Disk      roughly 80\.0 kB in {finished}; \d+\.\d GB are free\.", disk)


def test_dry_run_says_how_much_disk_a_run_then_takes(bench, finished, tmp_path, monkeypatch):
    methods = ",".join({json.loads(path.read_text())["method"] for path in finished.glob("runs/*/job.json")})
    arguments = ("run", "--profile", "smoke", "--methods", methods, "--out", tmp_path / "not" / "there", "--dry-run")
    forecast = sum(cost["disk_mb"] for cost in json.loads(bench(*arguments, "--json").stdout)["costs"])
    files = [path for room in ("runs", "cache", "cohorts") for path in (finished / room).rglob("*")]
    assert forecast == pytest.approx(sum(path.stat().st_size for path in files if path.is_file()) / 1e6, rel=0.5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    text = bench(*arguments).stdout
    assert "; 1.0 kB are free. Give an --out on a larger disk, or free space.\n" in text


def test_dry_run_says_where_the_disk_was_not_measured(bench, tmp_path):
    arguments = ("run", "--profile", "smoke", "--methods", "radiomics-rsf,volume", "--tune", "nested", "--dry-run")
    text = bench(*arguments, "--out", tmp_path).stdout
    assert re.search(r"radiomics-rsf .* disk not measured\n", text)
    assert re.search(r"Disk      roughly \d+\.\d MB in .* and what 1 method may take on top; ", text)


def test_dry_run_says_what_each_method_costs_and_who_uses_a_fit(bench, tmp_path):
    arguments = ("run", "--methods", "@deep-features,volume", "--out", tmp_path, "--dry-run")
    told = json.loads(bench(*arguments, "--json").stdout)
    assert [cost["seconds"] for cost in told["costs"]] == sorted((c["seconds"] for c in told["costs"]), reverse=True)
    assert sum(cost["share"] for cost in told["costs"]) == pytest.approx(1, abs=1e-4)
    costs = {cost["method"]: cost for cost in told["costs"]}
    learners = ["deepfeat-deepsurv", "deepfeat-lasso-cox", "deepfeat-rsf"]
    assert set(costs) == {"deepmts", "volume", *learners, None}
    assert (costs["deepmts"]["jobs"], costs["deepmts"]["used_by"]) == (3, learners), "one fit per fold for all of them"
    assert costs[None]["jobs"] == told["to_prepare"] == 160
    text = bench(*arguments).stdout
    share = f"{100 * costs['deepmts']['share']:.0f} %"
    assert re.search(rf"{share} .* with the features of deepfeat-deepsurv, deepfeat-lasso-cox, deepfeat-rsf\n", text)
    assert "160 patients to prepare" in text
    assert "Advice" not in text
    text = bench("run", "--methods", "deepmts,volume", "--profile", "paper", "--out", tmp_path, "--dry-run").stdout
    assert re.search(r"Advice    Networks take \d{3} h of that on the CPU. Use a GPU", text)
    assert not (tmp_path / "runs").exists()


def test_status_counts_jobs_by_method_and_finds_nothing_to_clean(bench, finished):
    told = json.loads(bench("status", "--out", finished, "--json").stdout)
    assert {r["method"]: r["states"] for r in told["studies"]}["volume"] == {"ok": 4}
    assert told["disk"]["unreferenced"] == 0
    assert min(told["disk"][what] for what in ("runs", "cache")) > 0
    ended = bench("status", "volume", "--out", finished)
    assert ended.returncode == 0
    assert "volume seed 0 fold 0: ok" in ended.stdout
    cleaned = bench("status", "--clean", "--out", finished)
    assert cleaned.stdout == "There was nothing to remove. Prepared cohorts and the cache were left alone.\n"


def test_compare_gives_difference_interval_p_and_patients(bench, finished):
    ended = bench("compare", "tlg", "clinical-cox", "--out", finished, "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["ci_low"] <= result["difference"] <= result["ci_high"]
    assert set(result["p"]) == {"bootstrap", "jackknife", "compareC", "permutation"}
    # the keys of --csv, and what only a study knows
    of_study = {"a", "b", "excluded", "folds", "patients", "reasons", "study_a", "study_b"}
    assert set(result) == {*IN_JSON, *of_study}
    shown = bench("compare", "tlg", "clinical-cox", "--out", finished)
    assert "difference (tlg - clinical-cox) of Harrell's C-index" in shown.stdout
    assert "C by fold" in shown.stdout
    assert all(patient["id"] in shown.stdout for patient in result["patients"])


def test_every_metric_that_is_listed_is_where_the_list_says(bench, finished):
    (path,) = (finished / "studies").glob("*/leaderboard.json")
    compared = json.loads(bench("compare", "volume", "tlg", "--out", finished, "--json").stdout)
    places = {"leaderboard.json": json.loads(path.read_text())["rows"][0], "bench compare": compared}
    for metric in json.loads(bench("list", "metrics", "--json").stdout):
        if metric["where"] in places:
            found = places[metric["where"]]
            for key in metric["name"].split("."):
                found = found[key]
        else:
            assert callable(getattr(importlib.import_module(metric["where"]), metric["name"]))


def test_a_method_shows_what_every_fit_made_of_the_columns(bench, finished):
    ended = bench("method", "show", "clinical-cox", "--out", finished, "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert [(f["seed"], f["fold"]) for f in result["fits"]] == [(0, 0), (0, 1)]
    assert all(len(c["weights"]) == 2 and c["kept"] <= 2 for c in result["columns"])
    assert len(result["columns"]) <= result["candidates"]
    shown = bench("method", "show", "clinical-cox", "--out", finished)
    assert shown.stdout.splitlines()[0].endswith("(selection last, tuning none)")
    assert shown.stdout.splitlines()[1].startswith("clinical-cox: 2 fits kept")
    (folder,) = (finished / "studies").glob("*/selection")
    assert sorted(p.name for p in folder.iterdir()) == ["clinical-cox.csv", "clinical-cox.svg"]


def test_boards_are_rebuilt_from_stored_runs_alone(bench, finished):
    (board,) = (finished / "studies").glob("*/leaderboard.json")
    before = board.read_bytes()
    for named in ([], [board.parent.name]):
        board.unlink()
        ended = bench("study", "board", *named, "--out", finished)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == f"{board.with_suffix('.html')} (also .md, .csv, .tex, .json), site/index.html\n"
        assert board.read_bytes() == before
    unknown = bench("study", "board", "nope", "--out", finished)
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("Error: Unknown study 'nope'. Known: phantom-smoke-")


def test_tracking_again_adds_nothing(bench, finished):
    ended = bench("ui", "--only-track", "--out", finished)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("phantom-smoke-")
    assert ": 0 new and" in ended.stdout


def test_risks_of_another_program_get_a_row_and_a_wrong_file_ends_with_2(bench, finished, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(finished, copy)
    (splits,) = (copy / "studies").glob("*/splits.json")
    ids = [i for fold in json.loads(splits.read_text())["folds"] for i in fold]
    risks = tmp_path / "risks.csv"
    risks.write_text("id,risk\n" + "".join(f"{i},{n % 5}\n" for n, i in enumerate(ids)))
    ended = bench("study", "import", risks, "--name", "cox-in-r", "--out", copy)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("cox-in-r is on the board of phantom-smoke-")
    assert "cox-in-r" in (splits.parent / "leaderboard.md").read_text()
    again = bench("ui", "--only-track", "--out", copy)
    assert again.returncode == 0, again.stderr
    cleaned = bench("status", "--clean", "--out", copy)
    assert cleaned.stdout.startswith("There was nothing to remove. "), "runs of imported risks belong to the study"
    risks.write_text("id,risk\n" + f"{ids[0]},1\n")
    refused = bench("study", "import", risks, "--name", "cox-in-r", "--out", copy)
    assert refused.returncode == 2
    assert f"{len(ids) - 1} of phantom have no risk" in refused.stderr
