"""Slices of a tilted gantry and at irregular distances: a ball in HU, and as contours and segments drawn on them."""

import numpy as np
import pytest
from dicom_files import AXIAL, OBLIQUE, write_contours, write_image, write_segments
from pydicom import dcmread
from survbench.datasets.dicom.contours import read_contours
from survbench.datasets.dicom.geometry import LPS_TO_RAS, stack_of
from survbench.datasets.dicom.patient import Request, read_patient
from survbench.datasets.dicom.pixels import read_hu
from survbench.datasets.dicom.regions import Wish
from survbench.datasets.dicom.segments import read_segments
from survbench.datasets.dicom.series import find_series, volumes_of
from survbench.datasets.readers.errors import ImageError

PIXEL = 1.5
SIZE = (60, 64)
RADIUS = 24.0
TISSUE, FAT = 60, -110
EVEN = np.arange(30) * 3.0
UNEVEN = np.cumsum([0, *np.random.default_rng(1).uniform(2.0, 3.4, 32)])
"""Distances of 2 to 3.4 mm in no order."""
TWO_DISTANCES = np.array([*np.arange(24) * 2.0, *(46 + np.arange(1, 11) * 4.0)])
"""A finely scanned part, and one at twice the distance: the usual protocol of an old CT of the head."""


class Scan:
    """A ball in fat, seen by slices at any heights along the normal that a tilted gantry shifts along the columns.

    Attributes:
        folder: of the CT.
        points: mm (LPS) of each pixel's centre, shape (columns, rows, slices, 3).
        centre: of the ball.
    """

    def __init__(self, folder, heights, tilt=0.0, orientation=AXIAL, *, numbered=False, **values):
        rows, columns = np.reshape(orientation, (2, 3)).astype(float)
        axis = np.cross(rows, columns) + np.tan(np.radians(tilt)) * columns
        self.folder, self.origin, self.rows, self.columns = folder, np.array([-40.0, 15.0, 7.0]), rows, columns
        self.places = self.origin + np.asarray(heights)[:, None] * axis
        column, row = np.meshgrid(*map(np.arange, SIZE), indexing="ij")
        inplane = PIXEL * (column[..., None] * rows + row[..., None] * columns)
        self.points = inplane[:, :, None] + self.places
        self.centre = self.points.reshape(-1, 3).mean(axis=0)
        voxels = np.where(self.inside(self.points), TISSUE, FAT).astype(np.int16)

        def each(place, header):
            header.ImagePositionPatient = self.places[place].round(5).tolist()
            if numbered:
                header.InstanceNumber = len(self.places) - place

        self.files = write_image(folder / "ct", "CT", voxels, spacing=(PIXEL, PIXEL, 1), orientation=orientation, each=each, **values)[::-1]  # fmt: skip  # noqa: E501

    def inside(self, points):
        return np.linalg.norm(points - self.centre, axis=-1) < RADIUS

    def stack(self):
        (series,) = (one for one in find_series(self.folder).series if one.modality == "CT")
        (volume,) = volumes_of(series)
        return stack_of(volume)

    def circles(self):
        """Return the ball's outline on each slice that it meets."""
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        normal = np.cross(self.rows, self.columns)
        for place in self.places:
            height = (self.centre - place) @ normal
            if abs(height) < RADIUS - 0.2:
                radius = np.sqrt(RADIUS**2 - height**2)
                around = np.cos(angles)[:, None] * self.rows + np.sin(angles)[:, None] * self.columns
                yield self.centre - height * normal + radius * around


