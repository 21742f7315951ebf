"""Rigid registration to a template, and the one interpolation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import path_of, read, write_image
from registered_folder import GRID, registered_card, write_registered
from survbench.actions.planning import prepare_cohort
from survbench.actions.request import Request
from survbench.datasets.cards.card import parse_card, read_card
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.facts import RegistrationFacts
from survbench.datasets.checks.registration import doubts
from survbench.datasets.cohorts.facts_store import facts_key
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.phantom.cohort import phantom_cohorts
from survbench.datasets.phantom.poses import pose, posed
from survbench.datasets.preprocessing.cache import volume_store
from survbench.datasets.preprocessing.grid import Grid
from survbench.datasets.preprocessing.registration import Registrar
from survbench.datasets.preprocessing.resample import isotropic, preprocess, volume_key
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.io.hashing import digest
from survbench.plan.profile import load_profile
from survbench.volume import Volume

SMOKE = load_profile("smoke")


@pytest.fixture(scope="module")
def phantom():
    """Return the patients of the smoke profile's training cohort."""
    return phantom_cohorts(SMOKE.phantom, SMOKE.voxels)[0].cohort.subjects


def registrar_of(volume, **options):
    return Registrar.of(Template("ct", volume, (0.0, 0.0, 0.0), (128.0, 128.0, 112.0), **options))


def error_of(facts, truth):
    """Return by how many mm at the centre and by how many degrees a registration misses a pose."""
    rest = np.linalg.inv(truth) @ np.array(facts.to_patient)
    return np.linalg.norm(rest[:3, 3]), np.degrees(np.arccos(np.clip((np.trace(rest[:3, :3]) - 1) / 2, -1, 1)))


@pytest.mark.parametrize("channel", ["ct", "pet"])
def test_a_phantom_turned_by_5_degrees_and_shifted_by_8_mm_registers_back(phantom, channel):
    template = phantom[0].volumes[channel]
    truth = pose(5, [1, 2, 0.5], 8 * np.array([2, -1, 1]) / np.sqrt(6))
    moved = posed(template, truth)
    facts = registrar_of(template).register(moved, moved.voxels())
    shift, angle = error_of(facts, truth)
    assert shift < 1.0
    assert angle < 0.5
    assert facts.rotation_deg == pytest.approx(5, abs=0.5)
    assert facts.shift_mm == pytest.approx(8, abs=1)
    assert not list(doubts(facts))


def test_another_patient_registers_from_a_scanner_with_another_origin(phantom):
    truth = pose(9, [0.2, -1, 1], [310.0, -240.0, 150.0])
    image = posed(phantom[3].volumes["ct"], pose(9, [0.2, -1, 1], [0, 0, 0]))
    affine = image.affine.copy()
    affine[:3, 3] += truth[:3, 3]
    facts = registrar_of(phantom[0].volumes["ct"]).register(replace(image, affine=affine), image.voxels())
    shift, angle = error_of(facts, truth)
    assert shift < 2.0  # patients differ: the phantom's heads have other sizes and airways
    assert angle < 1.0
    assert not list(doubts(facts))


def hopeless(image, voxels):
    return replace(image, loader=partial(np.asarray, voxels), fingerprint=lambda: "hopeless")


def test_noise_and_hardly_any_overlap_are_not_accepted(tmp_path):
    source = read(write_registered(tmp_path / "toy"))
    image = source.cohort.subjects[1].volumes["ct"]
    registrar = Registrar.of(source.template)
    noise = np.random.default_rng(0).permutation(image.voxels().ravel()).reshape(image.shape)
    assert list(doubts(registrar.register(hopeless(image, noise), noise)))
    rim = image.voxels()[:, :, :3]
    assert list(doubts(registrar.register(hopeless(replace(image, shape=rim.shape), rim), rim)))


@pytest.mark.slow
@pytest.mark.parametrize("turn", [pose(180, [1, 0, 0], [0, 0, 0]), pose(90, [0, 0, 1], [0, 0, 0])])
def test_a_patient_upside_down_and_axes_in_another_order_are_not_accepted(phantom, turn):
    image = posed(phantom[0].volumes["ct"], turn)
    assert list(doubts(registrar_of(phantom[0].volumes["ct"]).register(image, image.voxels())))


def test_the_template_stays_where_it_is(phantom):
    image = phantom[0].volumes["ct"]
    assert registrar_of(image).register(image, image.voxels()) == RegistrationFacts.of_the_template()


