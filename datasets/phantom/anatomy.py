"""Draw a phantom patient: head-and-neck CT in HU, PET in SUV, and the tumour mask, on a grid of any size.

Coordinates are in millimetres in RAS directions (x to the right, y to the front, z up), with the nasopharynx near the
origin. Every surface has a soft edge of one voxel, so that coarse grids show partial volume effects as scanners do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIELD_MM = (128.0, 128.0, 112.0)
Vector = tuple[float, float, float]
Image = NDArray[np.float64]
FWHM_TO_SIGMA = 1 / 2.3548


@dataclass(frozen=True, slots=True)
class Blob:
    """An ellipsoid with uptake: a lymph node or a gland."""

    centre: Vector
    radii: Vector
    suv: float


@dataclass(frozen=True, slots=True)
class Tumour:
    """The primary tumour.

    ``waves`` (direction x, y, z, frequency, phase) deform its surface by ``irregularity`` of its radius. ``texture``
    (wave vector x, y, z in 1/mm, phase) modulates its uptake by ``heterogeneity``, which also reduces uptake in its
    core.
    """

    centre: Vector
    radius: float
    stretch: Vector
    irregularity: float
    waves: tuple[tuple[float, ...], ...]
    suv: float
    heterogeneity: float
    texture: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Scanner:
    """The imaging properties of a centre's scanner: PET gain, blur and relative noise; CT offset, blur and noise."""

    pet_gain: float
    pet_fwhm_mm: float
    pet_noise: float
    ct_offset_hu: float
    ct_fwhm_mm: float
    ct_noise_hu: float


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Everything that is drawn for a patient; contains neither outcome nor hazard."""

    size: float
    brain_suv: float
    airway_radius: float
    tumour: Tumour
    nodes: tuple[Blob, ...]
    glands: tuple[Blob, ...]
    scanner: Scanner
    noise_seed: int


def grid_shape(voxels: int) -> tuple[int, int, int]:
    """Return the numbers of voxels along x, y, z, with ``voxels`` along the longest side of the field."""
    longest = max(FIELD_MM)
    x, y, z = (int(np.ceil(voxels * side / longest - 1e-9)) for side in FIELD_MM)
    return x, y, z


def grid_affine(voxels: int) -> NDArray[np.float64]:
    """Return the RAS affine of the phantom's grid, with the grid's centre at the origin."""
    spacing = max(FIELD_MM) / voxels
    affine = np.diag([spacing] * 3 + [1.0])
    affine[:3, 3] = -spacing * (np.array(grid_shape(voxels)) - 1) / 2
    return affine


def render_mask(tumour: Tumour, voxels: int, pose: Image | None = None) -> NDArray[np.bool_]:
    """Return the primary tumour's mask, shape :func:`grid_shape`; see :func:`render_ct` for ``pose``."""
    return np.asarray(_tumour_depth(tumour, _axes(voxels, pose)) >= 0)


