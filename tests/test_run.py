"""Whole runs on the phantom: caching, isolation, resume, and nothing to find for a method that searches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cohort_folder import CARD, write_cohort, write_image
from costs import files_at_equal_costs
from survbench import executor, job, runner
from survbench.datasets.cache import VolumeStore
from survbench.datasets.named import load_source
from survbench.datasets.preprocess import plan_grid
from survbench.errors import BenchError, CohortError
from survbench.examples import FILE, read_examples
from survbench.import_risks import import_risks
from survbench.metrics import dice
from survbench.profile import load_profile
from survbench.registry import registry
from survbench.store import Store

CHEAP = "oracle,random,padding,volume,tlg,suvmax,clinical-cox"


def request_for(out, methods, **more):
    return runner.Request(profile=load_profile("smoke"), methods=methods, out=out, **more)


def rows_without_costs(path):
    board = json.loads(path.read_text())
    for row in board["rows"]:
        del row["seconds"], row["memory_mb"]
    return board


@pytest.fixture(scope="module")
def cheap(tmp_path_factory):
    """Return a finished run of the cheap methods: (request, result)."""
    request = request_for(tmp_path_factory.mktemp("cheap"), CHEAP)
    return request, runner.run(request, runner.Silent())


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
    folds = {i: k for k, fold in enumerate(result.study.protocol["folds"]) for i in fold}
    assert dict(zip(table["id"], table["fold"], strict=True)) == folds
    assert (table["role"] == "test").all()
    assert len(table) == result.study.cohort["patients"]
    outside = Store(request.out).read(entry.predicts[0][0]).predictions()
    assert set(outside["role"]) == {"external:phantom-external"}


def test_a_second_run_does_nothing_and_gives_the_same_files(cheap):
    request, result = cheap
    folder = result.study.folder(request.out)
    before = {p.name: p.read_bytes() for p in folder.glob("leaderboard.*")}
    stamps = {p: p.stat().st_mtime_ns for p in (request.out / "runs").rglob("*") if p.is_file()}

    class Counting(runner.Silent):
        started_jobs = 0

        def started(self, job):
            self.started_jobs += 1

    watcher = Counting()
    runner.run(request, watcher)
    assert watcher.started_jobs == 0
    assert {p: p.stat().st_mtime_ns for p in (request.out / "runs").rglob("*") if p.is_file()} == stamps
    assert {p.name: p.read_bytes() for p in folder.glob("leaderboard.*")} == before


def test_building_again_gives_the_same_files(cheap):
    request, result = cheap
    folder = result.study.folder(request.out)

    def files():
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    before = files()
    runner.build_and_write(result.study, Store(request.out))
    assert files() == before


def test_a_method_added_later_joins_the_board_of_the_same_study(cheap, tmp_path):
    one = runner.run(request_for(tmp_path, "volume"), runner.Silent())
    two = runner.run(request_for(tmp_path, "tlg"), runner.Silent())
    assert one.study.name == two.study.name
    assert {row.method for row in two.board.rows} == {"volume", "tlg"}


def test_a_method_whose_code_has_changed_leaves_the_board(odd_plugins, tmp_path, monkeypatch, caplog):
    runner.run(request_for(tmp_path, "volume,well"), runner.Silent())
    kept = runner.run(request_for(tmp_path, "tlg"), runner.Silent())
    assert {row.method for row in kept.board.rows} == {"volume", "well", "tlg"}
    old = registry().methods["well"]
    monkeypatch.setitem(registry().methods, "well", replace(old, version="2"))
    left = runner.run(request_for(tmp_path, "suvmax"), runner.Silent())
    assert {row.method for row in left.board.rows} == {"volume", "tlg", "suvmax"}
    assert "well left the board" in caplog.text
    back = runner.run(request_for(tmp_path, "well"), runner.Silent())
    assert {row.method for row in back.board.rows} == {"volume", "tlg", "suvmax", "well"}


def test_a_key_covers_all_code_that_runs_and_the_libraries(monkeypatch, tmp_path):
    def keys():
        job.source_fingerprint.cache_clear()
        planned = runner.dry_run(request_for(tmp_path, "clinical-cox"))
        return {j["key"] for j in planned.plan.jobs if j["kind"] == "fit"}

    before = keys()
    assert keys() == before
    source = job._source
    for name in ("survbench.api", "survbench.prepared", "survbench.worker", "survbench.features.clinical"):
        monkeypatch.setattr(job, "_source", lambda m, n=name: source(m) + ("# changed" if m == n else ""))
        assert keys().isdisjoint(before), name
    monkeypatch.setattr(job, "_source", source)
    assert keys() == before
    monkeypatch.setattr(job, "installed_version", lambda _: "99")
    assert keys().isdisjoint(before)


def test_the_budget_of_networks_is_in_the_keys_of_networks_alone(tmp_path):
    def keys(steps):
        profile = load_profile("smoke")
        training = profile.training.model_copy(update={"steps": steps})
        request = replace(
            request_for(tmp_path, "clinical-cox,mdsn"), profile=profile.model_copy(update={"training": training})
        )
        planned = runner.dry_run(request)
        return {j["method"]: j["key"] for j in planned.plan.jobs if j["kind"] == "fit"}

    few, many = keys(6), keys(7)
    assert few["clinical-cox"] == many["clinical-cox"]
    assert few["mdsn"] != many["mdsn"]


def test_a_full_disk_is_not_the_patients_fault(tmp_path, monkeypatch):
    """A patient is left out for a fault of its own only; one that could not be written is not."""
    from survbench.worker import prepare

    source = load_source("phantom", profile=load_profile("smoke"))
    grid = plan_grid(source.card.field_of_view_mm, 32)
    work = [(s, (0.0, 0.0, 0.0)) for s in source.cohort.subjects[:1]]
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(VolumeStore, "put", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space left"):
        prepare(work, ["pet", "ct", "mask"], grid, None, {}, str(tmp_path))


def test_imported_risks_stay_on_the_board_when_other_methods_run(tmp_path):
    request = request_for(tmp_path, "volume")
    first = runner.run(request, runner.Silent())
    ids = sorted(i for fold in first.study.protocol["folds"] for i in fold)
    path = tmp_path / "risks.csv"
    path.write_text("id,risk\n" + "".join(f"{i},{n}\n" for n, i in enumerate(ids)))
    import_risks(first.study, Store(tmp_path), path, name="in-r")
    second = runner.run(replace(request, methods="tlg"), runner.Silent())
    assert {row.method for row in second.board.rows} == {"volume", "tlg", "in-r"}
    third = runner.run(replace(request, methods="tlg"), runner.Silent())
    row = next(row for row in third.board.rows if row.method == "in-r")
    assert (row.status, row.coverage) == ("ok", 1.0)


def test_job_order_and_workers_change_no_byte_of_board_tables_and_site(tmp_path):
    methods = ["oracle", "tlg", "clinical-cox", "radiomics-lasso-cox", "deepmts"]
    made = []
    for workers, order in ((2, methods), (1, methods[::-1])):
        request = request_for(tmp_path / str(workers), ",".join(order), workers=workers)
        study = runner.run(request, runner.Silent()).study
        made.append(files_at_equal_costs(study, Store(request.out)))
    assert made[0].keys() == made[1].keys()
    assert [name for name, content in made[0].items() if made[1][name] != content] == []


def test_a_dry_run_prepares_and_writes_no_run(tmp_path):
    planned = runner.dry_run(request_for(tmp_path, "volume"))
    assert len(planned.to_do) == 4
    assert not (tmp_path / "runs").exists()


def test_a_run_of_one_method_sees_that_anothers_predictions_were_changed(tmp_path):
    """A board that is not built again must still be one of untouched files."""
    runner.run(request_for(tmp_path, "tlg"), runner.Silent())
    both = runner.run(request_for(tmp_path, "volume"), runner.Silent())
    assert {row.status for row in both.board.rows} == {"ok"}
    key = next(e for e in both.study.entries if e.name == "tlg").fits[0][0]
    path = Store(tmp_path).folder(key) / "predictions.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    again = runner.run(request_for(tmp_path, "volume"), runner.Silent())
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
    again = runner.run(request, runner.Silent())
    assert "predictions.parquet" in caplog.text
    assert not again.failed
    assert Store(request.out).is_done(key)


def test_methods_that_misbehave_are_recorded_and_the_rest_finishes(odd_plugins, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "GRACE_S", 2.0)
    profile = load_profile("smoke").model_copy(update={"job_timeout_s": 3.0})
    names = "well,raises,hangs,watched,dies,eats-memory,exits,not-finite,wrong-shape,bad-weight,chatty"
    result = runner.run(replace(request_for(tmp_path, names), profile=profile), runner.Silent())
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
    assert (Store(tmp_path).folder(chatty) / "log.txt").stat().st_size <= 1_000_000


def test_a_method_that_searches_at_prediction_finds_nothing(odd_plugins, tmp_path_factory):
    out = tmp_path_factory.mktemp("searching")
    result = runner.run(request_for(out, "sniffs"), runner.Silent())
    row = next(row for row in result.board.rows if row.method == "sniffs")
    assert row.status == "ok", row.reason


def test_the_search_would_find_what_lies_open(odd_plugins, cheap):
    """The searching method is no blank: given outcomes, masks or the truth it says so."""
    from odd_methods import Sniffs
    from survbench.prepared import PreparedCohort

    request, _ = cheap
    folder = next((request.out / "cohorts").iterdir())
    prepared = PreparedCohort(request.out, folder.name)
    ids = sorted(json.loads((folder / "outcomes.json").read_text()))
    method = Sniffs()
    method.fit(prepared.labelled(ids[:2], ["images"]), validation=None, ctx=None)
    for open_cohort in (
        prepared.labelled(ids[2:6], ["images"]),
        prepared.inputs(ids[2:6], ["images", "mask"]),
        prepared.inputs(ids[2:6], ["images", "truth"]),
    ):
        with pytest.raises(AssertionError, match="found"):
            method.predict_risk(open_cohort)


def test_a_study_is_the_same_whichever_methods_came_first(cheap, tmp_path):
    first = runner.run(request_for(tmp_path, "volume,radiomics-lasso-cox"), runner.Silent())
    second = runner.run(request_for(tmp_path, "tlg"), runner.Silent())
    assert first.study.name == second.study.name
    assert next(r for r in second.board.rows if r.method == "tlg").p is not None


def keys_of(folder, out, methods="clinical-cox,volume"):
    planned = runner.dry_run(request_for(out, methods, cohort=str(folder)))
    return {m: {j["key"] for j in planned.plan.jobs if j["method"] == m} for m in methods.split(",")}


def test_keys_follow_what_the_card_declares_and_the_table_says(tmp_path):
    folder, out = write_cohort(tmp_path / "toy", 24), tmp_path / "out"
    base = keys_of(folder, out)
    assert keys_of(folder, out) == base
    assert not (out / "cohorts").exists(), "a plan that is only looked at writes nothing"
    ordinal = CARD.replace("kind: categorical, levels: [f, m]}", "kind: ordinal, levels: [m, f], model: true}")
    only_sex = CARD.replace("kind: numeric, model: true", "kind: numeric").replace("[f, m]}", "[f, m], model: true}")
    changes = {
        "another kind": (("clinical-cox",), ordinal),
        "another column": (("clinical-cox",), only_sex),
        "another field of view": (("volume",), CARD.replace("[64, 64, 64]", "[60, 60, 60]")),
    }
    for why, (changed, card) in changes.items():
        (folder / "cohort.yaml").write_text(card)
        found = keys_of(folder, out)
        for method in base:
            assert (not found[method] & base[method]) == (method in changed), f"{why}: {method}"


def test_the_training_cohort_is_no_external_test(tmp_path):
    folder = write_cohort(tmp_path / "toy", 24)
    request = request_for(tmp_path / "out", "volume", cohort=str(folder), external=str(folder))
    with pytest.raises(CohortError, match="is the same image as toy/P00's"):
        runner.run(request, runner.Silent())


def test_a_damaged_model_is_made_again_when_it_is_needed(tmp_path):
    folder, other = write_cohort(tmp_path / "toy", 24), write_cohort(tmp_path / "other", 12)
    for path in (other / "images").glob("*_pet.nii.gz"):
        image = nib.load(path)
        write_image(path, (image.get_fdata() * 1.01).astype("float32"))
    for path in (other / "images").glob("*_ct.nii.gz"):
        write_image(path, (nib.load(path).get_fdata() + 1).astype("int16"))
    request = request_for(tmp_path / "out", "clinical-cox", cohort=str(folder))
    study = runner.run(request, runner.Silent()).study
    model = Store(request.out).folder(study.entries[0].fits[0][0]) / "model" / "model.json"
    model.write_text(model.read_text() + " ")
    again = runner.run(replace(request, external=str(other)), runner.Silent())
    assert not again.failed
    assert again.board.rows[0].external_c_index is not None


def test_masks_are_written_on_the_grid_of_the_patients_own_images(odd_plugins, tmp_path):
    """A mask that is simple to compute comes back, voxel by voxel, on another grid than the one it was made on."""
    from survbench.datasets.named import load_source
    from survbench.export import export_masks

    folder = write_cohort(tmp_path / "toy", 12)
    request = request_for(tmp_path / "out", "thresholds,well", cohort=str(folder))
    study = runner.run(request, runner.Silent()).study
    source = load_source(str(folder), profile=request.profile)
    files = export_masks(study, Store(request.out), "thresholds", source, tmp_path / "masks")
    assert [p.name for p in files] == [f"P{n:02d}_mask.nii.gz" for n in range(12)]
    for path, subject in zip(files, source.cohort.subjects, strict=True):
        written, image = nib.load(path), subject.volumes["pet"]
        assert np.allclose(written.affine, image.affine)
        assert written.shape == image.shape == (16, 16, 16)
        assert dice(written.get_fdata() > 0, image.voxels() > 4.0) > 0.95
    with pytest.raises(BenchError, match="does not segment"):
        export_masks(study, Store(request.out), "well", source, tmp_path / "masks")
    examples_are_kept(study, Store(request.out))


def examples_are_kept(study, store):
    """The fits of a method that segments hold a slice of their first two patients, sealed; those of others none."""
    by_name = {entry.name: entry for entry in study.entries}
    for key in by_name["thresholds"].fits[0]:
        run = store.read(key)
        assert FILE in json.loads((run.folder / "DONE").read_text())["files"]
        kept = read_examples(run.folder)
        assert [e.id for e in kept] == run.job["test"][:2]
        for example in kept:
            predicted = example.probability > 127
            assert (example.manual > 127).any()
            assert example.image[predicted].min() >= example.image[~predicted].max(), "what is hotter than SUV 4"
    assert not (store.folder(by_name["well"].fits[0][0]) / FILE).exists()
    page = (study.folder(store.root) / "site" / "gallery.html").read_text()
    assert page.count("<figure>") == 4


def bench(*arguments, out, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "survbench.cli", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


@pytest.mark.slow
@pytest.mark.parametrize("wait_s", [2.0, 6.0, 8.0])
def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(cheap, tmp_path, wait_s):
    request, result = cheap
    arguments = ["run", "--profile", "smoke", "--methods", CHEAP, "--workers", "1"]
    process = bench(*arguments, out=tmp_path)
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    again = bench(*arguments, out=tmp_path)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    assert not list((tmp_path / "runs").glob("*.part-*"))
    (board,) = (tmp_path / "studies").glob("*/leaderboard.json")
    first = rows_without_costs(result.study.folder(request.out) / "leaderboard.json")
    assert rows_without_costs(board) == first


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on_and_leaves_no_process(tmp_path, number, code):
    # tests that run in the background ignore it, and so would their children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = bench("run", "--profile", "smoke", "--methods", "deepmts", out=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "scratch").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "the same command goes on from here" in output
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_two_runs_on_one_folder_the_second_is_told(tmp_path):
    with Store(tmp_path).lock():
        process = bench("run", "--profile", "smoke", "--methods", "volume", out=tmp_path)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"is in use by process {os.getpid()}" in output


@pytest.mark.slow
def test_the_null_check_finds_the_cheap_methods_at_chance(tmp_path):
    from survbench.nullcheck import null_check

    methods = f"{CHEAP},radiomics-lasso-cox"
    results = null_check(request_for(tmp_path, methods), permutations=20)
    assert {r.method for r in results} == set(methods.split(","))
    assert [r for r in results if not r.passed] == []


def test_the_null_check_would_notice_a_leak(odd_plugins, tmp_path, monkeypatch):
    """A method that remembers what it saw, on a cohort in which the patients it saw come back, lies far from chance."""
    from survbench.nullcheck import NullResult

    assert not NullResult("leaky", 20, mean=0.62, se=0.02).passed
    assert not NullResult("constant and lucky", 20, mean=0.7, se=0.0).passed
    assert NullResult("constant", 20, mean=0.5, se=0.0).passed


def test_a_permutation_without_comparable_pairs_is_left_out_of_the_null_check(monkeypatch, tmp_path):
    from survbench import nullcheck

    values = iter([0.4, float("nan"), 0.6])
    ended = [
        executor.Ended(executor.Task(str(k), max, (registry().get("volume"),)), "ok", v) for k, v in enumerate(values)
    ]
    monkeypatch.setattr(nullcheck, "execute", lambda *_, **__: iter(ended))
    (found,) = nullcheck.null_check(request_for(tmp_path, "volume"), permutations=3)
    assert (found.permutations, found.mean) == (2, 0.5)
