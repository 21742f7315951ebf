"""Contours and segments on the grid of an image, and which of them is the tumour."""

import numpy as np
import pytest
from dicom_files import AXIAL, OBLIQUE, write_contours, write_image, write_segments
from matplotlib.path import Path as Outline
from pydicom import dcmread
from survbench.datasets.dicom.contours import inside, read_contours
from survbench.datasets.dicom.geometry import LPS_TO_RAS, Grid, stack_of
from survbench.datasets.dicom.regions import Wish, chosen_names
from survbench.datasets.dicom.segments import read_segments
from survbench.datasets.dicom.series import find_series
from survbench.datasets.readers.errors import ImageError


def grid_of(shape=(20, 16, 8), spacing=(2.0, 3.0, 4.0), orientation=AXIAL, origin=(-5.0, 7.0, 100.0)):
    rows, columns = np.reshape(orientation, (2, 3)).astype(float)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([rows, columns, np.cross(rows, columns)], axis=1) * spacing
    affine[:3, 3] = origin
    return Grid(shape, LPS_TO_RAS @ affine)


def points(grid, corners, height):
    """Return corners in columns and rows at a height in slices as mm, LPS."""
    indices = np.array([[c, r, height, 1.0] for c, r in corners])
    return (indices @ (LPS_TO_RAS @ grid.affine).T)[:, :3]


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def mask(tmp_path, grid, *contours):
    path = write_contours(tmp_path / "rs.dcm", [("GTV", contours)])
    (region,) = read_contours(path)
    return region.mask(grid)


# ---- polygons


@pytest.mark.parametrize("seed", range(8))
def test_centres_inside_equal_matplotlibs_and_holes_are_left_out(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    radii = rng.uniform(6, 14, 40)
    star = np.stack([15.3 + radii * np.cos(angles), 14.7 + radii * np.sin(angles)], axis=1)
    hole = star[::-1] * 0.4 + 0.6 * np.array([15.3, 14.7])
    centres = np.stack(np.meshgrid(np.arange(32), np.arange(28), indexing="ij"), axis=-1).reshape(-1, 2)
    expected = [Outline(one).contains_points(centres).reshape(32, 28) for one in (star, hole)]
    assert expected[1].any()
    assert (inside([star], (32, 28)) == expected[0]).all()
    assert (inside([star, hole], (32, 28)) == (expected[0] & ~expected[1])).all()


def test_a_keyhole_is_a_hole_too_and_a_polygon_may_leave_the_image():
    ring = [(-3, 2), (9, 2), (9, 10), (4, 10), (4, 7), (6, 7), (6, 5), (2, 5), (2, 7), (4, 7), (4, 10), (-3, 10)]
    found = inside([np.array(ring) + 0.25], (8, 9))
    expected = np.zeros((8, 9), dtype=bool)
    expected[:, 3:] = True
    expected[3:7, 6:8] = False
    assert (found == expected).all()


# ---- contours on a grid


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE, (0, 1, 0, 0, 0, -1)])
def test_voxels_belong_to_a_region_by_their_centres_whatever_the_orientation(tmp_path, orientation):
    grid = grid_of(orientation=orientation)
    drawn = [points(grid, box(3.6, 4.6, 9.4, 8.4), height) for height in (2, 3, 4)]
    found = mask(tmp_path, grid, *drawn)
    expected = np.zeros(grid.shape, dtype=bool)
    expected[4:10, 5:9, 2:5] = True
    assert (found.voxels == expected).all()
    assert found.notes == ()


def test_a_contour_inside_another_is_a_hole(tmp_path):
    grid = grid_of()
    found = mask(tmp_path, grid, points(grid, box(2.5, 2.5, 9.5, 9.5), 3), points(grid, box(4.5, 4.5, 6.5, 6.5), 3))
    assert found.voxels.sum() == 7 * 7 - 2 * 2
    assert not found.voxels[5, 5, 3]


def test_a_slice_between_contours_of_another_scan_takes_the_nearest(tmp_path):
    grid = grid_of()
    # contours 1.5 slices apart, each of another size
    drawn = [points(grid, box(1.5, 1.5, 2.5 + n, 2.5), 1.2 + 1.5 * n) for n in range(4)]
    found = mask(tmp_path, grid, *drawn)
    assert found.voxels.sum(axis=(0, 1)).tolist() == [0, 1, 2, 2, 3, 4, 4, 0]
    assert found.notes == ("Marks are 1.5 slices apart; slices between them took the nearest mark.",)


