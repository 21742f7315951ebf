"""Checks of images: an input that trips each, and one near it that does not."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import shutil
import zipfile

import nibabel as nib
import numpy as np
import pytest
from cohort_folder import (
    AFFINE,
    SHAPE,
    change,
    path_of,
    put,
    read,
    scale_pet,
    with_centres,
    write_cohort,
    write_image,
)
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.readers.axis_order import order_of
from survbench.findings import CohortError
from survbench.volume import Volume

PATIENTS = 6
BODY = np.linalg.norm(np.stack(np.indices(SHAPE), axis=-1) - 7.5, axis=-1) < 7


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy", PATIENTS)


def found(folder, code):
    """Return the findings of a code, by patient."""
    return {f.subject: f.what for f in validate_named(str(folder)).findings if f.code == code}


# --- the unit of a PET


@pytest.mark.parametrize(("factor", "names"), [(5, True), (3.5, True), (0.2, True), (2, False), (0.6, False)])
def test_the_pet_of_a_centre_in_another_unit_is_named(folder, factor, names):
    with_centres(folder)
    scale_pet(folder, (1, 3, 5), factor)
    what = found(folder, "SB411").get("", "")
    higher, lower = "BA" if factor > 1 else "AB"
    assert (f"of centre {higher} is about {max(factor, 1 / factor):g} times that of {lower}" in what) == names


def test_of_three_centres_the_odd_one_is_named_and_the_others_are_not(folder):
    with_centres(folder, "ABCABCABC")
    scale_pet(folder, (0, 3, 6), 0.2)
    scale_pet(folder, (1, 4, 7), 1.5)
    (what,) = (f.what for f in validate_named(str(folder)).findings if f.code == "SB411")
    assert "of centre A is about 1/" in what
    assert what.endswith("that of B, C.")


@pytest.mark.parametrize(("factor", "odd"), [(6, {"P02", "P04"}), (2, set())])
def test_patients_with_a_pet_in_another_unit_are_named(folder, factor, odd):
    scale_pet(folder, (2, 4), factor)
    assert found(folder, "SB411").keys() == odd


def test_the_unit_is_compared_without_a_ct_too(folder):
    card = folder / "cohort.yaml"
    kept = [line for line in card.read_text().splitlines() if "modality: CT" not in line]
    card.write_text("\n".join(kept))
    assert found(folder, "SB411") == {}
    scale_pet(folder, (2,), 6)
    assert found(folder, "SB411").keys() == {"P02"}


# --- HU


@pytest.mark.parametrize("padding", [-1200, -2000, -3024, -32768])
def test_padding_below_hu_reads_as_not_scanned(folder, tmp_path, padding):
    plain = folder.with_name("plain")
    shutil.copytree(folder, plain)
    for n in range(PATIENTS):
        for where, value in ((folder, padding), (plain, -1000)):
            change(where, f"P{n:02d}_ct", put(np.s_[9 + n % 3 :], value), np.int16)
            change(where, f"P{n:02d}_pet", put(np.s_[9 + n % 3 :], 0))
    assert len(found(folder, "SB412")) == PATIENTS
    assert f"down to {padding}" in found(folder, "SB412")["P00"]
    assert found(plain, "SB412") == {}
    assert found(folder, "SB409") == found(plain, "SB409") != {}
    for one, other in zip(read(folder).cohort.subjects, read(plain).cohort.subjects, strict=True):
        assert np.array_equal(one.volumes["ct"].voxels(), other.volumes["ct"].voxels())


@pytest.mark.parametrize("shift", [1024, 1000])
@pytest.mark.parametrize("padding", [None, -2000])
def test_a_ct_whose_intercept_was_lost_is_named(folder, shift, padding):
    change(folder, "P01_ct", lambda v: v + shift)
    if padding is not None:
        change(folder, "P01_ct", put(np.s_[:2], padding))
    named = found(folder, "SB413")
    assert named.keys() == {"P01"}
    assert "1024 or 1000 above HU" in named["P01"]
    assert "P01" not in found(folder, "SB408")


def test_a_ct_whose_intercept_was_subtracted_twice_is_named(folder):
    change(folder, "P01_ct", lambda v: v - 1024)
    assert "below HU" in found(folder, "SB413")["P01"]


def unsigned(bits):
    """Return a function that stores numbers below 0 without a sign."""
    return lambda voxels: np.round(voxels) % 2**bits


@pytest.mark.parametrize("bits", [16, 12])
def test_a_ct_stored_without_its_sign_is_named_and_does_not_tell_where_the_body_is(folder, bits):
    for n in range(PATIENTS):
        # beyond the body there is little uptake: a PET measured there would seem to have another unit
        change(folder, f"P{n:02d}_pet", lambda v: v * np.where(BODY, 1, 0.1))
    assert found(folder, "SB411") == {}
    for n in (1, 4):
        change(folder, f"P{n:02d}_ct", unsigned(bits), np.uint16)
    named = {name: what for name, what in found(folder, "SB408").items() if "not HU" in what}
    assert named.keys() == {"P01", "P04"}
    assert "negative numbers were stored without a sign: 0 to " in named["P01"]
    remedies = {
        f.remedy for f in validate_named(str(folder)).findings if f.code == "SB408" and f.what in named.values()
    }
    assert remedies == {
        f"Subtract {2**bits} from the numbers above {2 ** (bits - 1) - 1}, or convert from DICOM again."
    }
    for code in ("SB411", "SB413", "SB510", "SB511"):
        assert found(folder, code) == {}


@pytest.mark.parametrize("function", [lambda v: v + 32768, lambda v: v * 100], ids=["offset", "scaled"])
def test_a_ct_far_above_hu_is_no_hu(folder, function):
    change(folder, "P01_ct", lambda v: function(v).clip(-1024))
    assert found(folder, "SB408")["P01"].startswith("ct has numbers that are not HU: ")
    assert found(folder, "SB413") == {}


def test_metal_in_an_extended_scale_is_hu(folder):
    change(folder, "P01_ct", put(np.s_[8, 8, 8], 30710))
    assert "P01" not in found(folder, "SB408")


def test_a_ct_without_air_and_one_with_much_bone_are_not_shifted(folder):
    change(folder, "P01_ct", lambda v: np.where(v < -500, 60, v))
    change(folder, "P02_ct", lambda v: np.where(v > -500, np.where(np.indices(SHAPE)[0] > 9, 900, 40), v))
    assert found(folder, "SB413") == {}


def test_noise_in_air_is_no_padding(folder):
    change(folder, "P01_ct", lambda v: v + np.random.default_rng(1).normal(0, 15, SHAPE).clip(-60, 60))
    assert (nib.load(path_of(folder, "P01_ct")).get_fdata() < -1024).mean() > 0.01
    assert found(folder, "SB412") == {}
    change(folder, "P01_mask", lambda v: np.roll(v, 8, axis=0), np.uint8)
    assert found(folder, "SB413") == {}, "a mask in air does not make it a shifted CT"


# --- NaN and infinity


@pytest.mark.parametrize(("kind", "air"), [("pet", 0.0), ("ct", -1000.0)])
def test_nan_at_the_border_reads_as_not_scanned(folder, kind, air):
    outside = np.s_[:, :, :3]
    unlike_hu = found(folder, "SB408")
    change(folder, f"P01_{kind}", put(outside, np.nan))
    named = found(folder, "SB414")
    assert named.keys() == {"P01"}
    assert "19 % of the voxels, none in the mask" in named["P01"]
    assert found(folder, "SB408") == unlike_hu
    voxels = read(folder).cohort.subjects[1].volumes[kind].voxels()
    assert (voxels[outside] == air).all()
    change(folder, f"P01_{kind}", put(outside, air))
    assert np.array_equal(voxels, read(folder).cohort.subjects[1].volumes[kind].voxels())
    assert found(folder, "SB414") == {}


def test_nan_around_a_body_that_dwindles_reads_as_not_scanned(folder):
    """Two legs: between them lie slices of NaN, and nothing is missing."""
    x, y, _ = np.indices(SHAPE)
    legs = np.minimum(np.hypot(x - 3, y - 8), np.hypot(x - 12, y - 8)) < 3.6
    assert not legs[7:9].any()
    change(folder, "P01_ct", lambda v: np.where(legs, v, np.nan))
    change(folder, "P01_mask", lambda v: v * 0 + legs * (x < 7), np.uint8)
    assert found(folder, "SB402") == {}
    assert found(folder, "SB414").keys() == {"P01"}


@pytest.mark.parametrize(
    ("where", "value", "what"),
    [
        (np.s_[8, 8, 8], np.nan, "1 voxel that is NaN inside"),
        (np.s_[:, :, 5], np.nan, "a slice of NaN between valid slices (index 5 of axis 3)"),
        (np.s_[6:8], np.nan, "a slice of NaN between valid slices (index 6 of axis 1)"),
        (np.s_[0, 0, :3], np.inf, "3 voxels that are infinite"),
        (np.s_[0, 0, 0], -np.inf, "1 voxel that is infinite"),
        (np.s_[:], np.nan, "contains only NaN"),
    ],
    ids=["enclosed", "slice", "slab", "infinite", "minus infinite", "all"],
)
def test_nan_inside_and_infinity_are_damage(folder, where, value, what):
    change(folder, "P01_pet", put(where, value))
    assert what in found(folder, "SB402")["P01"]


def test_nan_that_reaches_into_the_mask_is_an_error(folder):
    change(folder, "P01_pet", put(np.s_[:8], np.nan))
    inside = nib.load(path_of(folder, "P01_mask")).get_fdata()[:8].sum()
    assert found(folder, "SB415") == {"P01": f"pet is NaN inside the mask: {inside:.0f} voxels."}
    assert found(folder, "SB414") == {}


# --- geometry


def turned(image):
    """Return the image stored from left, back and top, with x as the last axis."""
    return image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))


def test_a_mask_stored_in_another_order_is_read_in_the_images(folder):
    path = path_of(folder, "P01_mask")
    change(folder, "P01_mask", put(np.s_[6, 7, 8], 0), np.uint8)
    mask = read(folder).cohort.subjects[1].volumes["mask"]
    expected, print_of_stored, affine = mask.voxels(), mask.fingerprint(), mask.affine
    nib.save(turned(nib.load(path)), path)
    assert not np.array_equal(nib.load(path).get_fdata(), expected)
    mask = read(folder).cohort.subjects[1].volumes["mask"]
    assert np.array_equal(mask.voxels(), expected)
    assert np.array_equal(mask.affine, affine)
    assert mask.fingerprint() != print_of_stored
    assert found(folder, "SB403") == {}


def test_any_order_of_an_image_with_three_different_sides_is_recognised():
    affine = np.array([[2.0, 0.2, 0, 5], [-0.2, 3.0, 0, -4], [0, 0, 1.5, 2], [0, 0, 0, 1]])
    stored = nib.Nifti1Image(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6), affine)

    def volume(image):
        return Volume("MASK", image.shape, image.affine, loader=image.get_fdata, fingerprint=str)

    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            other = stored.as_reoriented(np.array(list(zip(axes, flips, strict=True))))
            order = order_of(volume(other), volume(stored))
            assert np.array_equal(order.turn(other.get_fdata()), stored.get_fdata())
            assert np.allclose(order.affine(other.affine, other.shape), affine)
    moved = nib.Nifti1Image(stored.get_fdata(), affine + np.array([[0, 0, 0, 0.11]] * 3 + [[0] * 4]))
    assert order_of(volume(moved), volume(stored)) is None


def test_what_differs_between_the_grids_of_mask_and_images_is_said(folder):
    moved, wider, tipped = AFFINE.copy(), AFFINE.copy(), AFFINE.copy()
    moved[:3, 3] = 62, 0, 0
    wider[0, 0] = 4.008
    angle = np.deg2rad(5)
    tipped[:2, :2] = 4 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    ball = np.ones(SHAPE, np.uint8)
    for n, affine in enumerate((moved, wider, tipped)):
        write_image(path_of(folder, f"P0{n}_mask"), ball, affine)
    write_image(path_of(folder, "P03_mask"), np.ones((16, 16, 15), np.uint8))
    named = found(folder, "SB403")
    assert "mask has origin at (62, 0, 0), not at (0, 0, 0) mm" in named["P00"]
    assert "62 mm apart (pet, ct)" in named["P00"]
    assert "spacing 4.008 x 4 x 4 mm, not 4 x 4 x 4 mm; corners up to 0.12 mm apart" in named["P01"]
    assert "axes of another direction" in named["P02"]
    assert "16 x 16 x 15 voxels, not 16 x 16 x 16" in named["P03"]


@pytest.mark.parametrize(
    ("shape", "spacing", "what"),
    [
        ((20, 18, 16), 4, "20 x 18 x 16 voxels, not 16 x 18 x 20; are its axes in another order? (pet, ct)"),
        ((32, 36, 40), 2, "32 x 36 x 40 voxels of 2 mm, not 16 x 18 x 20 of 4 mm (pet, ct)"),
        ((16, 18, 20), 2, "spacing 2 x 2 x 2 mm, not 4 x 4 x 4 mm; corners up to"),
    ],
    ids=["permuted", "finer", "spacing alone"],
)
def test_shapes_that_differ_are_said_with_both(folder, shape, spacing, what):
    for kind in ("pet", "ct"):
        write_image(path_of(folder, f"P01_{kind}"), np.indices((16, 18, 20)).sum(axis=0).astype(np.float32))
    write_image(path_of(folder, "P01_mask"), np.ones(shape, np.uint8), np.diag([spacing, spacing, spacing, 1.0]))
    assert f"mask has {what}" in found(folder, "SB403")["P01"]


def test_a_mask_in_another_order_that_is_moved_has_no_other_shape(folder):
    for kind in ("pet", "ct"):
        write_image(path_of(folder, f"P01_{kind}"), np.indices((16, 18, 20)).sum(axis=0).astype(np.float32))
    moved = AFFINE.copy()
    moved[:3, 3] = 0, 12, 0
    nib.save(turned(nib.Nifti1Image(np.ones((16, 18, 20), np.uint8), moved)), path_of(folder, "P01_mask"))
    what = found(folder, "SB403")["P01"]
    assert "voxels" not in what
    assert "12 mm apart" in what


@pytest.mark.parametrize(("apart", "named"), [(30.0, True), (1.5, True), (0.05, False)])
def test_sform_and_qform_that_differ_are_named(folder, apart, named):
    path = path_of(folder, "P02_mask")
    image = nib.load(path)
    beside = image.affine.copy()
    beside[1, 3] += apart
    image.set_sform(image.affine, code=1)
    image.set_qform(beside, code=1)
    nib.save(image, path)
    expected = {"P02": f"The sform and the qform of a file differ: mask by {apart:g} mm."} if named else {}
    assert found(folder, "SB416") == expected
    image.set_qform(beside, code=0)
    nib.save(image, path)
    assert found(folder, "SB416") == {}


# --- files of other kinds


def _zip(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("image.nii", content)
    return stream.getvalue()


def _analyze(_):
    header = nib.analyze.AnalyzeHeader()
    header.set_data_shape(SHAPE)
    return header.binaryblock + bytes(100)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
OTHERS = {
    "not gzipped": (lambda nii: nii, "P01_pet.nii.gz is not gzipped; it could be read as P01_pet.nii", ".nii, or gzip"),
    "empty": (lambda _: b"", "is empty", "again"),
    "zeros": (lambda _: bytes(1000), "nothing but zeros", "again"),
    "zip": (_zip, "a zip archive", "Unpack"),
    "bzip2": (bz2.compress, "packed with bzip2", "Unpack"),
    "dicom": (lambda _: bytes(128) + b"DICM" + bytes(500), "a DICOM file", "bench cohort ingest"),
    "page": (lambda _: b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>", "a web page", "Download"),
    "text": (lambda _: b"see the other folder", "text ('see the other folder')", "Copy or export"),
    "nrrd": (lambda _: b"NRRD0004\ntype: float\n" + bytes(600), "an NRRD file", "Convert"),
    "mha": (lambda _: b"ObjectType = Image\nNDims = 3\n", "a MetaImage file", "Convert"),
    "analyze": (_analyze, "an ANALYZE header", "Convert"),
    "lfs": (lambda _: LFS, "a Git LFS pointer", "git lfs pull"),
    "packed text": (lambda _: gzip.compress(b"hello " * 200), "text ('hello", "Copy or export"),
    "packed nrrd": (lambda _: gzip.compress(b"NRRD0004\n" + bytes(600)), "an NRRD file", "Convert"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_named(folder, kind):
    make, what, remedy = OTHERS[kind]
    path = path_of(folder, "P01_pet")
    path.write_bytes(make(gzip.decompress(path.read_bytes())))
    (finding,) = (f for f in validate_named(str(folder)).findings if f.code == "SB402")
    assert finding.subject == "P01"
    assert what in finding.detail
    assert remedy in finding.remedy


def test_a_gzipped_file_that_is_called_nii_is_named(folder):
    card = folder / "cohort.yaml"
    card.write_text(card.read_text().replace("_pet.nii.gz", "_pet.nii"))
    for n in range(PATIENTS):
        packed = path_of(folder, f"P{n:02d}_pet")
        packed.with_suffix("").write_bytes(packed.read_bytes() if n == 1 else gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert found(folder, "SB402").keys() == {"P01"}
    assert "P01_pet.nii is gzipped" in found(folder, "SB402")["P01"]


# --- links


def test_links_out_of_the_folder_are_followed_and_counted(folder, tmp_path):
    assert found(folder, "SB417") == {}
    inside = path_of(folder, "P00_pet")
    inside.rename(folder / "moved.nii.gz")
    inside.symlink_to(folder / "moved.nii.gz")
    assert found(folder, "SB417") == {}
    (folder / "images").rename(tmp_path / "elsewhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    # the link of P00 leads back into the folder
    assert "17 of 18 files are links that lead out of the cohort's folder" in found(folder, "SB417")[""]
    assert len(read(folder).cohort) == PATIENTS


def test_a_link_to_nothing_and_a_pattern_out_of_the_folder_are_refused(folder, tmp_path):
    path = path_of(folder, "P00_pet")
    path.rename(tmp_path / "P00_pet.nii.gz")
    path.symlink_to(tmp_path / "gone.nii.gz")
    assert "Links lead to files that do not exist: images/P00_pet.nii.gz leads to" in found(folder, "SB401")["P00"]
    card = folder / "cohort.yaml"
    card.write_text(card.read_text().replace("images/{id}_pet", "../{id}_pet"))
    with pytest.raises(CohortError, match=r"Patterns lead out of the cohort's folder.*\.\./P00_pet.nii.gz"):
        read(folder)


def test_a_standardised_pet_is_no_suv(tmp_path):
    folder = write_cohort(tmp_path / "toy", 4)
    for n in range(4):
        change(folder, f"P{n:02d}_pet", lambda v: (v - v.mean()) / v.std())
    found = [f for f in validate_named(str(folder)).findings if f.code == "SB431"]
    assert [f.cause for f in found] == ["pet is not SUV: its mean is 0 and it has negative values in every patient."]
