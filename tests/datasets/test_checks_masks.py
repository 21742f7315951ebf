"""Checks of masks: an input that trips each, and one near it that does not; and how a mask is read."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import CARD, SHAPE, lines, read, write_cohort, write_image, write_lines
from scipy.ndimage import gaussian_filter, zoom
from survbench.datasets.cohorts.validate import validate_named

PATIENTS = 5
CODES = ("SB501", "SB502", "SB505", "SB506", "SB507", "SB508", "SB509", "SB510", "SB511", "SB512")
DISTANCE = np.linalg.norm(np.stack(np.indices(SHAPE), axis=-1) - 7.5, axis=-1)
BALL = DISTANCE <= 4.5
SHARES = np.clip(5.0 - DISTANCE, 0, 1)
"""A ball with a linear edge, which is a half at a radius of 4.5."""
NOISE = np.random.default_rng(7)
GREY = NOISE.integers(3, 40, SHAPE)
HALVES = np.where(np.indices(SHAPE)[0] < 8, 1, 2)


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy", PATIENTS)


def findings(folder, subject=None):
    """Return what the checks of masks found, by code."""
    report = validate_named(str(folder)).findings
    return {f.code: f.what for f in report if f.code in CODES and subject in {None, f.subject}}


def write_mask(folder, voxels, number=1, dtype=None):
    write_image(folder / "images" / f"P{number:02d}_mask.nii.gz", voxels if dtype is None else voxels.astype(dtype))


def with_label(folder, label):
    card = CARD.replace('_mask.nii.gz"}', f'_mask.nii.gz", label: {label}}}')
    assert card != CARD
    (folder / "cohort.yaml").write_text(card)


def mask_of(folder, number=1):
    return read(folder).cohort.subjects[number].volumes["mask"].voxels()


def channel(folder, name):
    return nib.load(folder / "images" / f"P01_{name}.nii.gz").get_fdata()


# --- what is no mask


@pytest.mark.parametrize(
    ("voxels", "dtype", "what"),
    [
        (lambda f: channel(f, "ct"), np.int16, "equal to ct"),
        (lambda f: channel(f, "pet"), np.float32, "equal to pet"),
        (lambda f: np.where(BALL, channel(f, "pet"), 0), np.float32, "equal to pet"),
        (lambda _: np.where(BALL, GREY, 0), np.int16, "37 numbers from 3 to 39 besides 0"),
        (lambda _: np.where(BALL, GREY // 5, 0), np.uint8, "numbers from 1 to 7 besides 0"),
        (lambda _: NOISE.random(SHAPE), np.float32, "numbers from"),
        (lambda _: np.where(BALL, NOISE.random(SHAPE) * 7, 0), np.float32, "numbers from"),
        (lambda _: np.clip(GREY * 7, 0, 255), np.uint8, "numbers from 21 to 255 besides 0"),
        (lambda _: -1 * BALL, np.int8, "one number, -1 besides 0"),
        (lambda _: np.where(BALL, 1, -1), np.int8, "2 numbers from -1 to 1 besides 0"),
    ],
    ids=["ct", "pet", "pet inside", "grey inside", "few greys", "0 to 1", "uptake", "8 bit", "negative", "signed"],
)
def test_an_image_in_place_of_a_mask_is_an_error(folder, voxels, dtype, what):
    write_mask(folder, voxels(folder), dtype=dtype)
    found = findings(folder)
    assert found.keys() == {"SB505"}
    assert what in found["SB505"]


@pytest.mark.parametrize(("share", "error"), [(1.0, True), (0.97, True), (0.92, False)])
def test_a_mask_of_the_whole_image_is_an_error(folder, share, error):
    voxels = np.zeros(SHAPE, np.uint8).ravel()
    voxels[: round(share * voxels.size)] = 1
    write_mask(folder, voxels.reshape(SHAPE))
    assert ("SB506" in findings(folder, "P01")) == error


@pytest.mark.parametrize(("voxels", "code"), [(0, "SB501"), (1, "SB502"), (2, "SB502"), (9, "SB502"), (10, None)])
def test_masks_of_a_few_voxels_are_named(folder, voxels, code):
    mask = np.zeros(SHAPE, np.uint8)
    mask[8, 8, 5 : 5 + min(voxels, 5)] = mask[8, 9, 5 : 5 + max(voxels - 5, 0)] = 1
    assert mask.sum() == voxels
    write_mask(folder, mask)
    assert set(findings(folder)) == ({code} if code else set())


# --- labels


def test_several_labels_and_none_chosen_are_counted_by_patient(folder):
    for number in range(PATIENTS - 1):
        write_mask(folder, (BALL * HALVES), number, np.uint8)
    write_mask(folder, 2 * BALL, PATIENTS - 1, np.uint8)
    assert findings(folder) == {"SB507": "The masks have 2 labels: 1 in 4 patients, 2 in 5 patients."}
    assert np.array_equal(mask_of(folder), BALL)
    with_label(folder, 2)
    assert findings(folder) == {"SB512": "Some masks have labels besides 2: 1 in 4 of 5 patients."}
    assert np.array_equal(mask_of(folder), BALL & (HALVES == 2))


def test_a_label_of_its_own_in_each_patient_is_several_labels(folder):
    write_mask(folder, 2 * BALL, dtype=np.uint8)
    assert "1 in 4 patients, 2 in 1 patient" in findings(folder)["SB507"]


def test_many_lesions_with_a_label_each_are_labels(folder):
    x, y, z = np.indices(SHAPE) // 5
    lesions = np.where((np.stack(np.indices(SHAPE)) % 5 < 3).all(axis=0), 1 + x + 4 * y + 16 * z, 0)
    assert len(np.unique(lesions)) > 50
    write_mask(folder, lesions, dtype=np.uint8)
    assert findings(folder).keys() == {"SB507", "SB511"}  # they lie anywhere, not on uptake
    assert np.array_equal(mask_of(folder), lesions > 0)


def test_a_patient_without_the_chosen_label_is_named_with_those_it_has(folder):
    with_label(folder, 1)
    write_mask(folder, 2 * BALL, dtype=np.uint8)
    assert findings(folder) == {"SB508": f"No voxel of the mask has label 1: it has 2 ({BALL.sum()} voxels)."}
    write_mask(folder, 0 * BALL, dtype=np.uint8)
    assert findings(folder).keys() == {"SB501"}


@pytest.mark.parametrize("label", [None, 1])
@pytest.mark.parametrize(("high", "dtype"), [(255, np.uint8), (1000, np.int16), (100, np.float32), (65535, np.uint16)])
def test_a_binary_mask_at_full_scale_is_binary(folder, label, high, dtype):
    if label is not None:
        with_label(folder, label)
    write_mask(folder, high * BALL, dtype=dtype)
    assert findings(folder) == {}
    assert np.array_equal(mask_of(folder), BALL)


def test_a_binary_mask_may_be_chosen_by_the_number_that_it_holds(folder):
    with_label(folder, 255)
    for number in range(PATIENTS):
        write_mask(folder, 255 * BALL, number, np.uint8)
    assert findings(folder) == {}
    assert np.array_equal(mask_of(folder), BALL)


# --- soft edges


@pytest.mark.parametrize(
    ("shares", "dtype"),
    [(SHARES, np.float32), (255 * SHARES, np.uint8), (255 * SHARES, np.float32), (100 * SHARES, np.uint8)],
    ids=["0 to 1", "0 to 255", "0 to 255.0", "percent"],
)
@pytest.mark.parametrize("label", [None, 1])
def test_a_soft_edge_is_cut_at_a_half_and_said(folder, shares, dtype, label):
    if label is not None:
        with_label(folder, label)
    write_mask(folder, np.round(shares, 6), dtype=dtype)
    found = findings(folder)
    assert found.keys() == {"SB509"}
    assert f"{mask_of(folder).sum()} voxels" in found["SB509"]
    # 255 / 2 lies between two whole numbers, on which the radius of a half falls
    assert mask_of(folder).sum() == pytest.approx((DISTANCE <= 4.5).sum(), rel=0.02)
    assert mask_of(folder).sum() < 0.9 * (SHARES > 0).sum()


def test_the_volume_of_a_ball_survives_linear_resampling(folder):
    radius = 11.0
    fine = np.linalg.norm(np.stack(np.indices((64, 64, 64)), axis=-1) - 31.5, axis=-1) <= radius
    soft = zoom(gaussian_filter(fine.astype(float), 1.5), 0.25, order=1, grid_mode=True, mode="nearest")
    write_mask(folder, np.where(soft < 1e-3, 0, soft), dtype=np.float32)
    assert findings(folder).keys() == {"SB509"}
    assert 64 * mask_of(folder).sum() == pytest.approx(fine.sum(), rel=0.1)
    assert 64 * (soft > 1e-3).sum() > 1.5 * fine.sum()


def test_the_probabilities_of_a_network_may_be_small_everywhere(folder):
    write_mask(folder, np.maximum(0.97 * SHARES, 1e-5), dtype=np.float32)
    assert findings(folder).keys() == {"SB509"}
    assert np.array_equal(mask_of(folder), SHARES >= 0.5)


def test_nan_at_the_border_of_a_mask_is_no_tumour(folder):
    voxels = BALL.astype(np.float32)
    voxels[:2] = np.nan
    write_mask(folder, voxels)
    (finding,) = (f for f in validate_named(str(folder)).findings if f.code == "SB414")
    assert (finding.subject, finding.cause) == ("P01", "mask has NaN outside the scanned region.")
    assert np.array_equal(mask_of(folder), BALL)


# --- masks of something else


@pytest.mark.parametrize(("radius", "named"), [(6.5, True), (5.0, False)])
def test_a_mask_of_the_body_is_named(folder, radius, named):
    """The body is a ball with a radius of 7 voxels."""
    body = np.less_equal(DISTANCE, radius)
    write_mask(folder, body, dtype=np.uint8)
    found = findings(folder)
    assert set(found) == ({"SB510"} if named else set())
    if named:
        assert f"{100 * body.sum() / (DISTANCE < 7).sum():.0f} % of what is in view" in found["SB510"]
        assert f"{body.sum() * 0.064:.0f} ml" in found["SB510"]


def test_a_mask_of_the_body_is_named_without_a_ct(folder):
    card = folder / "cohort.yaml"
    card.write_text("\n".join(line for line in card.read_text().splitlines() if "modality: CT" not in line))
    for number in range(PATIENTS):
        write_pet(folder, number, np.where(DISTANCE < 7, 1, 0) + 6 * (DISTANCE < 3))
    assert findings(folder) == {}
    write_mask(folder, DISTANCE <= 6.5, dtype=np.uint8)
    assert findings(folder).keys() == {"SB510"}


def test_a_mask_of_litres_is_named_however_small_it_is_in_the_body(folder):
    card = folder / "cohort.yaml"
    card.write_text(card.read_text().replace("[64, 64, 64]", "[640, 640, 640]"))
    wide = np.diag([40.0, 40.0, 40.0, 1.0])
    for kind in ("pet", "ct", "mask"):
        write_image(folder / "images" / f"P01_{kind}.nii.gz", channel(folder, kind).astype(np.float32), wide)
    voxels = int(channel(folder, "mask").sum())
    found = findings(folder, "P01")
    assert f"{voxels * 64:,} ml" in found["SB510"]
    assert voxels < 0.2 * (DISTANCE < 7).sum()


# --- masks beside the tumour


def write_pet(folder, number, voxels):
    write_image(folder / "images" / f"P{number:02d}_pet.nii.gz", voxels.astype(np.float32))


def with_tumours_off_the_middle(folder, turn, numbers=range(PATIENTS), uptake=6.0):
    for n in range(PATIENTS):
        place = 2.5, 6 + n % 2, 11 + n % 2 / 2
        ball = np.linalg.norm(np.stack(np.indices(SHAPE), axis=-1) - place, axis=-1) <= 1.8
        write_pet(folder, n, 0.5 + uptake * ball + 0.1 * NOISE.random(SHAPE))
        write_mask(folder, turn(ball) if n in numbers else ball, n, np.uint8)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda v: v[::-1], "axis 1 reversed"),
        (lambda v: v[:, :, ::-1], "axis 3 reversed"),
        (lambda v: v[::-1, ::-1], "axes 1, 2 reversed"),
        (lambda v: v.transpose(2, 1, 0), "its axes in the order 3, 2, 1"),
        (lambda v: v.transpose(1, 2, 0), "its axes in the order 3, 1, 2"),
    ],
    ids=["x", "z", "x and y", "exchanged", "rotated"],
)
@pytest.mark.parametrize("numbers", [(0, 2, 4), range(PATIENTS)], ids=["some", "all"])
def test_masks_that_lie_beside_the_tumours_are_named_with_how_they_are_turned(folder, turn, words, numbers):
    with_tumours_off_the_middle(folder, turn, numbers)
    found = [f for f in validate_named(str(folder)).findings if f.code == "SB511"]
    assert {f.subject for f in found} == {f"P{n:02d}" for n in numbers}
    (remedy,) = {f.remedy for f in found}
    assert f"With {words}, the mask would be on uptake." in remedy
    assert len({f.cause for f in found}) == 1
    assert all(0.9 < float(f.detail.removesuffix(" times")) < 1.1 for f in found)


def test_a_mask_that_is_moved_is_named_without_a_turn(folder):
    with_tumours_off_the_middle(folder, lambda v: np.roll(v, (6, 3, 3), (0, 1, 2)), (1,))
    (finding,) = (f for f in validate_named(str(folder)).findings if f.code == "SB511")
    assert finding.subject == "P01"
    assert "With " not in finding.remedy


@pytest.mark.parametrize("uptake", [6.0, 1.0, 0.3])
def test_masks_that_lie_on_uptake_are_not_named(folder, uptake):
    with_tumours_off_the_middle(folder, lambda v: v, uptake=uptake)
    assert findings(folder) == {}


def test_a_tumour_that_is_dark_within_is_not_named(folder):
    """Necrosis: most of the tumour takes up nothing, its rim does."""
    for n in range(PATIENTS):
        write_pet(folder, n, 0.5 + 3.0 * ((DISTANCE < 4.5) & (DISTANCE > 3.8)) - 0.3 * (DISTANCE <= 3.8))
        write_mask(folder, BALL, n, np.uint8)
    assert findings(folder) == {}


# --- labels beside the card's


@pytest.mark.parametrize(("holders", "named"), [((0, 2), True), (range(PATIENTS), False), ((), False)])
def test_a_label_that_some_masks_have_and_others_lack_is_noted(folder, holders, named):
    with_label(folder, 1)
    assert findings(folder) == {}
    for n in holders:
        core = DISTANCE <= 2.5  # on the uptake of all
        write_mask(folder, np.where(core & (HALVES == 2), 3, core), n, np.uint8)
    expected = {"SB512": f"Some masks have labels besides 1: 3 in 2 of {PATIENTS} patients."} if named else {}
    assert findings(folder) == expected


def test_a_centre_with_a_label_of_its_own_is_named(folder):
    write_cohort(
        folder, PATIENTS, card=CARD.replace('_mask.nii.gz"}', '_mask.nii.gz", label: 1}') + "centre: hospital\n"
    )
    head, *rows = lines(folder)
    write_lines(folder, [f"{head},hospital", *(f"{row},{c}" for row, c in zip(rows, "ABABA", strict=True))])
    for n in (1, 3):
        write_mask(folder, BALL * HALVES, n, np.uint8)
    assert findings(folder) == {"SB512": "Some masks have labels besides 1: 2 in 2 of 5 patients, all of centre B."}


def test_a_mask_at_full_scale_has_no_further_label(folder):
    with_label(folder, 1)
    write_mask(folder, 255 * BALL, dtype=np.uint8)
    assert findings(folder) == {}


def test_a_full_scale_that_was_compressed_in_one_mask_is_the_same_mark(folder):
    for n in range(PATIENTS):
        write_mask(folder, (254 if n == 1 else 255) * (DISTANCE <= 2.5), n, np.uint8)
    assert "SB507" not in findings(folder)
