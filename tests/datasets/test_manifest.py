"""The manifest of a cohort: what it names, and that a run goes on without."""

from __future__ import annotations

import gzip
import json

import pytest
from cohort_folder import change as change_voxels
from cohort_folder import path_of, put, read, write_cohort
from survbench.datasets.readers.manifest import MANIFEST, FileState, write_manifest
from survbench.findings import CohortError


@pytest.fixture
def cohort(tmp_path):
    """Return the folder of six patients with a manifest."""
    folder = write_cohort(tmp_path / "toy", 6)
    files = sorted((folder / "images").iterdir())
    write_manifest(folder, {f"images/{path.name}": FileState.of(path.read_bytes()) for path in files})
    return folder


def truncate(folder):
    path = path_of(folder, "P01_pet")
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder):
    path = path_of(folder, "P01_mask")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def pack_again(folder):
    path = path_of(folder, "P01_ct")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))


def change(folder):
    change_voxels(folder, "P01_pet", put((0, 0, 0), 3.0))


def lose(folder):
    path_of(folder, "P01_mask").unlink()


@pytest.mark.parametrize("damage", [truncate, flip, pack_again, change, lose])
def test_a_file_that_is_not_as_it_was_written_costs_its_patient_alone(cohort, damage):
    assert len(read(cohort).cohort) == 6
    damage(cohort)
    with pytest.raises(CohortError) as caught:
        read(cohort)
    assert {f.subject for f in caught.value.findings} == {"P01"}
    assert {f.code for f in caught.value.findings} == {"SB401" if damage is lose else "SB418"}
    left = read(cohort, skip_bad=True)
    assert (left.left_out, len(left.cohort)) == (("P01",), 5)


def test_files_that_changed_places_are_both_named(cohort):
    a, b = (path_of(cohort, f"{name}_mask") for name in ("P02", "P04"))
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)
    with pytest.raises(CohortError) as caught:
        read(cohort)
    assert sorted(f.subject for f in caught.value.findings) == ["P02", "P04"]


def test_what_differs_is_said(cohort):
    truncate(cohort)
    flip(cohort)
    with pytest.raises(CohortError) as caught:
        read(cohort)
    size = path_of(cohort, "P01_pet").stat().st_size
    details = {f.detail for f in caught.value.findings}
    assert details == {
        f"images/P01_pet.nii.gz: {size:,} bytes, not {size + 1:,}",
        "images/P01_mask.nii.gz: same size, different content",
    }


@pytest.mark.parametrize("content", ["", "{", '{"survbench-manifest": 1}', '{"survbench-manifest": 1, "files": {"a": 1}}', "[" * 100_000])  # fmt: skip  # noqa: E501
def test_a_damaged_manifest_is_an_error_of_the_cohort_that_nobody_skips(cohort, content):
    (cohort / MANIFEST).write_text(content)
    with pytest.raises(CohortError) as caught:
        read(cohort, skip_bad=True)
    assert [(f.code, f.subject, f.cause) for f in caught.value.findings] == [("SB418", "", "manifest.json is damaged.")]


@pytest.mark.parametrize("content", [{"version": 3, "files": ["a"]}, ["a"]])
def test_a_manifest_of_another_program_says_nothing(cohort, content):
    (cohort / MANIFEST).write_text(json.dumps(content))
    truncate(cohort)
    flip(cohort)
    assert {f.code for f in read(cohort, skip_bad=True).findings} & {"SB418", "SB419"} == set()
