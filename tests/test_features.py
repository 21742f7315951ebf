"""Clinical encoding, selection and radiomics against lifelines, scipy, pyradiomics itself and hand counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject, UnlabelledCohort
from survbench.features.clinical import ClinicalEncoder
from survbench.features.radiomics import CLASSES, SHAPE, extract, feature_names, settings_fingerprint
from survbench.features.selection import screened, spearman_redundancy, univariate_cox
from survbench.models.design import Design
from toy_images import toy_cohort

COLUMNS = (
    ClinicalColumn("age", "numeric"),
    ClinicalColumn("stage", "ordinal", ("I", "II", "III")),
    ClinicalColumn("site", "categorical", ("a", "b", "c")),
)


def patients(rows):
    subjects = tuple(
        Subject(f"P{i}", "A", dict(zip(("age", "stage", "site"), row, strict=True)), {}) for i, row in enumerate(rows)
    )
    return UnlabelledCohort(subjects=subjects, clinical_columns=COLUMNS)


def test_encoding_uses_the_training_folds_values_alone():
    train = patients([(50.0, "I", "a"), (60.0, "III", "b"), (70.0, "III", "b")])
    encoder = ClinicalEncoder.fit(train)
    assert encoder.columns == ("age", "stage", "site=b", "site=c")
    sd = np.std([50, 60, 70])
    test = patients([(70.0, "II", "c"), (None, None, None)])
    assert encoder.transform(test) == pytest.approx(np.array([[10 / sd, 0.5, 0, 1], [0.0, 1.0, 1, 0]]))


def test_an_encoder_survives_json():
    import json

    train = patients([(50.0, "I", "a"), (60.0, "III", "b")])
    encoder = ClinicalEncoder.fit(train)
    again = ClinicalEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder


def test_a_column_without_known_values_or_spread_gives_numbers():
    encoder = ClinicalEncoder.fit(patients([(None, None, None)] * 3))
    assert np.isfinite(encoder.transform(patients([(40.0, "III", "c"), (None, None, None)]))).all()


def test_no_columns_give_an_empty_matrix():
    bare = UnlabelledCohort(subjects=patients([(1.0, "I", "a")]).subjects)
    assert ClinicalEncoder.fit(bare).transform(bare).shape == (1, 0)


def test_the_score_test_is_the_log_rank_test_for_a_group():
    from lifelines.statistics import logrank_test

    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 80)
    # no tied times: there the log-rank test takes another variance
    time, event = rng.permutation(np.arange(1.0, 81)), rng.random(80) < 0.7
    expected = logrank_test(time[group == 1], time[group == 0], event[group == 1], event[group == 0]).test_statistic
    found = univariate_cox(np.column_stack([group, np.ones(80), -3 * group + 1]).astype(float), time, event)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert found[1] == 0
    assert found[2] == pytest.approx(expected, rel=1e-9)


def test_the_score_test_with_tied_times_is_score_squared_over_information():
    time, event = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    x = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    score = information = 0.0
    for i in np.flatnonzero(event):
        at_risk = x[time >= time[i]]
        score += x[i] - at_risk.mean()
        information += at_risk.var()
    assert univariate_cox(x[:, None], time, event)[0] == pytest.approx(score**2 / information)


def test_of_two_redundant_features_the_weaker_goes():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    base = rng.normal(size=(100, 3))
    values = np.column_stack([base, base[:, 0] ** 3, base[:, 1] + 0.1 * rng.normal(size=100), np.ones(100)])
    kept = spearman_redundancy(values, np.array([1.0, 5.0, 2.0, 3.0, 4.0, 9.0]))
    assert kept.tolist() == [1, 2, 3]
    correlation = np.abs(spearmanr(values[:, kept]).statistic)
    assert correlation[~np.eye(3, dtype=bool)].max() <= 0.7


def test_screening_is_benjamini_and_hochbergs():
    from scipy.stats import chi2
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(2)
    statistic = np.concatenate([rng.chisquare(1, 200), rng.chisquare(1, 20) + 8])
    expected, *_ = multipletests(chi2.sf(statistic, 1), alpha=0.1, method="fdr_bh")
    assert 5 < expected.sum() < 40
    assert screened(statistic, rate=0.1).tolist() == np.flatnonzero(expected).tolist()
    assert screened(np.array([0.5, 2.0, 1.0]), rate=0.01).tolist() == [1], "the strongest stays where none passes"


def test_a_design_screens_before_it_removes_redundancy_and_leaves_clinical_columns_alone():
    rng = np.random.default_rng(3)
    base = patients([(50.0 + i % 7, "I", "a") for i in range(150)])
    effect, noise = rng.normal(size=150), rng.normal(size=(150, 30))
    # two copies of the effect, one with a value missing, among features of no effect
    values = np.column_stack([noise, effect, effect + 0.1 * rng.normal(size=150)])
    values[3, 30] = np.nan
    names = (*(f"noise{i}" for i in range(30)), "effect", "copy")
    train = Cohort(
        subjects=base.subjects,
        clinical_columns=COLUMNS,
        features=FeatureTable(names, values),
        time=rng.exponential(20 * np.exp(-1.5 * effect)) + 0.1,
        event=rng.random(150) < 0.7,
    )
    free, strict = (Design.fit(train, redundancy=0.7, screening=rate) for rate in (None, 0.01))
    assert len(free.features) == 31, "without screening redundancy alone takes one of the copies"
    assert [f.name for f in strict.features] in (["effect"], ["copy"])
    assert strict.columns[1:] == ("age", "stage", "site=b", "site=c")
    assert np.isfinite(strict.matrix(train)).all()


def test_the_paper_has_1456_features_of_pet_and_ct():
    names = feature_names(["pet", "ct"])
    assert len(names) == len(set(names)) == 1456
    assert sum(n.startswith("shape_") for n in names) == 16
    assert {group: len(features) for group, features in CLASSES.items()} == {
        "firstorder": 19, "glcm": 24, "glrlm": 16, "glszm": 16, "ngtdm": 5,
    }  # fmt: skip
    assert len(feature_names(["mr"])) == 80 * 9 + len(SHAPE)


@pytest.fixture(scope="module")
def patient():
    return toy_cohort(1).subjects[0]


def test_extraction_equals_a_direct_call_without_cropping(patient):
    import SimpleITK as sitk  # as its manual names it
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    found = extract(patient)
    assert tuple(found) == feature_names(["pet", "ct"])
    assert np.isfinite(list(found.values())).all()
    extractor = RadiomicsFeatureExtractor(binCount=32, wavelet="coif1")
    extractor.enableImageTypes(Original={}, Wavelet={})
    extractor.enableAllFeatures()
    images = {}
    for name, volume in patient.volumes.items():
        dtype = np.uint8 if name == "mask" else np.float64
        images[name] = sitk.GetImageFromArray(volume.voxels().astype(dtype).transpose(2, 1, 0))
        images[name].SetSpacing((4.0, 4.0, 4.0))
    direct = extractor.execute(images["ct"], images["mask"])
    compared = [key for key in direct if not key.startswith("diagnostics") and "_shape_" not in key]
    compared = [key for key in compared if f"ct_{key}" in found]
    assert len(compared) > 700
    assert {key: found[f"ct_{key}"] for key in compared} == {key: float(np.real(direct[key])) for key in compared}


def test_volume_and_uptake_are_those_of_the_mask(patient):
    found = extract(patient)
    inside = patient.volumes["mask"].voxels()
    pet = patient.volumes["pet"].voxels().astype(float)[inside]
    assert found["pet_original_firstorder_Mean"] == pytest.approx(pet.mean())
    assert found["pet_original_firstorder_Maximum"] == pytest.approx(pet.max())
    assert found["shape_MeshVolume"] == pytest.approx(inside.sum() * 64, rel=0.05)


def test_an_empty_mask_is_refused_and_one_at_the_border_named(patient, caplog):
    mask = patient.volumes["mask"]
    empty = replace(mask, loader=lambda: np.zeros(mask.shape, dtype=bool))
    with pytest.raises(ValueError, match="empty"):
        extract(replace(patient, volumes={**patient.volumes, "mask": empty}))
    touching = mask.voxels().copy()
    touching[0] = True
    border = replace(mask, loader=lambda: touching)
    extract(replace(patient, volumes={"ct": patient.volumes["ct"], "mask": border}))
    assert "touches the border" in caplog.text


def test_settings_have_one_fingerprint():
    assert settings_fingerprint() == settings_fingerprint()
    assert len(settings_fingerprint()) == 64
