"""Facts of patients: measured once, stored beside the volumes, and enough for the findings."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import SHAPE, read, write_cohort, write_image
from survbench.datasets.checks.catalogue import of_voxels
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.cohorts.facts_store import facts_key, read_facts
from survbench.datasets.cohorts.opened import centre_of, open_cohorts
from survbench.datasets.cohorts.validate import facts_of, validate_named
from survbench.datasets.preprocessing.cache import volume_store
from survbench.datasets.readers import nifti
from survbench.features.extraction import read_radiomics
from survbench.features.feature_sets import feature_set
from survbench.jobs.preparation import prepare_source, unprepared
from survbench.plan.profile import load_profile
from survbench.work.prepare import prepare

SMOKE = load_profile("smoke")


class Silent:
    def preparing(self, *_):
        pass

    def poll(self):
        pass


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy", 6)


def opened(folder):
    cohorts = open_cohorts([(str(folder), None)], profile=SMOKE)
    return cohorts, cohorts.sources[0]


def prepare_here(folder, out, radiomics=None, subjects=slice(None)):
    """Prepare patients as a worker does, in this process."""
    cohorts, source = opened(folder)
    work = [(s, centre_of(source, s)) for s in source.cohort.subjects[subjects]]
    chosen = feature_set("paper", ["PET", "CT"]) if radiomics else None
    return prepare(source.card, work, ["pet", "ct", "mask"], cohorts.grid, chosen, radiomics or {}, (), str(out))


def test_a_prepared_cohort_says_what_a_check_says_without_reading_its_images(folder, tmp_path, monkeypatch):
    path = folder / "images" / "P01_mask.nii.gz"
    lower = np.indices(SHAPE)[0] < 8
    write_image(path, (nib.load(path).get_fdata() * np.where(lower, 0.3, 1.0)).astype(np.float32))
    assert prepare_here(folder, tmp_path / "out") == []
    cohorts, source = opened(folder)
    expected = of_voxels(source, facts_of(source)[0])
    monkeypatch.setattr(nifti, "read_image", lambda path: pytest.fail(f"{path} is read again"))
    made = prepare_source(cohorts, source, out=tmp_path / "out", workers=1, timeout_s=60, watcher=Silent())
    assert of_voxels(source, made.facts) == expected
    assert {f.code for f in expected} >= {"SB408", "SB509"}
    monkeypatch.undo()
    assert set(expected) <= set(validate_named(str(folder)).findings)


def test_facts_that_an_older_cache_lacks_are_made(folder, tmp_path):
    out = tmp_path / "out"
    assert prepare_here(folder, out) == []
    cohorts, source = opened(folder)
    assert unprepared(cohorts, source, out) == []
    stored = sorted((out / "cache" / "facts").rglob("*.json"))
    assert len(stored) == 6
    content = [path.read_text() for path in stored]
    for path in stored:
        path.unlink()
    assert len(unprepared(cohorts, source, out)) == 6
    prepare_here(folder, out)
    assert [path.read_text() for path in stored] == content


def test_facts_survive_json_and_belong_to_files_and_field_of_view(folder, tmp_path):
    source = read(folder)
    facts, unreadable = facts_of(source)
    assert unreadable == []
    assert {i: PatientFacts.from_json(f.to_json()) for i, f in facts.items()} == facts
    subject = source.cohort.subjects[0]
    wider = source.card.model_copy(update={"field_of_view_mm": (80.0, 80.0, 80.0)})
    assert facts_key(wider, subject) != facts_key(source.card, subject)
    assert facts_key(source.card, source.cohort.subjects[1]) != facts_key(source.card, subject)
    (tmp_path / "cache" / "facts" / "ab").mkdir(parents=True)
    (tmp_path / "cache" / "facts" / "ab" / "abc.json").write_text("{}")
    assert read_facts(tmp_path, "abc") is None


def test_a_patient_with_an_image_in_place_of_the_mask_is_not_prepared(folder, tmp_path):
    ct = folder / "images" / "P01_ct.nii.gz"
    (folder / "images" / "P01_mask.nii.gz").write_bytes(ct.read_bytes())
    problems = prepare_here(folder, tmp_path / "out", subjects=slice(0, 2))
    assert [(f.code, f.subject) for f in problems] == [("SB505", "P01")]


def test_what_is_prepared_is_what_the_check_saw(folder, tmp_path):
    """NaN and padding reach neither volumes nor radiomics: they are those of files with air in their place."""
    clean = write_cohort(tmp_path / "clean", 6)
    for kind, odd, air in (("pet", np.nan, 0), ("ct", -3024, -1000)):
        for where, value in ((folder, odd), (clean, air)):
            path = where / "images" / f"P00_{kind}.nii.gz"
            voxels = np.maximum(nib.load(path).get_fdata(), -1024)
            voxels[11:] = value
            write_image(path, voxels.astype(np.float32))
    assert _same_preparation(folder, clean, tmp_path)


def test_radiomics_of_a_mask_in_another_order_are_bit_equal(folder, tmp_path):
    turned = write_cohort(tmp_path / "turned", 6)
    for where in (folder, turned):
        path = where / "images" / "P00_mask.nii.gz"
        voxels = nib.load(path).get_fdata().astype(np.uint8)
        voxels[6, 6:8, 9] = 0
        write_image(path, voxels)
    image = nib.load(path)
    nib.save(image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])), path)
    assert _same_preparation(folder, turned, tmp_path)


def _same_preparation(one, other, tmp_path):
    """Say whether the first patient of two folders has the same prepared volumes and radiomics, bit for bit."""
    made = []
    for number, folder in enumerate((one, other)):
        out = tmp_path / f"out{number}"
        assert prepare_here(folder, out, {"P00": {"mask": "features"}}, slice(0, 1)) == []
        cohorts, source = opened(folder)
        keys = cohorts.volume_keys(source, source.cohort.subjects[0])
        volumes = {name: volume_store(out).open(key).voxels() for name, key in keys.items()}
        made.append((keys, volumes, read_radiomics(out, "features").values))
    (keys, volumes, features), (other_keys, other_volumes, other_features) = made
    assert keys != other_keys
    assert len(features) == 1456
    return features == other_features and all(np.array_equal(v, other_volumes[name]) for name, v in volumes.items())
