"""Resampling to the common grid against SimpleITK and scipy, and what it must not do."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from survbench.cohort import Subject
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import Grid, plan_grid, reference_point
from survbench.datasets.preprocessing.resample import prepare_subject, preprocess, volume_key
from survbench.errors import BenchError
from survbench.volume import Volume


def on_grid(image, grid, centre):
    return preprocess(image, grid.shape, grid.affine(centre))


def volume(voxels, affine, modality="PET", fingerprint="f"):
    return Volume(modality, voxels.shape, np.asarray(affine, dtype=float), lambda: voxels, lambda: fingerprint)


def smooth(shape, sigma=2.0, seed=0):
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)
    return (10 + 5 * field / field.std()).astype(np.float32)


OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = np.array([[-0.9, 0.1, 0.2], [0.1, 0.95, -0.1], [-0.2, 0.1, 0.97]]) @ np.diag([2.0, 2.0, 3.0])
OBLIQUE[:3, 3] = (40, -30, -45)


def by_simpleitk(image, grid, centre):
    """Linear interpolation by SimpleITK, which counts in LPS."""
    flip = np.diag([-1.0, -1.0, 1.0])
    moving = sitk.GetImageFromArray(image.voxels().astype(np.float64).transpose(2, 1, 0))
    direction = flip @ image.affine[:3, :3] / np.array(image.spacing)
    u, _, v = np.linalg.svd(direction)
    assert np.allclose(u @ v, direction, atol=1e-6)
    moving.SetDirection((u @ v).ravel().tolist())
    moving.SetSpacing(image.spacing)
    moving.SetOrigin((flip @ image.affine[:3, 3]).tolist())
    target = grid.affine(centre)
    reference = sitk.Image(*grid.shape, sitk.sitkFloat64)
    reference.SetSpacing((grid.spacing_mm,) * 3)
    reference.SetDirection((flip @ np.eye(3)).ravel().tolist())
    reference.SetOrigin((flip @ target[:3, 3]).tolist())
    moved = sitk.Resample(moving, reference, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat64)
    return sitk.GetArrayFromImage(moved).transpose(2, 1, 0)


def test_refining_an_oblique_image_equals_simpleitk():
    rotation = OBLIQUE.copy()
    u, _, v = np.linalg.svd(OBLIQUE[:3, :3] / np.linalg.norm(OBLIQUE[:3, :3], axis=0))
    rotation[:3, :3] = (u @ v) @ np.diag([2.0, 2.0, 3.0])
    image = volume(smooth((40, 36, 30)), rotation)
    centre = reference_point(Subject("a", "A", {}, {"pet": image}), ["pet"], "image-centre")
    grid = Grid((32, 32, 32), 1.5)
    found = on_grid(image, grid, centre)
    expected = by_simpleitk(image, grid, centre)
    inside = expected != 0
    assert inside.mean() > 0.9
    assert np.abs(found - expected)[inside].max() < 1e-4


def test_a_source_on_the_grid_is_copied_bit_for_bit():
    grid = Grid((32, 32, 32), 4.0)
    voxels = smooth(grid.shape)
    assert np.array_equal(on_grid(volume(voxels, grid.affine((3.0, -2.0, 7.0))), grid, (3.0, -2.0, 7.0)), voxels)


def test_coarsening_averages_instead_of_picking():
    """A pattern of single voxels must not alias: its mean stays."""
    fine = Grid((64, 64, 64), 1.0)
    voxels = (np.indices(fine.shape).sum(axis=0) % 2).astype(np.float32)
    voxels[:32] += 1.0  # an image must not be constant
    coarse = on_grid(volume(voxels, fine.affine((0, 0, 0))), Grid((32, 32, 32), 2.0), (0.0, 0.0, 0.0))
    assert np.allclose(coarse[:16], 1.5, atol=1e-6)
    assert np.allclose(coarse[16:], 0.5, atol=1e-6)


def test_a_mask_goes_by_majority_and_a_small_one_does_not_vanish():
    fine = Grid((64, 64, 64), 1.0)
    voxels = np.zeros(fine.shape, bool)
    voxels[20:40, 20:40, 20:40] = True
    coarse = on_grid(volume(voxels, fine.affine((0, 0, 0)), "MASK"), Grid((32, 32, 32), 2.0), (0.0, 0.0, 0.0))
    assert coarse.dtype == bool
    assert coarse.sum() == 10**3
    tiny = np.zeros(fine.shape, bool)
    tiny[30, 30, 30] = True
    assert on_grid(volume(tiny, fine.affine((0, 0, 0)), "MASK"), Grid((32, 32, 32), 2.0), (0.0, 0.0, 0.0)).any()


def test_outside_the_scan_is_air():
    grid = Grid((32, 32, 32), 4.0)
    small = volume(np.full((8, 8, 8), 5, np.int16), Grid((8, 8, 8), 4.0).affine((0, 0, 0)), "CT")
    found = on_grid(small, grid, (0.0, 0.0, 0.0))
    assert (found == -1000).sum() == 32**3 - 8**3
    assert set(np.unique(found)) == {-1000, 5}


def test_bad_voxels_and_masks_are_refused():
    grid = Grid((32, 32, 32), 4.0)
    affine = grid.affine((0, 0, 0))
    nan = np.zeros(grid.shape, np.float32)
    nan[0, 0, 0] = np.nan
    with pytest.raises(BenchError, match="not finite"):
        on_grid(volume(nan, affine), grid, (0.0, 0.0, 0.0))
    with pytest.raises(BenchError, match="mask is empty"):
        on_grid(volume(np.zeros(grid.shape, bool), affine, "MASK"), grid, (0.0, 0.0, 0.0))
    with pytest.raises(BenchError, match="outside the field of view"):
        on_grid(volume(np.ones(grid.shape, bool), affine, "MASK"), grid, (9999.0, 0.0, 0.0))


@pytest.mark.parametrize("voxels", [16, 40, 33, 0])
def test_grids_that_do_not_fit_the_networks_are_refused_with_the_reason(voxels):
    with pytest.raises(BenchError, match="halve it four times"):
        plan_grid((128, 128, 112), voxels)


@pytest.mark.parametrize(
    ("field", "voxels", "shape", "spacing"),
    [
        ((128, 128, 112), 128, (128, 128, 112), 1.0),
        ((128, 128, 112), 64, (64, 64, 64), 2.0),
        ((128, 128, 112), 32, (32, 32, 32), 4.0),
        ((256, 256, 256), 32, (32, 32, 32), 8.0),
        ((100, 400, 200), 64, (32, 64, 32), 6.25),
    ],
)
def test_grids_cover_the_field_of_view(field, voxels, shape, spacing):
    grid = plan_grid(field, voxels)
    assert (grid.shape, grid.spacing_mm) == (shape, spacing)
    assert all(n * spacing >= side for n, side in zip(shape, field, strict=True))


def test_keys_depend_on_content_grid_and_centre_alone():
    grid = Grid((32, 32, 32), 4.0)
    voxels = smooth(grid.shape)
    base = volume_key(volume(voxels, grid.affine((0, 0, 0))), grid, (0.0, 0.0, 0.0))
    assert base == volume_key(volume(voxels + 1, grid.affine((0, 0, 0))), grid, (0.0, 0.0, 0.0))
    others = [
        volume_key(volume(voxels, grid.affine((0, 0, 0)), fingerprint="g"), grid, (0.0, 0.0, 0.0)),
        volume_key(volume(voxels, grid.affine((0, 0, 0))), Grid((32, 32, 32), 5.0), (0.0, 0.0, 0.0)),
        volume_key(volume(voxels, grid.affine((0, 0, 0))), grid, (1.0, 0.0, 0.0)),
        volume_key(volume(voxels, grid.affine((0, 0, 0)), "CT"), grid, (0.0, 0.0, 0.0)),
    ]
    assert len({base, *others}) == 5


def test_the_cache_gives_back_what_it_got_and_notices_damage(tmp_path):
    grid = Grid((32, 32, 32), 4.0)
    store = VolumeStore(tmp_path)
    subject = Subject("a", "A", {}, {"pet": volume(smooth(grid.shape), grid.affine((0, 0, 0)))})
    (key,) = prepare_subject(subject, ["pet"], grid, (0.0, 0.0, 0.0), store).values()
    opened = store.open(key)
    assert np.array_equal(opened.voxels(), subject.volumes["pet"].voxels())
    assert isinstance(opened.voxels(), np.memmap)
    assert (opened.modality, opened.spacing) == ("PET", (4.0, 4.0, 4.0))
    (array,) = tmp_path.rglob("*.npy")
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(bytes(content))
    with pytest.raises(OSError, match="missing or damaged; run 'bench run' again"):
        store.open(key)
    assert not store.has(key)


@pytest.mark.parametrize("suffix", ["npy", "json"])
def test_a_damaged_entry_of_the_cache_is_prepared_again_at_its_next_use(tmp_path, suffix):
    grid = Grid((32, 32, 32), 4.0)
    store = VolumeStore(tmp_path)
    subject = Subject("a", "A", {}, {"pet": volume(smooth(grid.shape), grid.affine((0, 0, 0)))})
    (key,) = prepare_subject(subject, ["pet"], grid, (0.0, 0.0, 0.0), store).values()
    (damaged,) = tmp_path.rglob(f"*.{suffix}")
    content = damaged.read_bytes()
    damaged.write_bytes(content.replace(b"4.0", b"5.0", 1) if suffix == "json" else content[:-4])
    assert damaged.read_bytes() != content
    assert not store.has(key)
    prepare_subject(subject, ["pet"], grid, (0.0, 0.0, 0.0), store)
    assert damaged.read_bytes() == content
    assert store.open(key).spacing == (4.0, 4.0, 4.0)