def test_contours_on_every_second_slice_keep_their_volume(tmp_path):
    grid = grid_of()
    found = mask(tmp_path, grid, *(points(grid, box(1.5, 1.5, 4.5, 3.5), height) for height in (1, 3, 5)))
    assert found.voxels.sum(axis=(0, 1)).tolist() == [0, 6, 6, 6, 6, 6, 6, 0]


def test_two_lesions_of_one_slice_each_stay_one_slice_each(tmp_path):
    grid = grid_of()
    found = mask(tmp_path, grid, *(points(grid, box(1.5, 1.5, 4.5, 3.5), height) for height in (1, 6)))
    assert found.voxels.sum(axis=(0, 1)).tolist() == [0, 6, 0, 0, 0, 0, 6, 0]


def test_two_lesions_leave_a_gap_which_is_noted(tmp_path):
    grid = grid_of()
    found = mask(tmp_path, grid, *(points(grid, box(1.5, 1.5, 4.5, 3.5), height) for height in (0, 1, 2, 5, 6)))
    assert found.voxels.any(axis=(0, 1)).tolist() == [True] * 3 + [False] * 2 + [True] * 2 + [False]
    assert found.notes == ("2 slices between marked slices stayed empty.",)


def test_contours_beyond_the_image_and_open_ones_are_noted(tmp_path):
    grid = grid_of()
    square = box(1.5, 1.5, 4.5, 3.5)
    found = mask(tmp_path, grid, *(points(grid, square, h) for h in (6, 7, 8, 9)), ("POINT", points(grid, [(3, 3)], 7)))
    assert found.voxels.sum() == 12
    assert found.notes == ("2 planes of 4 outside the image.", "1 contour not closed and therefore left out.")


def test_contours_across_the_slices_or_elsewhere_are_refused(tmp_path):
    grid = grid_of()
    with pytest.raises(ImageError, match="'GTV' are not parallel"):
        mask(tmp_path, grid_of(orientation=OBLIQUE), points(grid, box(1, 1, 6, 6), 3))
    with pytest.raises(ImageError, match="contain no voxel centre"):
        mask(tmp_path, grid, points(grid, box(1, 1, 6, 6), 40))


def test_points_that_are_not_numbers_are_refused(tmp_path):
    path = write_contours(tmp_path / "rs.dcm", [("GTV", [points(grid_of(), box(1, 1, 6, 6), 3)])])
    path.write_bytes(path.read_bytes().replace(b"0\\", b"x\\", 1))
    with pytest.raises(ImageError, match="three numbers per point"):
        read_contours(path)


# ---- segments


@pytest.fixture
def image(tmp_path):
    voxels = np.zeros((20, 16, 8), dtype=np.int16)
    paths = write_image(tmp_path / "ct", "CT", voxels, spacing=(2, 3, 4), orientation=OBLIQUE, origin=(5, -7, 9))
    (series,) = find_series(tmp_path / "ct").series
    return stack_of(series).grid, [dcmread(path) for path in reversed(paths)]


def blob(shape):
    marks = np.random.default_rng(0).random(shape) > 0.6
    marks[:, :, [0, 1, 5, 7]] = False
    return marks


@pytest.mark.parametrize("reverse", [False, True])
def test_binary_segments_lie_where_their_frames_do(tmp_path, image, reverse):
    grid, headers = image
    one, other = blob(grid.shape), ~blob(grid.shape)
    path = write_segments(tmp_path / "seg.dcm", [("Tumour", one), ("Rest", other)], headers)
    if reverse:
        header = dcmread(path)
        header.PixelData = np.packbits(header.pixel_array[::-1].ravel(), bitorder="little").tobytes()
        header.PerFrameFunctionalGroupsSequence = header.PerFrameFunctionalGroupsSequence[::-1]
        header.save_as(path)
    regions = {region.name: region for region in read_segments(path)}
    assert (regions["Tumour"].mask(grid).voxels == one).all()
    assert (regions["Rest"].mask(grid).voxels == other).all()


def test_fractions_count_from_half_of_the_highest(tmp_path, image):
    grid, headers = image
    shares = np.random.default_rng(1).integers(0, 101, grid.shape)
    shares[:, :, [0, 6]] = 0
    path = write_segments(tmp_path / "seg.dcm", [("Tumour", shares)], headers, kind="FRACTIONAL", highest=100)
    (region,) = read_segments(path)
    assert (region.mask(grid).voxels == (shares >= 50)).all()


