"""Whole runs on the phantom: caching, isolation, resume, and nothing to find for a method that searches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cohort_folder import write_cohort, write_image
from costs import files_at_equal_costs
from survbench.actions.build import build_and_write
from survbench.actions.import_risks import import_risks
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.findings import CohortError
from survbench.jobs import this_machine
from survbench.jobs.prepared_files import read_follow_up
from survbench.plan.profile import load_profile
from survbench.plan.registry import registry
from survbench.runs.store import Store

CHEAP = "oracle,random,padding,volume,tlg,suvmax,clinical-cox"


def request_for(out, methods, **more):
    return Request(profile=load_profile("smoke"), methods=methods, out=out, **more)


@pytest.fixture
def out(prepared, tmp_path):
    """Return an output folder in which patients are prepared."""
    return prepared(tmp_path)


@pytest.fixture(scope="module")
def cheap(tmp_path_factory):
    """Return a finished run of the cheap methods: (request, result)."""
    request = request_for(tmp_path_factory.mktemp("cheap"), CHEAP)
    return request, run_study(request, Silent())


def test_every_cheap_method_ends_well_and_the_board_has_its_row(cheap):
    request, result = cheap
    assert not result.failed
    rows = {row.method: row for row in result.board.rows}
    assert set(rows) == set(CHEAP.split(","))
    assert all(row.status == "ok" and row.coverage == 1.0 for row in rows.values())
    assert rows["oracle"].c_index > 0.6
    assert rows["oracle"].is_reference
    assert rows["oracle"].rank is None
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.html", "splits.json"):
        assert (result.study.folder(request.out) / name).stat().st_size > 0


def test_predictions_hold_every_patient_once_in_the_fold_that_tests_it(cheap):
    request, result = cheap
    entry = next(e for e in result.study.entries if e.name == "volume")
    table = pd.concat([Store(request.out).read(key).predictions() for key in entry.fits[0]])
    folds = {i: k for k, fold in enumerate(result.study.protocol.folds) for i in fold}
    assert dict(zip(table["id"], table["fold"], strict=True)) == folds
    assert (table["role"] == "test").all()
    assert len(table) == result.study.cohort.patients
    outside = Store(request.out).read(entry.predicts[0][0]).predictions()
    assert set(outside["role"]) == {"external:phantom-external"}


def test_a_second_run_does_nothing_and_gives_the_same_files(cheap):
    request, result = cheap
    folder = result.study.folder(request.out)
    before = {p.name: p.read_bytes() for p in folder.glob("leaderboard.*")}
    stamps = {p: p.stat().st_mtime_ns for p in (request.out / "runs").rglob("*") if p.is_file()}

    class Counting(Silent):
        started_jobs = 0

        def started(self, job):
            self.started_jobs += 1

    watcher = Counting()
    run_study(request, watcher)
    assert watcher.started_jobs == 0
    assert {p: p.stat().st_mtime_ns for p in (request.out / "runs").rglob("*") if p.is_file()} == stamps
    assert {p.name: p.read_bytes() for p in folder.glob("leaderboard.*")} == before


def test_building_again_gives_the_same_files(cheap):
    request, result = cheap
    folder = result.study.folder(request.out)

    def files():
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    before = files()
    build_and_write(result.study, Store(request.out))
    assert files() == before


def test_a_method_added_later_joins_the_board_of_the_same_study(out):
    one = run_study(request_for(out, "volume"), Silent())
    two = run_study(request_for(out, "tlg"), Silent())
    assert one.study.name == two.study.name
    assert {row.method for row in two.board.rows} == {"volume", "tlg"}


def test_a_row_that_a_later_run_keeps_stands_in_the_group_that_is_declared_now(out, monkeypatch):
    run_study(request_for(out, "volume"), Silent())
    monkeypatch.setitem(registry().methods, "volume", replace(registry().methods["volume"], group="simple"))
    later = run_study(request_for(out, "tlg"), Silent())
    assert {row.method: row.group for row in later.board.rows} == {"volume": "simple", "tlg": "marker"}


def test_a_method_whose_code_has_changed_leaves_the_board(odd_plugins, out, monkeypatch, caplog):
    run_study(request_for(out, "volume,well"), Silent())
    kept = run_study(request_for(out, "tlg"), Silent())
    assert {row.method for row in kept.board.rows} == {"volume", "well", "tlg"}
    old = registry().methods["well"]
    monkeypatch.setitem(registry().methods, "well", replace(old, version="2"))
    left = run_study(request_for(out, "suvmax"), Silent())
    assert {row.method for row in left.board.rows} == {"volume", "tlg", "suvmax"}
    assert "well was removed from the leaderboard" in caplog.text
    back = run_study(request_for(out, "well"), Silent())
    assert {row.method for row in back.board.rows} == {"volume", "tlg", "suvmax", "well"}


def test_imported_risks_stay_on_the_board_when_other_methods_run(out):
    request = request_for(out, "volume")
    first = run_study(request, Silent())
    ids = sorted(i for fold in first.study.protocol.folds for i in fold)
    path = out / "risks.csv"
    path.write_text("id,risk\n" + "".join(f"{i},{n}\n" for n, i in enumerate(ids)))
    import_risks(first.study, Store(out), path, name="in-r")
    second = run_study(replace(request, methods="tlg"), Silent())
    assert {row.method for row in second.board.rows} == {"volume", "tlg", "in-r"}
    third = run_study(replace(request, methods="tlg"), Silent())
    row = next(row for row in third.board.rows if row.method == "in-r")
    assert (row.status, row.coverage) == ("ok", 1.0)


@pytest.mark.faults  # row 27
def test_job_order_and_workers_change_no_byte_of_board_tables_and_site(prepared, tmp_path):
    methods = ["oracle", "tlg", "clinical-cox", "radiomics-lasso-cox", "cnn-survival"]
    made = []
    for workers, order in ((2, methods), (1, methods[::-1])):
        request = request_for(prepared(tmp_path / str(workers)), ",".join(order), workers=workers)
        study = run_study(request, Silent()).study
        made.append(files_at_equal_costs(study, Store(request.out)))
    assert made[0].keys() == made[1].keys()
    assert [name for name, content in made[0].items() if made[1][name] != content] == []


def test_a_run_of_one_method_sees_that_anothers_predictions_were_changed(out):
    """A board that is not built again must still be one of untouched files."""
    run_study(request_for(out, "tlg"), Silent())
    both = run_study(request_for(out, "volume"), Silent())
    assert {row.status for row in both.board.rows} == {"ok"}
    key = next(e for e in both.study.entries if e.name == "tlg").fits[0][0]
    path = Store(out).folder(key) / "predictions.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    again = run_study(request_for(out, "volume"), Silent())
    rows = {row.method: row for row in again.board.rows}
    assert rows["tlg"].status == "failed"
    assert "were changed" in rows["tlg"].reason
    assert rows["volume"].status == "ok"


def test_a_damaged_prediction_is_named_and_made_again(cheap, caplog):
    request, result = cheap
    key = next(e for e in result.study.entries if e.name == "tlg").fits[0][0]
    path = Store(request.out).folder(key) / "predictions.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    again = run_study(request, Silent())
    assert "predictions.parquet" in caplog.text
    assert not again.failed
    assert Store(request.out).is_done(key)


def test_methods_that_misbehave_are_recorded_and_the_rest_finishes(odd_plugins, out, monkeypatch):
    names = "well,raises,hangs,watched,dies,eats-memory,exits,not-finite,wrong-shape,bad-weight,chatty"
    request = request_for(out, names)
    monkeypatch.setattr(this_machine, "GRACE_S", 2.0)
    profile = load_profile("smoke").model_copy(update={"job_timeout_s": 3.0})
    result = run_study(replace(request, profile=profile), Silent())
    rows = {row.method: row for row in result.board.rows}
    assert {name: row.status for name, row in rows.items()} == {
        "well": "ok",
        "chatty": "ok",
        "raises": "failed",
        "hangs": "timeout",
        "watched": "timeout",
        "dies": "failed",
        "eats-memory": "oom",
        "exits": "failed",
        "not-finite": "failed",
        "wrong-shape": "failed",
        "bad-weight": "failed",
    }
    assert "this method always fails" in rows["raises"].reason
    assert "not finite" in rows["not-finite"].reason
    assert rows["raises"].c_index is None
    assert rows["well"].rank is not None
    chatty = next(e for e in result.study.entries if e.name == "chatty").fits[0][0]
    assert (Store(out).folder(chatty) / "log.txt").stat().st_size <= 1_000_000


def test_a_method_that_searches_at_prediction_finds_nothing(odd_plugins, out):
    result = run_study(request_for(out, "sniffs"), Silent())
    row = next(row for row in result.board.rows if row.method == "sniffs")
    assert row.status == "ok", row.reason


def test_the_search_would_find_what_lies_open(odd_plugins, cheap):
    """The searching method is no blank: given outcomes, masks or the truth it says so."""
    from odd_methods import Sniffs
    from survbench.work.prepared import PreparedCohort

    request, _ = cheap
    prepared = PreparedCohort(request.out, next((request.out / "cohorts").iterdir()).name)
    follow_up = read_follow_up(prepared)
    ids = sorted(follow_up.outcomes)
    method = Sniffs()
    method.fit(follow_up.label(prepared.inputs(ids[:2], ["images"])), validation=None, ctx=None)
    for open_cohort in (
        follow_up.label(prepared.inputs(ids[2:6], ["images"])),
        prepared.inputs(ids[2:6], ["images", "mask"]),
        prepared.inputs(ids[2:6], ["images", "truth"]),
    ):
        with pytest.raises(AssertionError, match="found"):
            method.predict_risk(open_cohort)


def test_no_process_has_the_times_of_patients_in_memory_whom_it_was_not_trained_on(odd_plugins, out):
    run_study(request_for(out, "well"), Silent())
    outcomes = [json.loads(path.read_text()) for path in (out / "cohorts").glob("*/outcomes.json")]
    assert len(outcomes) == 2
    turned = {i: -time for of_cohort in outcomes for i, (time, _) in of_cohort.items()}
    (out / "sought.json").write_text(json.dumps(turned))
    result = run_study(request_for(out, "looks-for-times"), Silent())
    row = next(row for row in result.board.rows if row.method == "looks-for-times")
    assert row.status == "ok", row.reason
    assert row.external_c_index is not None
    # the published way to choose a checkpoint hands over the test fold, and the search finds it
    leaking = run_study(request_for(out, "looks-for-times", selection="paper"), Silent())
    row = next(row for row in leaking.board.rows if row.method == "looks-for-times")
    assert row.status == "failed"
    assert "found the times of" in row.reason


def test_a_study_is_the_same_whichever_methods_came_first(out):
    first = run_study(request_for(out, "volume,radiomics-lasso-cox"), Silent())
    second = run_study(request_for(out, "tlg"), Silent())
    assert first.study.name == second.study.name
    assert next(r for r in second.board.rows if r.method == "tlg").difference.p is not None


@pytest.mark.faults  # row 21
def test_the_training_cohort_is_no_external_test(tmp_path):
    folder = write_cohort(tmp_path / "toy", 24)
    request = request_for(tmp_path / "out", "volume", cohort=str(folder), external=str(folder))
    with pytest.raises(
        CohortError, match=r"Another patient has the same pet and ct. 24 patients: P00 \(as P00 of toy\)"
    ):
        run_study(request, Silent())


def test_a_damaged_model_is_made_again_when_it_is_needed(tmp_path):
    folder, other = write_cohort(tmp_path / "toy", 24), write_cohort(tmp_path / "other", 12)
    for path in (other / "images").glob("*_pet.nii.gz"):
        image = nib.load(path)
        write_image(path, (image.get_fdata() * 1.01).astype("float32"))
    for path in (other / "images").glob("*_ct.nii.gz"):
        write_image(path, (nib.load(path).get_fdata() + 1).astype("int16"))
    request = request_for(tmp_path / "out", "clinical-cox", cohort=str(folder))
    study = run_study(request, Silent()).study
    model = Store(request.out).folder(study.entries[0].fits[0][0]) / "model" / "model.json"
    model.write_text(model.read_text() + " ")
    again = run_study(replace(request, external=str(other), ignored=("SB609",)), Silent())
    assert not again.failed
    assert again.board.rows[0].external_c_index is not None


def bench(*arguments, out, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "survbench.cli", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


@pytest.mark.faults  # row 8
def test_two_runs_on_one_folder_the_second_is_told(tmp_path):
    with Store(tmp_path).lock():
        process = bench("run", "--profile", "smoke", "--methods", "volume", out=tmp_path)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"is in use by process {os.getpid()}" in output


def test_patients_that_cannot_be_prepared_are_left_out_before_the_plan_is_told(tmp_path):
    folder = write_cohort(tmp_path / "toy", 24)
    path = folder / "images" / "P03_pet.nii.gz"
    write_image(path, np.ones(nib.load(path).shape, dtype="float32"))
    request = request_for(tmp_path / "out", "volume", cohort=str(folder), skip_bad=True)
    seen = []

    class Told(Silent):
        def planned(self, planned):
            seen.append((planned.study.name, len(planned.cached), len(planned.to_do)))

    first = run_study(request, Told())
    splits = first.study.folder(request.out) / "splits.json"
    again = run_study(replace(request, splits=splits), Told())
    assert first.study.cohort.left_out == ("P03",)
    assert again.study.name == first.study.name
    assert seen == [(first.study.name, 0, 2), (first.study.name, 2, 0)]
