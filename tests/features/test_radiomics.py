"""Radiomics: the sets, their fingerprint, and values against pyradiomics itself and hand counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from survbench.errors import BenchError
from survbench.features.extraction import WAVELET_REACH, radiomics_path, read_radiomics, write_radiomics
from survbench.features.feature_sets import Bins, feature_set, feature_sets, settings_fingerprint
from survbench.features.radiomics import extract
from survbench.features.report import report, summary
from toy_images import toy_cohort, volume

PAPER = feature_set("paper")


def test_the_sets_have_the_features_that_they_say():
    names = {name: chosen.names(["pet", "ct"]) for name, chosen in feature_sets().items()}
    assert {name: len(n) for name, n in names.items()} == {
        "paper": 1456, "paper-fixed-width": 1456, "pyradiomics": 1436,
    }  # fmt: skip
    assert all(len(n) == len(set(n)) for n in names.values())
    assert {group: len(features) for group, features in PAPER.features.items()} == {
        "firstorder": 19, "glcm": 24, "glrlm": 16, "glszm": 16, "ngtdm": 5,
    }  # fmt: skip
    assert sum(n.startswith("shape_") for n in names["paper"]) == 16
    assert len(PAPER.names(["mr"])) == 80 * 9 + 16


def test_the_pyradiomics_set_is_what_it_enables_by_default():
    from radiomics import getFeatureClasses

    chosen, classes = feature_set("pyradiomics"), getFeatureClasses()
    for group, features in {**chosen.features, "shape": chosen.shape}.items():
        enabled = {name for name, deprecated in classes[group].getFeatureNames().items() if not deprecated}
        assert set(features) == enabled


def test_bins_are_by_modality_and_mr_has_no_width():
    fixed = feature_set("paper-fixed-width").bins
    assert PAPER.bins.settings("MR") == {"binCount": 32}
    assert fixed.settings("CT") == {"binWidth": 25}
    assert fixed.settings("PET") == {"binWidth": 0.25}
    with pytest.raises(BenchError, match="no width for MR.*radiomics: paper"):
        fixed.settings("MR")


@pytest.mark.parametrize("wrong", [{}, {"count": 32, "width": {"CT": 25}}, {"width": {"MR": 1}}, {"counts": 32}])
def test_bins_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Bins.model_validate(wrong)


def test_the_fingerprint_covers_what_changes_values_and_nothing_else(monkeypatch):
    prints = {settings_fingerprint(chosen) for chosen in feature_sets().values()}
    assert len(prints) == 3
    assert settings_fingerprint(PAPER.model_copy(update={"title": "Another"})) == settings_fingerprint(PAPER)
    finer = PAPER.model_copy(update={"bins": Bins(count=64)})
    assert settings_fingerprint(finer) not in prints
    monkeypatch.setattr("survbench.features.feature_sets._backend", lambda: {"pyradiomics-bhklab": "9.9"})
    assert settings_fingerprint(PAPER) not in prints


@pytest.fixture(scope="module")
def patient():
    return toy_cohort(1).subjects[0]


def masked(patient, voxels):
    """Return a patient with another mask."""
    return replace(patient, volumes={**patient.volumes, "mask": volume(voxels, "MASK")})


@pytest.mark.parametrize("name", feature_sets())
def test_cropping_changes_no_bit_of_a_mask_inside_the_image(patient, name):
    chosen = feature_set(name)
    found = extract(patient, chosen)
    assert found.margin >= WAVELET_REACH
    assert tuple(found.values) == chosen.names(["pet", "ct"])
    assert np.isfinite(list(found.values.values())).all()
    assert found == extract(patient, chosen, pad=None)


@pytest.mark.parametrize(("margin", "same"), [(WAVELET_REACH, True), (WAVELET_REACH - 1, False)])
def test_wavelets_wrap_around_for_masks_nearer_to_the_border_than_they_reach(patient, margin, same):
    side = patient.volumes["mask"].shape[0]
    mask = np.zeros((side, side, side), dtype=bool)
    mask[side - margin - 8 : side - margin, 12:20, 12:20] = True
    cropped = extract(masked(patient, mask), PAPER)
    assert cropped.margin == margin
    assert (cropped == extract(masked(patient, mask), PAPER, pad=None)) is same


def test_grey_levels_are_counted_as_pyradiomics_bins_them(patient):
    from radiomics.imageoperations import binImage

    inside = patient.volumes["mask"].voxels()
    found = extract(patient, feature_set("paper-fixed-width"))
    binned, _ = binImage(patient.volumes["pet"].voxels().astype(float), np.nonzero(inside), binWidth=0.25)
    assert found.grey_levels["pet_original"] == len(np.unique(binned[inside]))
    assert len(found.grey_levels) == 18


def test_volume_and_uptake_are_those_of_the_mask(patient):
    found = extract(patient, PAPER).values
    inside = patient.volumes["mask"].voxels()
    pet = patient.volumes["pet"].voxels().astype(float)[inside]
    assert found["pet_original_firstorder_Mean"] == pytest.approx(pet.mean())
    assert found["pet_original_firstorder_Maximum"] == pytest.approx(pet.max())
    assert found["shape_MeshVolume"] == pytest.approx(inside.sum() * 64, rel=0.05)


@pytest.mark.parametrize(("voxels", "message"), [(0, "empty"), (1, "a single voxel")])
def test_masks_without_extent_are_refused(patient, voxels, message):
    mask = np.zeros((32, 32, 32), dtype=bool)
    mask[16, 16, 16 : 16 + voxels] = True
    with pytest.raises(ValueError, match=message):
        extract(masked(patient, mask), PAPER)


def test_the_report_names_each_kind_of_finding(patient):
    touching = patient.volumes["mask"].voxels().copy()
    touching[0, 10:20, 10:20] = True
    flat = volume(np.full((32, 32, 32), 3.0, dtype=np.float32), "CT")
    odd = replace(masked(patient, touching), volumes={**masked(patient, touching).volumes, "ct": flat})
    good, bad = extract(patient, PAPER), extract(odd, PAPER)
    broken = replace(bad, values={**bad.values, "shape_Flatness": float("nan"), "shape_Elongation": 0.5})
    same = replace(good, values={**good.values, "shape_Elongation": 0.5})
    findings = report({"good": same, "bad": broken})
    assert {f.kind for f in findings} == {"few-grey-levels", "constant", "non-finite", "border"}
    assert not [f for f in findings if f.subject == "good"]
    few = {f.feature: f.detail for f in findings if f.kind == "few-grey-levels"}
    assert few["ct_original"] == "constant in the mask"
    assert "pet_original" not in few
    assert ("constant", "", "shape_Elongation") in {(f.kind, f.subject, f.feature) for f in findings}
    assert [f.feature for f in findings if f.kind == "non-finite"] == ["shape_Flatness"]
    assert [f.detail for f in findings if f.kind == "border"] == [
        "the mask touches the border; wavelets wrap around there"
    ]
    line = summary(findings)
    assert "1 values that do not exist" in line
    assert "1 masks less than 3 voxels from the border" in line


def test_a_clean_cohort_has_an_empty_report(patient):
    assert report({"only": extract(patient, PAPER)}) == []
    assert summary([]) == ""
    assert report({}) == []


def test_an_extraction_survives_the_cache_and_damage_is_noticed(patient, tmp_path):
    found = extract(patient, PAPER)
    gap = replace(found, values={**found.values, "shape_Flatness": float("nan")}, constant=("ct_original",))
    write_radiomics(tmp_path, "key", gap)
    again = read_radiomics(tmp_path, "key")
    assert again is not None
    assert np.isnan(again.values["shape_Flatness"])
    assert replace(again, values={**again.values, "shape_Flatness": found.values["shape_Flatness"]}) == replace(
        gap, values=found.values
    )
    path = radiomics_path(tmp_path, "key")
    path.write_text(path.read_text().replace('"margin": ', '"margin": 1'))
    assert read_radiomics(tmp_path, "key") is None