def test_a_segment_of_a_finer_image_is_sampled_at_the_centres_of_the_voxels(tmp_path, image):
    grid, _ = image
    fine = np.zeros((40, 16, 16), dtype=bool)
    fine[8:20, 3:9, 4:10] = True
    paths = write_image(tmp_path / "fine", "CT", fine.astype(np.int16), spacing=(1, 3, 2), orientation=OBLIQUE, origin=(5, -7, 9))  # fmt: skip  # noqa: E501
    path = write_segments(tmp_path / "seg.dcm", [("Tumour", fine)], [dcmread(p) for p in reversed(paths)])
    (region,) = read_segments(path)
    assert (region.mask(grid).voxels == fine[::2, :, ::2]).all()


def test_a_segment_of_another_orientation_is_refused(tmp_path, image):
    _, headers = image
    path = write_segments(tmp_path / "seg.dcm", [("Tumour", blob((20, 16, 8)))], headers)
    with pytest.raises(ImageError, match="'Tumour' are not parallel"):
        read_segments(path)[0].mask(grid_of())


def test_a_segmentation_that_declares_more_than_it_holds_is_refused(tmp_path, image):
    grid, headers = image
    path = write_segments(tmp_path / "seg.dcm", [("Tumour", blob(grid.shape))], headers)
    for rows, message in ((60_000, "is truncated"), (65_535, "is truncated")):
        header = dcmread(path)
        header.Rows = rows
        header.save_as(tmp_path / "more.dcm")
        with pytest.raises(ImageError, match=message):
            read_segments(tmp_path / "more.dcm")
    header.Rows = header.Columns = 65_535
    header.save_as(tmp_path / "more.dcm")
    with pytest.raises(ImageError, match="declares 4 x 65535 x 65535 pixels; at most"):
        read_segments(tmp_path / "more.dcm")


# ---- names


STS = ("GTV_Mass", "GTV_Edema", "Heart  left")


@pytest.mark.parametrize(
    ("names", "wish", "expected"),
    [
        (("anything",), Wish(), ("anything",)),
        (STS, Wish(("gtv_mass",)), ("GTV_Mass",)),
        (STS, Wish(("GTV_M*",)), ("GTV_Mass",)),
        (STS, Wish(("heart left",)), ("Heart  left",)),
        (STS, Wish(("GTV_Edema", "GTV_Mass")), ("GTV_Edema", "GTV_Mass")),
        (STS, Wish(("GTV*",), unite=True), ("GTV_Mass", "GTV_Edema")),
        (STS, Wish(("GTVp|GTV_Mass|GTV_Edema",)), ("GTV_Mass",)),
        (("GTV", "GTV1"), Wish(("GTV",)), ("GTV",)),
        (("GTV[1]", "GTV1"), Wish(("gtv[1]",)), ("GTV[1]",)),
        (("GTV", "GTV"), Wish(("GTV",), unite=True), ("GTV",)),
    ],
)
def test_regions_are_chosen_by_their_whole_names(names, wish, expected):
    assert chosen_names(names, wish) == expected


@pytest.mark.parametrize(
    ("names", "wish", "message"),
    [
        (STS, Wish(), "3 regions, and none was chosen: GTV_Mass, GTV_Edema, Heart  left"),
        (STS, Wish(("GTV*",)), r"'GTV\*' matches 2 regions: GTV_Mass, GTV_Edema"),
        (STS, Wish(("GTV_Mas",)), "No region is named 'GTV_Mas'; the nearest names are GTV_Mass"),
        (STS, Wish(("xyz",)), "No region is named 'xyz'; there are GTV_Mass, GTV_Edema, Heart  left"),
        (STS, Wish(("GTV_Mass", "GTVn")), "'GTVn'"),
        (("GTV", "GTV"), Wish(("GTV",)), "Two regions are named 'GTV'"),
        (("GTV", "GTV"), Wish(), "2 regions"),
        ((), Wish(("GTV",)), "No region is drawn"),
    ],
)
def test_a_choice_that_is_not_certain_is_refused_and_lists_the_names(names, wish, message):
    with pytest.raises(ImageError, match=message):
        chosen_names(names, wish)
