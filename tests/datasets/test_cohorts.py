"""Cohorts by name or folder: what is wrong with them, what may mislead, and drafts of their cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_folder import SHAPE, lines, write_cohort, write_image, write_lines
from survbench.datasets.cohorts.named import cohort_summaries, default_external, load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.errors import BenchError, UnknownNameError
from survbench.plan.profile import load_profile

SMOKE = load_profile("smoke")


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy")


def test_a_good_cohort_has_no_error(folder):
    assert [p for p in validate_named(str(folder)).findings if p.severity == "error"] == []


def findings(folder):
    return {(p.subject, p.severity): p.what for p in validate_named(str(folder)).findings if p.subject}


def test_validate_reads_the_voxels(folder):
    images = folder / "images"
    write_image(images / "P00_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    broken = np.ones(SHAPE, np.float32)
    broken[4] = np.nan
    write_image(images / "P01_pet.nii.gz", broken)
    (images / "P02_pet.nii.gz").write_bytes((images / "P03_pet.nii.gz").read_bytes())
    write_image(images / "P04_ct.nii.gz", np.full(SHAPE, 7, np.int16))
    ct, pet = images / "P05_ct.nii.gz", images / "P05_pet.nii.gz"
    content = ct.read_bytes()
    ct.write_bytes(pet.read_bytes())
    pet.write_bytes(content)
    found = findings(folder)
    assert "mask is empty" in found["P00", "error"]
    assert "a slice of NaN between valid slices (index 4 of axis 1)" in found["P01", "error"]
    assert "Another patient has the same pet: as P02" in found["P03", "error"]
    assert "ct is constant: 7" in found["P04", "error"]
    assert "unlike SUV. Is it a CT?: down to" in found["P05", "error"]
    assert "does not reach from air" in found["P05", "warning"]


def test_validate_warns_of_what_may_mislead(folder):
    whole = " ".join(p.what for p in validate_named(str(folder)).findings if p.severity == "warning")
    assert "only 6 events" in whole
    write_image(folder / "images" / "extra_pet.nii.gz", np.ones(SHAPE, np.float32))
    rows = lines(folder)
    write_lines(folder, [rows[0], *(",".join([*r.split(",")[:3], "", r.split(",")[4]]) for r in rows[1:])])
    whole = " ".join(p.what for p in validate_named(str(folder)).findings if p.severity == "warning")
    assert "Files belong to no patient in the table: images/extra_pet.nii.gz" in whole
    assert "Column 'age' is missing in 12 of 12" in whole


def test_a_misspelt_column_is_the_only_finding_about_ids(folder):
    card = folder / "cohort.yaml"
    card.write_text(card.read_text().replace("id: patient", "id: patiant"))
    assert not any("belong to no patient" in p.what for p in validate_named(str(folder)).findings)


def test_names_paths_and_suggestions(folder):
    assert {c["name"] for c in cohort_summaries()} == {
        "phantom", "phantom-external", "hn_petct", "nsclc_pet", "sts51",
    }  # fmt: skip
    assert default_external("phantom") == "phantom-external"
    assert default_external("sts51") is None
    for given in (folder, folder / "cohort.yaml"):
        assert len(load_source(str(given), profile=SMOKE).cohort) == 12
    with pytest.raises(UnknownNameError, match="Did you mean 'phantom'"):
        load_source("fantom", profile=SMOKE)
    with pytest.raises(BenchError, match="Give the folder of the data with --data"):
        load_source("sts51", profile=SMOKE)
    with pytest.raises(BenchError, match="bench cohort init"):
        load_source(str(folder / "images"), profile=SMOKE)
    with pytest.raises(BenchError, match="There is no cohort at"):
        load_source(str(Path("nowhere/at/all")), profile=SMOKE)
