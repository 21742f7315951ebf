"""What a run does with findings: errors of tables before a voxel is read, those of voxels in spite of the cache."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import change, lines, path_of, write_cohort, write_image, write_lines
from survbench.actions.planning import dry_run, prepare_cohort
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from table_cohort import CARD as TABLE_CARD
from table_cohort import table_rows, write_table_cohort
from typer.testing import CliRunner

SMOKE = load_profile("smoke")


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy", 24)


def request_for(folder, tmp_path, **more):
    return Request(profile=SMOKE, methods="volume", cohort=str(folder), out=tmp_path / "out", workers=1, **more)


def with_column(folder, name, value):
    """Add a predictor, a function of the row's cells."""
    head, *rows = lines(folder)
    write_lines(folder, [f"{head},{name}", *(f"{row},{value(row.split(','))}" for row in rows)])
    card = folder / "cohort.yaml"
    column = f"clinical:\n  - {{name: {name}, column: {name}, kind: numeric, model: true}}"
    card.write_text(card.read_text().replace("clinical:", column))


@pytest.mark.parametrize("act", [dry_run, lambda request: run_study(request, Silent())])
def test_an_error_of_the_table_stops_before_a_voxel_is_read(folder, tmp_path, act):
    with_column(folder, "answer", lambda cells: cells[1])
    with pytest.raises(CohortError, match=r"SB306 .*'answer' ranks patients in the same order as the survival time"):
        act(request_for(folder, tmp_path))
    # workers are other processes; what they read they store
    assert not (tmp_path / "out" / "cache").exists()


def test_a_dry_run_says_what_a_run_will_say_of_the_table(folder, tmp_path, caplog):
    with_column(folder, "PFS_grade", lambda cells: int(cells[0][1:]) * 7 % 5)
    planned = dry_run(request_for(folder, tmp_path))
    assert planned.to_prepare == 24
    assert "SB312 Clinical column 'PFS_grade' is named like an outcome" in caplog.text
    caplog.clear()
    run_study(request_for(folder, tmp_path), Silent())
    assert caplog.text.count("SB312") == 1


def test_a_dry_run_judges_voxels_that_are_in_the_cache(folder, tmp_path):
    for n in range(24):
        change(folder, f"P{n:02d}_pet", lambda voxels: voxels * 5000)
    dry_run(request_for(folder, tmp_path))
    made = run_study(request_for(folder, tmp_path, ignored=("SB407",)), Silent())
    with pytest.raises(CohortError, match="SB407"):
        dry_run(request_for(folder, tmp_path))
    assert dry_run(request_for(folder, tmp_path, ignored=("SB407",))).study.findings == made.study.findings


def test_how_an_external_cohort_differs_is_said_before_a_run(tmp_path, caplog):
    for name, endpoint in (("toy", "PFS"), ("other", "OS")):
        card = TABLE_CARD.replace("toy-table", name).replace("OS", endpoint)
        write_table_cohort(tmp_path / name, table_rows(40, seed=len(name)), card=card)
    dry_run(request_for(tmp_path / "toy", tmp_path, external=str(tmp_path / "other")))
    assert "other: SB605 The external cohort's endpoint is OS, the cohort's PFS." in caplog.text


def test_leaving_out_patients_must_leave_both_kinds_of_outcome(folder, tmp_path):
    for n in range(0, 24, 2):
        shape = nib.load(path_of(folder, f"P{n:02d}_pet")).shape
        write_image(path_of(folder, f"P{n:02d}_pet"), np.full(shape, 1 + n, dtype=np.float32))
    with pytest.raises(CohortError, match="SB211 All 12 patients in the table who are censored have problems"):
        run_study(request_for(folder, tmp_path, skip_bad=True), Silent())


def test_an_ignored_error_of_voxels_is_one_again_when_it_is_not_ignored(folder, tmp_path):
    for n in range(24):
        change(folder, f"P{n:02d}_pet", lambda voxels: voxels * 5000)
    with pytest.raises(CohortError, match="SB407"):
        run_study(request_for(folder, tmp_path), Silent())
    made = run_study(request_for(folder, tmp_path, ignored=("SB407",)), Silent())
    assert [(f.code, f.ignored) for f in made.study.findings if f.severity == "error"] == [("SB407", True)]
    with pytest.raises(CohortError, match="SB407"):
        run_study(request_for(folder, tmp_path), Silent())


def test_features_are_extracted_in_spite_of_ignored_findings(folder, tmp_path, monkeypatch):
    from survbench.cli import app

    monkeypatch.chdir(tmp_path)
    change(folder, "P00_pet", lambda voxels: voxels * 5000)
    with_column(folder, "answer", lambda cells: cells[1])
    command = ["cohort", "features", str(folder), "--profile", "smoke", "--out", "out", "--workers", "1"]
    assert "SB306" in str(CliRunner().invoke(app, command).exception)
    both = CliRunner().invoke(app, [*command, "--ignore", "SB306, SB407"])
    assert both.exit_code == 0
    assert "24 patients" in both.output
    change(folder, "P01_mask", lambda voxels: voxels * 0)
    part = CliRunner().invoke(app, [*command, "--ignore", "SB306"])
    assert part.exit_code == 1
    assert "22 patients" in part.output
    assert [line.split(":")[0] for line in part.output.splitlines() if "Failed" in line] == [
        "Failed    P00",
        "Failed    P01",
    ]
    assert CliRunner().invoke(app, [*command, "--ignore", "SB306", "--skip-bad"]).exit_code == 0
    empty = CliRunner().invoke(app, [*command, "--ignore", ""])
    assert "a code is missing" in str(empty.exception)


def test_the_second_of_two_patients_with_one_image_can_be_left_out(folder, tmp_path, caplog):
    for channel in ("pet", "ct"):
        (folder / "images" / f"P07_{channel}.nii.gz").write_bytes(
            (folder / "images" / f"P02_{channel}.nii.gz").read_bytes()
        )
    with pytest.raises(
        CohortError, match=r"1 patient .*\n  SB405 Another patient has the same pet and ct. P07 \(as P02"
    ):
        dry_run(request_for(folder, tmp_path))
    assert dry_run(request_for(folder, tmp_path, skip_bad=True)).to_prepare == 23
    assert "left out: SB405 Another patient has the same pet and ct. P07 (as P02)" in caplog.text


def test_features_are_extracted_with_what_the_checks_say_of_table_and_voxels(folder, tmp_path, monkeypatch, caplog):
    from survbench.cli import app

    monkeypatch.chdir(tmp_path)
    path_of(folder, "P99_pet").write_bytes(path_of(folder, "P00_pet").read_bytes())
    change(folder, "P03_ct", lambda voxels: voxels + 1000)
    command = ["cohort", "features", str(folder), "--profile", "smoke", "--out", "out", "--workers", "1"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert "SB108 Files belong to no patient" in caplog.text
    assert "SB413" in caplog.text


def test_the_null_check_goes_on_in_spite_of_codes_and_without_patients(folder, tmp_path):
    with_column(folder, "answer", lambda cells: cells[1])
    path_of(folder, "P01_pet").write_bytes(b"no image")
    with pytest.raises(CohortError, match="SB306"):
        prepare_cohort(request_for(folder, tmp_path))
    wanted = request_for(folder, tmp_path, ignored=("SB306",), skip_bad=True)
    assert set(prepare_cohort(wanted).rows) == {f"P{n:02d}" for n in range(24)} - {"P01"}