def render_ct(anatomy: Anatomy, voxels: int, pose: Image | None = None) -> NDArray[np.float32]:
    """Return the CT in HU, float32.

    Args:
        anatomy: what to draw.
        voxels: see :func:`grid_shape`.
        pose: 4 x 4, rigid, from the anatomy to the scanner in millimetres; by default the patient lies straight.
    """
    image = np.full(grid_shape(voxels), -1000.0)
    canvas = _Canvas(image, _axes(voxels, pose), max(FIELD_MM) / voxels)
    k = anatomy.size
    canvas.ellipsoid((0, -6, 6), (64 * k, 84 * k, 130 * k), -95)  # skin and subcutaneous fat
    canvas.ellipsoid((0, -6, 6), (58 * k, 78 * k, 124 * k), 50)  # muscle
    for side in (-1, 1):
        canvas.ellipsoid((side * 26, -2, -14), (7, 16, 22), -80)  # parapharyngeal fat
        canvas.ellipsoid((side * 27, 30, 8), (13, 15, 14), -900)  # maxillary sinus
        canvas.ellipsoid((side * 30, 46, 34), (14, 14, 13), -60)  # orbital fat
        canvas.ellipsoid((side * 30, 52, 34), (11, 11, 11), 15)  # eye
    canvas.ellipsoid((0, -14, 78), (62 * k, 74 * k, 62), 800)  # skull base and vault
    canvas.ellipsoid((0, -14, 80), (57 * k, 69 * k, 58), 35)  # brain
    canvas.tube((0, -46), (15, 13), (-60, 14), 420)  # vertebral bodies
    canvas.tube((0, -62), (8, 7), (-60, 14), 30)  # spinal canal
    canvas.horseshoe((0, -4), (46 * k, 56 * k), 7.0, (-52, -22), 950)  # mandible
    canvas.tube((0, 14), (10, 34), (-2, 16), -950)  # nasal cavity
    canvas.tube((0, 14), (1.5, 34), (-2, 16), 200)  # septum
    canvas.tube((0, -6), (anatomy.airway_radius * 1.4, anatomy.airway_radius), (-60, 12), -980)  # pharynx
    canvas.ellipsoid((0, 22, -34), (20, 26, 15), 55)  # tongue
    for blob in anatomy.glands:
        canvas.ellipsoid(blob.centre, blob.radii, 25)
    for blob in anatomy.nodes:
        canvas.ellipsoid(blob.centre, blob.radii, 65)
    canvas.blend(_tumour_depth(anatomy.tumour, canvas.axes), 75)
    scanner = anatomy.scanner
    rng = np.random.default_rng([anatomy.noise_seed, voxels, 1])
    seen = _blur(image, scanner.ct_fwhm_mm, canvas.spacing) + scanner.ct_offset_hu
    seen += scanner.ct_noise_hu * rng.standard_normal(image.shape)
    return np.clip(seen, -1024, 3000).astype(np.float32)


def render_pet(anatomy: Anatomy, voxels: int, pose: Image | None = None) -> NDArray[np.float32]:
    """Return the PET in SUV, float32, never negative; see :func:`render_ct` for ``pose``."""
    image = np.zeros(grid_shape(voxels))
    canvas = _Canvas(image, _axes(voxels, pose), max(FIELD_MM) / voxels)
    k = anatomy.size
    canvas.ellipsoid((0, -6, 6), (64 * k, 84 * k, 130 * k), 0.35)
    canvas.ellipsoid((0, -6, 6), (58 * k, 78 * k, 124 * k), 0.8)
    canvas.ellipsoid((0, -14, 78), (62 * k, 74 * k, 62), 0.6)
    canvas.ellipsoid((0, -14, 80), (57 * k, 69 * k, 58), anatomy.brain_suv)
    canvas.tube((0, -46), (15, 13), (-60, 14), 1.3)
    canvas.horseshoe((0, -4), (46 * k, 56 * k), 7.0, (-52, -22), 0.6)
    canvas.ellipsoid((0, 22, -34), (20, 26, 15), 1.6)
    for side in (-1, 1):
        canvas.ellipsoid((side * 27, 30, 8), (13, 15, 14), 0.1)
    canvas.tube((0, 14), (10, 34), (-2, 16), 0.2)
    canvas.tube((0, -6), (anatomy.airway_radius * 1.4, anatomy.airway_radius), (-60, 12), 0.1)
    for blob in (*anatomy.glands, *anatomy.nodes):
        canvas.ellipsoid(blob.centre, blob.radii, blob.suv)
    depth = _tumour_depth(anatomy.tumour, canvas.axes)
    canvas.blend(depth, _tumour_uptake(anatomy.tumour, canvas.axes, depth))
    scanner = anatomy.scanner
    rng = np.random.default_rng([anatomy.noise_seed, voxels, 2])
    seen = _blur(image, scanner.pet_fwhm_mm, canvas.spacing) * scanner.pet_gain
    noise = _blur(rng.standard_normal(image.shape), scanner.pet_fwhm_mm / 2, canvas.spacing)
    seen += scanner.pet_noise * np.sqrt(np.maximum(seen, 0.05)) * noise / max(float(noise.std()), 1e-9)
    return np.maximum(seen, 0).astype(np.float32)


def surface_scale(irregularity: float, waves: Sequence[Sequence[float]]) -> float:
    """Return the mean cube of the relative radius of a deformed sphere: the factor by which its volume changes."""
    index = np.arange(2000) + 0.5
    polar, azimuth = np.arccos(1 - 2 * index / 2000), np.pi * (1 + 5**0.5) * index
    u = np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)])
    return float(np.mean(_relative_radius(u[0], u[1], u[2], irregularity, waves) ** 3))


