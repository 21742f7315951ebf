"""Images and masks of another patient that were saved again."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import AFFINE, change, path_of, write_cohort, write_image
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.datasets.checks.images import same_data
from survbench.datasets.cohorts.validate import validate_named


def copies(folder):
    return [(f.subject, f.detail, f.cause) for f in validate_named(str(folder)).findings if f.code == "SB430"]


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy", 6)


def copy(folder, kind, function=lambda v: v, affine=AFFINE, dtype=np.float32):
    voxels = nib.load(path_of(folder, f"P00_{kind}")).get_fdata()
    write_image(path_of(folder, f"P03_{kind}"), function(voxels).astype(dtype), affine)


TURNED = np.array([[-4.0, 0, 0, 60], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("function", "affine", "dtype"),
    [
        (lambda v: v, AFFINE, np.float64),
        (lambda v: v[::-1], TURNED, np.float32),
        (lambda v: v[:, ::-1, ::-1], AFFINE, np.float32),
        (lambda v: 1.7 * v, AFFINE, np.float32),
        (lambda v: v, AFFINE + 1e-4 * np.eye(4)[:, :], np.float32),
    ],
    ids=["type", "axes", "mirrored", "unit", "header"],
)
def test_an_image_saved_again_is_a_copy(folder, function, affine, dtype):
    copy(folder, "pet", function, affine, dtype)
    assert copies(folder) == [("P03", "of P00", "pet is a copy of another patient's, saved again.")]


def test_one_finding_says_which_images_of_a_pair_are_copies(folder):
    for kind, dtype in (("pet", np.float64), ("ct", np.float32), ("mask", np.uint8)):
        copy(folder, kind, dtype=dtype)
    assert copies(folder) == [("P03", "of P00", "pet, ct and mask are copies of another patient's, saved again.")]


def test_the_same_bytes_have_a_finding_of_their_own(folder):
    for kind in ("pet", "ct", "mask"):
        path_of(folder, f"P03_{kind}").write_bytes(path_of(folder, f"P00_{kind}").read_bytes())
    assert copies(folder) == []
    same = [f.cause for f in validate_named(str(folder)).findings if f.code == "SB405"]
    assert same == ["Another patient has the same pet and ct."]


def test_a_mask_of_another_patient_is_a_copy_and_one_for_all_is_none(folder):
    copy(folder, "mask", lambda v: 255 * v, dtype=np.uint8)
    assert copies(folder) == [("P03", "of P00", "mask is a copy of another patient's, saved again.")]
    ball = nib.load(path_of(folder, "P00_mask")).get_fdata()
    for n in range(6):
        change(folder, f"P{n:02d}_mask", lambda _: ball)
    assert copies(folder) == []


def test_rows_are_the_same_where_names_and_values_are():
    values = np.arange(12.0)
    values[[3, 5]] = np.nan, np.inf
    names = [f"f{n:02d}" for n in range(12)]
    first = table_of({"A": values}, names)
    assert found([first, table_of({"B": values[::-1]}, names[::-1])]) == [("B", "as A of 0")]
    assert found([first, table_of({"B": values}, [f"g{n:02d}" for n in range(12)])]) == []
    values[[3, 5]] = -np.inf, np.nan
    assert found([first, table_of({"B": values}, names)]) == [("B", "as A of 0")]
    assert found([table_of({"A": values, "B": values}, names)]) == [("B", "as A of 0")]


def table_of(rows, names):
    features = FeatureTable(tuple(names), np.array(list(rows.values())))
    subjects = tuple(Subject(name, "", {}, {}) for name in rows)
    return Cohort(
        subjects=subjects,
        channels=(),
        clinical_columns=(),
        features=features,
        time=np.ones(len(rows)),
        event=np.ones(len(rows), dtype=bool),
    )


def found(cohorts):
    return [(f.subject, f.detail) for f in same_data([(str(n), cohort) for n, cohort in enumerate(cohorts)])]
