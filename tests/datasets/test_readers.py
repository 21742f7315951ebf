"""Cohort folders as users have them, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import AFFINE, CARD, SHAPE, lines, read, write_cohort, write_image, write_lines
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.usable import read_cohort
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.nifti import nifti_volume, read_header
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.profile import load_profile

SMOKE = load_profile("smoke")


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy")


# --- a good folder


def test_a_folder_becomes_a_cohort(folder):
    source = read(folder)
    cohort = source.cohort
    assert cohort.ids == tuple(f"P{n:02d}" for n in range(12))
    assert cohort.channels == ("pet", "ct")
    assert cohort.event.sum() == 6
    assert cohort.time[0] == pytest.approx(60.0)
    subject = cohort.subjects[3]
    assert subject.clinical == {"age": 53.0, "sex": "m"}
    assert subject.volumes["pet"].spacing == (4.0, 4.0, 4.0)
    assert subject.volumes["mask"].voxels().dtype == bool
    assert cohort.restrict({"clinical"}).subjects[0].clinical == {"age": 50.0}


def test_time_is_months_whatever_the_table_counts_in(folder):
    text = CARD.replace("unit: months", "unit: days")
    found = read_cohort(parse_card(text, source="card"), folder).cohort
    assert found.time == pytest.approx(read(folder).cohort.time * 12 / 365.25)


def test_voxels_equal_nibabels_also_with_scaling(tmp_path):
    values = np.arange(8 * 6 * 4, dtype=np.int16).reshape(8, 6, 4)
    affine = np.array([[-2.0, 0.1, 0, 5], [0.1, 3.0, 0, -4], [0, 0, 1.5, 2], [0, 0, 0, 1]])
    for name in ("a.nii", "a.nii.gz"):
        image = nib.Nifti1Image(values, affine)
        image.header.set_slope_inter(0.5, -3)
        nib.save(image, tmp_path / name)
        expected = nib.load(tmp_path / name)
        volume = nifti_volume(tmp_path / name, "CT")
        assert np.allclose(volume.voxels(), expected.get_fdata())
        assert np.allclose(volume.affine, expected.affine)


def test_a_label_picks_its_voxels(tmp_path):
    values = np.zeros((4, 4, 4), dtype=np.uint8)
    values[0], values[1] = 1, 2
    write_image(tmp_path / "m.nii.gz", values)
    either, *one = (nifti_volume(tmp_path / "m.nii.gz", "MASK", labels=labels) for labels in (None, (1,), (2,)))
    assert either.voxels().sum() == 32
    assert np.array_equal(one[1].voxels(), values == 2)
    assert one[0].fingerprint() != one[1].fingerprint()


# --- damaged files


def test_a_truncated_file_is_refused(folder):
    path = folder / "images" / "P00_pet.nii.gz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.99)])
    with pytest.raises(ImageError, match="P00_pet.nii.gz cannot be read"):
        nifti_volume(path, "PET").voxels()


def test_a_truncated_unpacked_file_is_refused_by_its_size(tmp_path):
    write_image(tmp_path / "a.nii", np.ones((8, 8, 8), np.float32))
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(content[:-1])
    with pytest.raises(ImageError, match="truncated"):
        read_header(tmp_path / "a.nii")


def test_a_flipped_byte_is_noticed(folder):
    path = folder / "images" / "P00_pet.nii.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match="P00_pet"):
        nifti_volume(path, "PET").voxels()


def test_a_header_that_declares_a_huge_image_allocates_nothing(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.ones((8, 8, 8), np.float32))
    raw = bytearray(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    raw[40:56] = struct.pack("<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(ImageError, match="at most"):
        read_header(tmp_path / "a.nii.gz")


def test_a_series_of_images_is_no_image(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.ones((8, 8, 8, 3), np.float32))
    with pytest.raises(ImageError, match="not a 3-D image"):
        read_header(tmp_path / "a.nii.gz")
    write_image(tmp_path / "b.nii.gz", np.ones((8, 8, 8, 1), np.float32))
    assert read_header(tmp_path / "b.nii.gz").shape == (8, 8, 8)


# --- problems of a cohort


def test_all_problems_come_in_one_message_and_skip_bad_goes_on(folder, caplog):
    (folder / "images" / "P01_ct.nii.gz").unlink()
    write_image(folder / "images" / "P02_mask.nii.gz", np.ones((8, 8, 8), np.uint8))
    rows = lines(folder)
    rows[4] = "P03,-5,1,53,m"
    rows[6] = "P05,10,1,old,m"
    write_lines(folder, rows)
    with pytest.raises(CohortError) as caught:
        read(folder)
    text = str(caught.value)
    for part in (
        "SB401 Files are missing. P01 (images/P01_ct.nii.gz; the folder has P01_mask.nii.gz, P01_pet.nii.gz)",
        "SB403 The mask is not on the grid of any of the images. P02 (mask has 8 x 8 x 8 voxels",
        "SB201 Times in column 'months' must be numbers above 0. P03 ('-5')",
        "SB301 Column 'age' must hold numbers. P05 ('old')",
        "--skip-bad",
    ):
        assert part in text
    kept = read(folder, skip_bad=True).cohort
    assert set(kept.ids) == {f"P{n:02d}" for n in range(12)} - {"P01", "P02", "P03", "P05"}
    assert caplog.text.count("left out: ") == 4


def test_doubled_and_dangerous_ids_are_named(folder):
    rows = lines(folder)
    write_lines(folder, [*rows, rows[1], "../../etc,10,1,50,f", "=cmd,10,1,50,f"])
    text = str(pytest.raises(CohortError, read, folder).value)
    assert "An id occurs in 2 rows. 2 rows of 1 patient: P00" in text
    assert "could lead to another folder" in text
    assert "which spreadsheets read as a formula" in text


def test_a_missing_column_gets_a_suggestion(folder):
    rows = lines(folder)
    write_lines(folder, [rows[0].replace("months", "Month"), *rows[1:]])
    with pytest.raises(CohortError, match=r"no column 'months' \(endpoint.time in the card\). Did you mean 'Month'"):
        read(folder, skip_bad=True)


def test_images_that_do_not_overlap_are_refused(folder):
    far = AFFINE.copy()
    far[0, 3] = 5000
    write_image(folder / "images" / "P00_ct.nii.gz", np.ones(SHAPE, np.int16), far)
    with pytest.raises(CohortError, match="ct and pet do not overlap in space. P00"):
        read(folder)


def test_unknown_keys_of_a_card_get_a_suggestion():
    with pytest.raises(BenchError, match=r"endpoint.tiem: unknown key. Did you mean 'time'"):
        parse_card(CARD.replace("time: months", "tiem: months"), source="card")
    with pytest.raises(BenchError, match="unknown key. Did you mean 'licence'"):
        parse_card(CARD.replace("licence:", "license:"), source="card")


@pytest.mark.parametrize(
    ("column", "what"), [("months", "the endpoint's time"), ("event", "the endpoint's event"), ("patient", "the id")]
)
def test_the_outcome_is_no_predictor(column, what):
    text = CARD.replace("column: age, kind: numeric", f"column: {column}, kind: numeric")
    with pytest.raises(BenchError, match=f"is {what} and cannot be given to methods"):
        parse_card(text, source="card")


@pytest.mark.parametrize("sides", ["[0, 0, 0]", "[64, 64, -64]", "[.nan, 64, 64]", "[.inf, 64, 64]"])
def test_a_field_of_view_that_is_none_is_refused(sides):
    with pytest.raises(BenchError, match="field_of_view_mm"):
        parse_card(CARD.replace("[64, 64, 64]", sides), source="card")