@dataclass(frozen=True, slots=True)
class _Canvas:
    image: Image
    axes: tuple[Image, Image, Image]
    spacing: float

    def blend(self, depth: Image, value: Image | float) -> None:
        """Paint where ``depth`` (mm below the surface) is positive, with a soft edge of one voxel."""
        share = np.clip(0.5 + depth / self.spacing, 0.0, 1.0)
        np.add(self.image, share * (value - self.image), out=self.image)

    def ellipsoid(self, centre: Vector, radii: Vector, value: float) -> None:
        x, y, z = (axis - c for axis, c in zip(self.axes, centre, strict=True))
        rho = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
        self.blend((1 - rho) * min(radii), value)

    def tube(
        self, centre: tuple[float, float], radii: tuple[float, float], z: tuple[float, float], value: float
    ) -> None:
        """Paint an elliptic cylinder from z[0] to z[1]."""
        rho = np.sqrt(((self.axes[0] - centre[0]) / radii[0]) ** 2 + ((self.axes[1] - centre[1]) / radii[1]) ** 2)
        within = np.minimum(self.axes[2] - z[0], z[1] - self.axes[2])
        self.blend(np.minimum((1 - rho) * min(radii), within), value)

    def horseshoe(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        thickness: float,
        z: tuple[float, float],
        value: float,
    ) -> None:
        """Paint the front of an elliptic wall from z[0] to z[1]."""
        x, y = self.axes[0] - centre[0], self.axes[1] - centre[1]
        rho = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2)
        wall = thickness / 2 - np.abs(rho - 1) * min(radii)
        within = np.minimum(np.minimum(self.axes[2] - z[0], z[1] - self.axes[2]), y + 2)
        self.blend(np.minimum(wall, within), value)


def _axes(voxels: int, pose: Image | None) -> tuple[Image, Image, Image]:
    """Return the anatomy's coordinates x, y and z of the scanner's voxels, as arrays that broadcast to the grid."""
    spacing = max(FIELD_MM) / voxels
    x, y, z = (np.asarray(spacing * (np.arange(n) - (n - 1) / 2), dtype=np.float64) for n in grid_shape(voxels))
    across, along, up = x[:, None, None], y[None, :, None], z[None, None, :]
    if pose is None:
        return across, along, up
    to_anatomy = np.linalg.inv(pose)[:3]
    a, b, c = (row[0] * across + row[1] * along + row[2] * up + row[3] for row in to_anatomy)
    return a, b, c


def _tumour_depth(tumour: Tumour, axes: tuple[Image, Image, Image]) -> Image:
    """Return the depth in millimetres below the tumour's surface, negative outside."""
    x, y, z = ((axis - c) / s for axis, c, s in zip(axes, tumour.centre, tumour.stretch, strict=True))
    distance = np.sqrt(x**2 + y**2 + z**2)
    safe = np.maximum(distance, 1e-6)
    edge = tumour.radius * _relative_radius(x / safe, y / safe, z / safe, tumour.irregularity, tumour.waves)
    depth: Image = edge - distance
    return depth


def _relative_radius(x: Image, y: Image, z: Image, irregularity: float, waves: Sequence[Sequence[float]]) -> Image:
    bend = sum(np.cos(f * (x * a + y * b + z * c) + phase) for a, b, c, f, phase in waves)
    # clipped to avoid holes, and spikes beyond the field of view
    radius: Image = np.clip(1 + irregularity * bend / np.sqrt(max(len(waves), 1) / 2), 0.3, 1.5)
    return radius


def _tumour_uptake(tumour: Tumour, axes: tuple[Image, Image, Image], depth: Image) -> Image:
    x, y, z = (axis - c for axis, c in zip(axes, tumour.centre, strict=True))
    texture = sum(np.cos(x * a + y * b + z * c + phase) for a, b, c, phase in tumour.texture)
    texture = texture / np.sqrt(len(tumour.texture) / 2)
    core = np.clip(depth / tumour.radius, 0, 1) ** 2
    level = 1 + 0.45 * tumour.heterogeneity * texture - 0.5 * tumour.heterogeneity * core
    uptake: Image = tumour.suv * np.maximum(level, 0.15)
    return uptake


def _blur(image: Image, fwhm_mm: float, spacing: float) -> Image:
    from scipy.ndimage import gaussian_filter

    blurred: Image = gaussian_filter(image, fwhm_mm * FWHM_TO_SIGMA / spacing, mode="nearest")
    return blurred