@pytest.mark.slow
def test_a_hopeless_patient_is_named_and_not_prepared(tmp_path):
    folder = write_registered(tmp_path / "toy")
    write_image(path_of(folder, "P02_ct"), np.random.default_rng(0).normal(0, 500, (20,) * 3).astype(np.int16), GRID)
    request = Request(cohort=str(folder), methods="volume", profile=SMOKE, out=tmp_path / "out", workers=1)
    with pytest.raises(CohortError, match="SB441 Images do not register to the template. P02"):
        prepare_cohort(request)
    left = prepare_cohort(replace(request, skip_bad=True))
    assert left.cohort.ids == ("P00", "P01", "P03")


def prepared(folder, out, workers):
    """Prepare a cohort; return the voxels of its volumes by patient and name."""
    cohort = prepare_cohort(Request(cohort=str(folder), methods="volume", profile=SMOKE, out=out, workers=workers))
    store = volume_store(out)
    return {(i, n): store.open(key).voxels() for i, row in cohort.rows.items() for n, key in row["volumes"].items()}


@pytest.mark.slow
def test_registered_patients_lie_like_the_template_and_any_number_of_workers_gives_the_same(tmp_path):
    folder = write_registered(tmp_path / "toy")
    one, two = (prepared(folder, tmp_path / f"out{workers}", workers) for workers in (1, 2))
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    (folder / "cohort.yaml").write_text(registered_card(""))
    as_scanned = prepared(folder, tmp_path / "out", 1)
    for name in ("P01", "P02", "P03"):
        after, before = (np.abs(found[name, "ct"] - found["P00", "ct"]).mean() for found in (one, as_scanned))
        assert after < 0.6 * before
    middle = {i: np.argwhere(one[i, "mask"]).mean(axis=0) for i in ("P00", "P01", "P02", "P03")}
    assert all(np.linalg.norm(middle[i] - middle["P00"]) * 2 < 2.0 for i in middle)  # voxels of 2 mm


def test_a_cohort_without_registration_keeps_its_keys(phantom):
    image, grid = phantom[0].volumes["ct"], Grid((32, 32, 32), 4.0)
    before = digest([1, "CT", image.fingerprint(), [[32, 32, 32], 4.0, [1.0, 2.0, 3.0]]])
    assert volume_key(image, grid, (1.0, 2.0, 3.0)) == before


@pytest.mark.parametrize(
    "registration",
    [
        "",
        "{template: P01, channel: ct}",
        "{template: P00, channel: pet}",
        "{template: P00, channel: ct, interpolation: twice}",
        "{template: template.nii.gz, channel: ct}",
    ],
)
def test_another_template_channel_or_setting_is_another_key(tmp_path, registration):
    folder = write_registered(tmp_path / "toy")
    write_image(folder / "template.nii.gz", nib.load(path_of(folder, "P02_ct")).get_fdata().astype(np.int16), GRID)

    def keys():
        cohorts = open_cohorts([(str(folder), None)], profile=SMOKE)
        subject = cohorts.sources[0].cohort.subjects[3]
        return cohorts.volume_keys(cohorts.sources[0], subject)

    before = keys()
    assert before == keys()
    (folder / "cohort.yaml").write_text(registered_card(registration))
    assert not set(before.values()) & set(keys().values())


def test_facts_hold_the_registration_for_every_grid_and_interpolation(tmp_path):
    source = read(write_registered(tmp_path / "toy"))
    subject = source.cohort.subjects[1]
    key = facts_key(source.card, subject, source.template)
    assert key == facts_key(source.card, subject, replace(source.template, twice=True))
    assert key != facts_key(source.card, subject)


def test_the_template_of_a_file_may_be_of_nobody_in_the_cohort(tmp_path):
    folder = write_registered(tmp_path / "toy", card=registered_card("{template: atlas.nii.gz, channel: ct}"))
    path_of(folder, "P03_ct").rename(folder / "atlas.nii.gz")
    (folder / "clinical.csv").write_text("\n".join((folder / "clinical.csv").read_text().splitlines()[:-1]) + "\n")
    report = validate_named(str(folder))
    assert not [f for f in report.findings if f.code in {"SB440", "SB441"}]
    assert set(report.registrations) == {"P00", "P01", "P02"}


