"""A cohort with many faults at once: all are told in one pass, a line for each cause, the worst first."""

from __future__ import annotations

import gzip
from collections import Counter

import nibabel as nib
import numpy as np
from cohort_folder import AFFINE, CARD, SHAPE, lines, write_cohort, write_image, write_lines
from survbench.datasets.cohorts.validate import validate_named
from survbench.findings import grouped
from table_cohort import table_rows, write_table_cohort

MORE = """features: {columns: ["*"], exclude: [patient, months, event, age, sex, weight]}
clinical:
  - {name: weight, column: weight, kind: numeric, model: true}"""
MOVED = AFFINE + np.diag([62.0, 0, 0, 0])[:, ::-1]
BONE = np.indices(SHAPE).sum(axis=0) == 20
LOW = np.indices(SHAPE)[0] < 8


def write_faults(folder):
    """Write 30 patients and 20 faults of different kinds."""
    write_cohort(folder, 30, card=CARD.replace("clinical:", MORE))
    names, rows = _table(lines(folder))
    write_lines(folder, [",".join(names), *(",".join(row[name] for name in names) for row in rows)])

    def change(n, kind, function, dtype=np.float32, affine=AFFINE):
        path = folder / "images" / f"P{n:02d}_{kind}.nii.gz"
        write_image(path, np.asarray(function(nib.load(path).get_fdata())).astype(dtype), affine)

    for n in range(30):
        change(n, "ct", lambda v: np.where(BONE, 900, v.clip(-1024)), np.int16)
    images = folder / "images"
    (images / "P15_ct.nii.gz").unlink()
    for n in (16, 17):
        path = images / f"P{n}_pet.nii.gz"
        path.write_bytes(gzip.decompress(path.read_bytes()))
    (images / "P18_mask.nii.gz").write_bytes((images / "P18_ct.nii.gz").read_bytes())
    change(19, "mask", lambda v: 0 * v, np.uint8)
    change(20, "mask", lambda v: 0 * v + 1, np.uint8)
    change(21, "mask", lambda v: v, np.uint8, MOVED)
    change(22, "mask", lambda v: v * np.where(LOW, 1, 2), np.uint8)
    change(23, "mask", lambda v: v * np.where(LOW, 0.3, 1))
    change(24, "pet", lambda v: np.where(np.indices(SHAPE)[2] < 3, np.nan, v))
    change(25, "pet", lambda v: 8 * v)
    change(26, "ct", lambda v: v + 1024)
    change(27, "ct", lambda v: np.where(np.indices(SHAPE)[0] > 12, -3024, v), np.int16)


def _table(rows):
    names = [*rows[0].split(","), "weight", "Image", "PFS_months", "f1"]
    rng = np.random.default_rng(3)
    table = []
    for n, row in enumerate(rows[1:]):
        cells = dict(zip(names, row.split(","), strict=False))
        later = {"weight": f"{70 + rng.normal(0, 9):.0f}", "Image": f"scan/{n}.nrrd", "f1": f"{rng.normal():.4f}"}
        table.append({**cells, **later, "PFS_months": f"{float(cells['months']) * (1 - 0.02 * (n % 3)):.2f}"})
    table[3]["months"] = "12-Mar-2019"
    table[4]["months"], table[10]["months"] = "-3", "x"
    table[5]["event"] = ""
    table[6]["sex"] = "male"
    table[7]["weight"] = table[8]["weight"] = "-999"
    table[9]["patient"] = "P10"
    table[11]["f1"] = "high"
    table[13]["patient"] = ""
    return names, table


def test_each_cause_is_one_line_with_a_remedy_and_the_worst_come_first(tmp_path):
    folder = tmp_path / "toy"
    write_faults(folder)
    report = validate_named(str(folder))
    groups = grouped(report.findings)
    told = [(g.first.severity, g.first.code) for g in groups]
    errors = [code for severity, code in told if severity == "error"]
    assert errors == [
        *("SB103", "SB105", "SB201", "SB201", "SB210", "SB301", "SB305", "SB306", "SB310"),
        *("SB401", "SB402", "SB403", "SB501", "SB505", "SB506"),
    ]
    warnings = [code for severity, code in told if severity == "warning"]
    assert warnings == ["SB108", "SB206", "SB311", "SB411", "SB412", "SB413", "SB414", "SB507", "SB509"]
    assert told == [*(("error", c) for c in errors), *(("warning", c) for c in warnings), ("note", "SB209")]
    assert max(Counter(g.text for g in groups).values()) == 1
    assert all(g.first.remedy for g in groups)
    assert report.not_run == ()


def test_patients_of_one_cause_share_a_line(tmp_path):
    folder = tmp_path / "toy"
    write_faults(folder)
    texts = {g.first.code: g.text for g in grouped(validate_named(str(folder)).findings)}
    assert texts["SB402"].startswith("Files cannot be used. 2 patients: P16 (")
    assert "P25" in texts["SB411"]
    assert "P26" in texts["SB413"]
    assert "P20" not in texts["SB413"], "its mask is wrong, not its CT"


def test_checks_that_no_patient_is_left_for_are_not_passed(tmp_path):
    folder = write_cohort(tmp_path / "toy", 4, card=CARD.replace("time: months", "time: weeks"))
    report = validate_named(str(folder))
    assert [f.code for f in report.findings] == ["SB101"]
    waiting, passed = ({check.code for check in checks} for checks in (report.not_run, report.passed))
    assert {"SB206", "SB413", "SB501"} <= waiting
    assert not passed & waiting
    assert "SB103" in passed


def verdicts(folder):
    report = validate_named(str(folder))
    return [{check.code for check in checks} for checks in (report.passed, report.not_run, report.not_applicable)]


def test_voxels_of_damaged_files_have_passed_no_check(tmp_path):
    folder = write_cohort(tmp_path / "toy", 4)
    for path in (folder / "images").iterdir():
        path.write_bytes(path.read_bytes()[:-40])
    passed, not_run, _ = verdicts(folder)
    assert {"SB201", "SB306", "SB401"} <= passed
    assert {"SB404", "SB407", "SB409", "SB501", "SB511"} <= not_run


def test_rows_that_cannot_be_told_apart_have_passed_no_check(tmp_path):
    passed, not_run, _ = verdicts(write_cohort(tmp_path / "toy", 4, card=CARD.replace("id: patient", "id: name")))
    assert passed == {"SB112", "SB203"}
    assert {"SB103", "SB201", "SB202", "SB301", "SB401", "SB402", "SB407", "SB206"} <= not_run


def test_a_table_of_features_passes_the_checks_of_tables_alone(tmp_path):
    passed, not_run, not_applicable = verdicts(write_table_cohort(tmp_path / "toy", table_rows(24)))
    assert {"SB304", "SB310", "SB405"} <= passed
    assert not not_run
    assert {"SB106", "SB108", "SB109", "SB401", "SB501", "SB601", "SB604"} <= not_applicable
