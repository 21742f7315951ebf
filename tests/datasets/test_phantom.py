"""The embedded cohort: its table, its hazard, and that a patient is the same on any grid."""

from __future__ import annotations

from collections import Counter

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from survbench.datasets.phantom.cohort import (
    EXTERNAL_TABLE,
    FACTORS,
    TRAIN_TABLE,
    outcomes,
    phantom_card,
    phantom_cohorts,
    simulate,
)
from survbench.datasets.phantom.folder import write_folder
from survbench.metrics import concordance_index
from survbench.plan.profile import PhantomSize, builtin_profiles

PAPER = builtin_profiles()["paper"].phantom
SMALL = PhantomSize(train=6, external=3, event_rate=0.5, external_event_rate=0.5)


@pytest.fixture(scope="module")
def paper():
    return phantom_cohorts(PAPER, 32)


@pytest.mark.parametrize(("which", "patients", "events"), [(0, 170, 48), (1, 23, 14)])
def test_the_paper_profile_has_the_papers_patients_and_events(paper, which, patients, events):
    cohort = paper[which].cohort
    assert len(cohort) == patients
    assert int(cohort.event.sum()) == events
    assert cohort.time.min() > 0
    assert len({s.centre for s in cohort.subjects}) == 1


@pytest.mark.parametrize(("which", "table"), [(0, TRAIN_TABLE), (1, EXTERNAL_TABLE)])
def test_the_clinical_table_has_the_printed_marginals(paper, which, table):
    clinical = [s.clinical for s in paper[which].cohort.subjects]
    for column in ("sex", "t_stage", "n_stage", "stage", "treatment"):
        printed = {level: count for level, count in getattr(table, column).items() if count}
        assert Counter(c[column] for c in clinical) == printed
    ages = [c["age"] for c in clinical]
    assert (np.median(ages), min(ages), max(ages)) == table.age


def test_methods_get_the_stage_alone(paper):
    assert [c.name for c in phantom_card("phantom").model_columns] == ["stage"]
    (subject, *_) = paper[0].cohort.restrict({"clinical"}).subjects
    assert set(subject.clinical) == {"stage"}


def test_times_follow_the_stated_hazard():
    """Doubling the hazard doubles the cumulative hazard: under the model, H(T) x exp(log-hazard) is exponential."""
    from scipy.stats import kstest

    rng = np.random.default_rng(0)
    log_hazard = rng.normal(size=4000)
    time, event = outcomes(log_hazard, 0.6, rng)
    assert event.mean() == pytest.approx(0.6)
    assert time[~event].min() >= 12
    assert time.max() <= 120
    # Cox's coefficient of the true log-hazard is 1
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    fit = CoxPHSurvivalAnalysis().fit(log_hazard[:, None], Surv.from_arrays(event, time))
    assert fit.coef_[0] == pytest.approx(1.0, abs=0.08)
    all_seen, _ = outcomes(np.zeros(4000), 0.999, np.random.default_rng(1))
    shape = 1.2
    scale = np.mean(all_seen**shape) ** (1 / shape)
    assert kstest((np.sort(all_seen)[:3900] / scale) ** shape, "expon").statistic < 0.05


def test_the_oracle_is_far_from_perfect_and_from_chance():
    patients = simulate(TRAIN_TABLE, 2000, "A", np.random.default_rng(5))
    truth = np.array([p.log_hazard for p in patients])
    time, event = outcomes(truth, 0.2824, np.random.default_rng(6))
    assert 0.75 < concordance_index(time, event, truth).value < 0.85


def test_each_factor_has_about_the_mean_and_spread_that_its_weight_is_stated_for():
    patients = simulate(TRAIN_TABLE, 2000, "A", np.random.default_rng(5))
    for name, (_, mean, sd) in FACTORS.items():
        values = np.array([p.factors[name] for p in patients])
        assert values.mean() == pytest.approx(mean, abs=0.15 * sd + 0.03)
        assert values.std() == pytest.approx(sd, rel=0.15)