@pytest.mark.parametrize(
    ("file", "cause"),
    [("none.nii.gz", "is missing"), ("../x.nii.gz", "leads out of"), ("bad.nii.gz", "cannot be used")],
)
def test_a_template_that_cannot_be_read_is_an_error_of_the_cohort(tmp_path, file, cause):
    folder = write_registered(tmp_path / "toy", card=registered_card(f"{{template: {file}, channel: ct}}"))
    (folder / "bad.nii.gz").write_bytes(b"no image")
    found = [f for f in validate_named(str(folder)).findings if f.code == "SB440"]
    assert [f.subject for f in found] == [""]
    assert cause in found[0].cause


def test_a_template_whose_voxels_are_damaged_is_named_by_check_and_by_run(tmp_path):
    folder = write_registered(tmp_path / "toy", card=registered_card("{template: bad.nii.gz, channel: ct}"))
    whole = nib.load(path_of(folder, "P00_ct")).get_fdata().astype(np.float32)
    whole[0, 0, 0] = np.inf
    write_image(folder / "bad.nii.gz", whole, GRID)
    assert "SB440" in {f.code for f in validate_named(str(folder)).findings}
    with pytest.raises(CohortError, match="SB440"):
        prepared(folder, tmp_path / "out", 1)


def test_the_registered_channel_must_be_on_the_card(tmp_path):
    with pytest.raises(BenchError, match=r"registration.channel 'mr' is not a channel of images \(pet, ct\)"):
        parse_card(registered_card("{template: P00, channel: mr}"), source="cohort.yaml")


def test_the_crop_is_that_of_the_template(tmp_path):
    folder = write_registered(tmp_path / "toy")
    card = read_card(folder / "cohort.yaml")
    assert read(folder).template.centre == (0.0, 0.0, 0.0)
    (folder / "cohort.yaml").write_text(registered_card() + "reference: [4, 0, -8]\n")
    assert read(folder).template.centre == (4.0, 0.0, -8.0)
    assert read(folder).template.field_of_view_mm == card.field_of_view_mm


def test_an_external_cohort_is_registered_to_the_template_of_the_cohort_that_trains(tmp_path):
    own = write_registered(tmp_path / "own")
    other = write_registered(tmp_path / "other", card=registered_card("", name="other"), seed=7)
    cohorts = open_cohorts([(str(own), None), (str(other), None)], profile=SMOKE)
    assert cohorts.sources[1].template == cohorts.sources[0].template
    with pytest.raises(BenchError, match="External cohort 'toy' is registered to a template, cohort 'other' is not"):
        open_cohorts([(str(other), None), (str(own), None)], profile=SMOKE)


def lines_of(period_mm, spacing=(1.0, 1.0, 2.0), shape=(48, 48, 24)):
    """Return a CT of lines across x, which alternate between 0 and 1000 HU smoothly."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2 + 0.3
    x = affine[0, 0] * np.arange(shape[0]) + affine[0, 3]
    voxels = np.broadcast_to((500 + 500 * np.cos(2 * np.pi * x / period_mm))[:, None, None], shape)
    return Volume("CT", shape, affine, partial(np.asarray, voxels.astype(np.float32)), lambda: "lines")


def test_two_interpolations_lose_more_contrast_than_one():
    image, grid = lines_of(5.0), Grid((32, 32, 32), 1.0)
    affine = pose(5, [0, 0, 1], [0.5, 0, 0]) @ grid.affine((0.0, 0.0, 0.0))
    once, twice = (preprocess(of, grid.shape, affine)[4:-4, 4:-4, 8:-8].std() for of in (image, isotropic(image)))
    assert twice <= once * 1.001
    shifted = replace(
        image, affine=image.affine @ np.diag([0.8, 0.8, 1.0, 1.0])
    )  # voxels that are not on the 1 mm grid
    once, twice = (preprocess(of, grid.shape, affine)[8:-8, 8:-8, 8:-8].std() for of in (shifted, isotropic(shifted)))
    assert twice < 0.97 * once


def test_resampling_to_1_mm_equals_simpleitk():
    import SimpleITK as sitk

    image = lines_of(9.0, spacing=(1.5, 0.9, 2.0), shape=(20, 30, 12))
    found = isotropic(image)
    assert found.spacing == pytest.approx((1, 1, 1))
    assert found.shape == (29, 27, 23)  # 28.5, 26.1 and 22 mm between the outermost voxels
    ours = sitk.GetImageFromArray(image.voxels().transpose(2, 1, 0))
    ours.SetSpacing(image.spacing)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(ours, found.shape, sitk.Transform(), sitk.sitkLinear, (0, 0, 0), (1, 1, 1), np.eye(3).ravel())
    ).transpose(2, 1, 0)
    assert np.allclose(found.voxels()[:, :, ::2], expected[:, :, ::2], atol=0.5)