def centres(grid):
    """Return mm (LPS) of the centres of a grid's voxels, by its affine."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    matrix = LPS_TO_RAS @ grid.affine
    return indices @ matrix[:3, :3].T + matrix[:3, 3]


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


SCANS = {
    "tilted": {"heights": EVEN, "tilt": 18},
    "tilted the other way": {"heights": EVEN, "tilt": -7.3},
    "tilted and oblique": {"heights": EVEN, "tilt": 12, "orientation": OBLIQUE},
    "irregular": {"heights": UNEVEN},
    "two distances": {"heights": TWO_DISTANCES, "numbered": True},
    "tilted and irregular": {"heights": UNEVEN, "tilt": 15, "orientation": OBLIQUE},
}


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request, tmp_path):
    return Scan(tmp_path, **request.param)


def test_a_grid_is_rectangular_and_holds_every_slice(scan):
    grid = scan.stack().grid
    axes = grid.affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    assert axes.T @ axes / np.outer(lengths, lengths) == pytest.approx(np.eye(3), abs=1e-6)
    indices = grid.indices(scan.points.reshape(-1, 3))
    assert (indices > -0.01).all()
    assert (indices < np.array(grid.shape) - 1 + 0.01).all()


def test_hu_are_those_of_the_ball_and_of_what_surrounds_it_and_air_where_nothing_was_scanned(scan):
    stack = scan.stack()
    voxels, points = read_hu(stack), centres(stack.grid)
    from_edge = np.linalg.norm(points - scan.centre, axis=-1) - RADIUS
    axis = (scan.places[-1] - scan.places[0]) / np.ptp(scan.places @ np.cross(scan.rows, scan.columns))
    along = (points - scan.origin) @ np.cross(scan.rows, scan.columns)
    scanned_row = ((points - scan.origin - along[..., None] * axis) @ scan.columns) / PIXEL
    scanned = (scanned_row > 0) & (scanned_row < SIZE[1] - 1)
    beyond = (scanned_row < -1) | (scanned_row > SIZE[1])
    assert (np.abs(voxels[from_edge < -4] - TISSUE) < 1e-3).all()
    assert (np.abs(voxels[(from_edge > 4) & scanned] - FAT) < 1e-3).all()
    assert (voxels[beyond] == -1024).all()
    assert ((voxels == -1024) | (voxels > FAT - 1e-3)).all()
    assert dice(voxels > (TISSUE + FAT) / 2, scan.inside(points)) > 0.97


def test_contours_drawn_on_the_slices_are_the_ball(scan, tmp_path):
    path = write_contours(tmp_path / "rs.dcm", [("GTV", list(scan.circles()))])
    grid = scan.stack().grid
    mask = read_contours(path)[0].mask(grid)
    assert dice(mask.voxels, scan.inside(centres(grid))) > 0.96
    assert mask.notes == ()


def test_segments_marked_on_the_slices_are_the_ball(scan, tmp_path):
    path = write_segments(tmp_path / "seg.dcm", [("GTV", scan.inside(scan.points))], [dcmread(p) for p in scan.files])
    grid = scan.stack().grid
    mask = read_segments(path)[0].mask(grid)
    assert dice(mask.voxels, scan.inside(centres(grid))) > 0.95
    assert mask.notes == ()


def test_a_tilt_alone_mixes_no_slices_and_a_shift_by_whole_pixels_no_pixels(tmp_path):
    scan = Scan(tmp_path, EVEN, tilt=np.degrees(np.arctan(PIXEL / 3)))  # a pixel per slice
    stack = scan.stack()
    assert stack.grid.shape == (SIZE[0], SIZE[1] + 29, 30)
    voxels = read_hu(stack)
    original = np.where(scan.inside(scan.points), TISSUE, FAT)
    for place in (0, 11, 29):
        assert (voxels[:, place : place + SIZE[1], place] == original[:, :, place]).all()
        assert (voxels[:, :place, place] == -1024).all()


def test_distances_of_the_grid_are_those_of_the_finely_scanned_part(tmp_path):
    grid = Scan(tmp_path, TWO_DISTANCES, numbered=True).stack().grid
    assert np.linalg.norm(grid.affine[:3, 2]) == pytest.approx(2)
    assert grid.shape[2] == 44


def test_wide_gaps_are_missing_slices_unless_the_numbers_run_on(tmp_path):
    with pytest.raises(ImageError, match="lacks 10 slices, after slices 24, 25, 26, ... of 34"):
        Scan(tmp_path, TWO_DISTANCES).stack()


def test_one_missing_slice_among_irregular_ones_is_still_missing(tmp_path):
    heights = np.delete(EVEN + np.random.default_rng(2).uniform(-0.2, 0.2, len(EVEN)), 12)
    with pytest.raises(ImageError, match="lacks 1 slice, after slice 12 of 29"):
        Scan(tmp_path, heights, numbered=True).stack()


def test_what_was_resampled_is_noted_in_the_record_of_the_patient(tmp_path):
    scan = Scan(tmp_path, UNEVEN, tilt=15, SeriesInstanceUID="1.4.1")
    suv = np.full((12, 12, 12), 900, dtype=np.int16)
    write_image(tmp_path / "pet", "PT", suv, spacing=(8, 8, 8), origin=scan.origin, SeriesInstanceUID="1.7.1")
    write_contours(tmp_path / "rs", [("GTV", list(scan.circles()))], drawn_on="1.4.1", SeriesInstanceUID="1.3.1")
    found = read_patient(find_series(tmp_path).series, Request(Wish()))
    assert found.mask_on == "ct"
    assert found.ct.voxels.min() == -1024
    assert found.notes == (
        "CT: the gantry was tilted by 15.0 degrees: resampled to a rectangular grid.",
        "CT: slices are 2.04 to 3.37 mm apart: interpolated to 2.4 mm.",
    )