def test_the_image_shows_the_factors(paper):
    """Volume of the mask, and nodes outside it, follow what the hazard is made of."""
    cohort = paper[0].cohort.take(range(40))
    patients = simulate(TRAIN_TABLE, 170, "A", np.random.default_rng([0, 0]))[:40]
    volumes = [v.voxels().sum() * v.voxel_volume_ml for s in cohort.subjects if (v := s.volumes["mask"])]
    assert np.corrcoef(np.log(volumes), [p.factors["log_volume"] for p in patients])[0, 1] > 0.95


def test_masks_lie_inside_the_image_and_hold_the_uptake(paper):
    quick, _ = phantom_cohorts(builtin_profiles()["quick"].phantom, 32)
    for subject in (*paper[0].cohort.subjects, *paper[1].cohort.subjects, *quick.cohort.subjects):
        mask = subject.volumes["mask"].voxels()
        assert not any(mask.take(edge, axis=axis).any() for axis in range(3) for edge in (0, -1))
    for subject in paper[0].cohort.subjects[:20]:
        mask = subject.volumes["mask"].voxels()
        pet, ct = subject.volumes["pet"].voxels(), subject.volumes["ct"].voxels()
        assert mask.any()
        assert not any(mask.take(edge, axis=axis).any() for axis in range(3) for edge in (0, -1))
        assert pet[mask].mean() > 3 * np.median(pet)
        assert pet.min() >= 0
        assert -1100 < ct.min() < -900
        assert 400 < ct.max() < 2500


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_cohort():
    (first, _), (again, _), (other, _) = (phantom_cohorts(SMALL.model_copy(update={"seed": s}), 32) for s in (0, 0, 1))
    for a, b in zip(first.cohort.subjects, again.cohort.subjects, strict=True):
        assert a.clinical == b.clinical
        for name in a.volumes:
            assert a.volumes[name].fingerprint() == b.volumes[name].fingerprint()
            assert np.array_equal(a.volumes[name].voxels(), b.volumes[name].voxels())
    assert not np.array_equal(first.cohort.time, other.cohort.time)


def test_a_patient_is_the_same_on_every_grid():
    coarse, fine = (phantom_cohorts(SMALL, voxels)[0].cohort for voxels in (32, 64))
    assert np.array_equal(coarse.time, fine.time)
    assert np.array_equal(coarse.truth, fine.truth)
    for a, b in zip(coarse.subjects, fine.subjects, strict=True):
        assert a.clinical == b.clinical
        volume = [s.volumes["mask"].voxels().sum() * s.volumes["mask"].voxel_volume_ml for s in (a, b)]
        assert volume[0] == pytest.approx(volume[1], rel=0.15)
        assert a.volumes["pet"].voxels().mean() == pytest.approx(b.volumes["pet"].voxels().mean(), rel=0.1)


def test_the_second_centre_has_another_scanner(paper):
    means = [
        np.mean([s.volumes["pet"].voxels()[s.volumes["mask"].voxels()].mean() for s in source.cohort.subjects[:20]])
        for source in paper
    ]
    assert means[1] != pytest.approx(means[0], rel=0.02)


def test_a_folder_of_the_phantom_holds_its_voxels_and_outcomes(tmp_path):
    source, _ = phantom_cohorts(SMALL, 32)
    write_folder(source, tmp_path / "hospital")
    table = pd.read_csv(tmp_path / "hospital" / "clinical.csv", keep_default_na=False)
    assert (table["progression"] == "yes").tolist() == source.cohort.event.tolist()
    np.testing.assert_allclose(table["pfs_months"], source.cohort.time, atol=0.05)
    subject = source.cohort.subjects[1]
    for name, tolerance in (("pet", 0.0), ("ct", 0.5), ("mask", 0.0)):
        image = nib.load(tmp_path / "hospital" / "images" / f"{subject.id}_{name}.nii.gz")
        np.testing.assert_allclose(np.asarray(image.dataobj), subject.volumes[name].voxels(), atol=tolerance)
        np.testing.assert_array_equal(image.affine, subject.volumes[name].affine)
