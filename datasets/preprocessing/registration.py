"""Rigid registration of a patient's image to the template: mutual information, by SimpleITK.

Coarse shifts are tried first, the best of them are followed at a coarse level, and the best result is refined. The
metric samples voxels with a fixed seed and in one thread, so that the result is the same wherever it is computed.
World coordinates are RAS as everywhere; ITK is told of them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.facts import RegistrationFacts
from survbench.datasets.preprocessing.grid import Grid
from survbench.datasets.preprocessing.resample import sampled
from survbench.volume import Modality, Volume

if TYPE_CHECKING:
    from SimpleITK import Euler3DTransform, Image, ImageRegistrationMethod

FINEST_MM, MOST_VOXELS = 2.0, 96
"""Spacing of the grid on which images are compared, and the largest number of its voxels along a side of the crop."""
BINS, SAMPLES, SEED = 32, 10_000, 20220801
"""Grey levels of the metric (Mattes et al., IEEE TMI 22:120, 2003), the largest number of voxels that it samples, and
the seed by which they are chosen.
"""
ITERATIONS = 100
STEP_MM = 25.0
"""Distance of the coarse shifts along the body."""
FOLLOWED = 3
"""Number of coarse shifts that are followed."""
NUDGE_RAD, NUDGE_MM = 0.06, 5.0
"""Turn about each axis and shift along each axis from which a result is sought a second time."""
SMOOTHED_MM = 6.0
"""Standard deviation of the smoothing before images are correlated: different people agree in what is large."""
CT_WINDOW = (-1000.0, 1000.0)
BODY_HU = -300.0
"""HU above which a voxel belongs to the body."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers images to one template, whose voxels are read once."""

    template: Template
    fixed: _Prepared

    @classmethod
    def of(cls, template: Template) -> Registrar:
        """Return what registers to a template.

        Raises:
            ImageError: the template's file is damaged.
        """
        return cls(template, _fixed(template))

    def register(self, image: Volume, voxels: NDArray[Any]) -> RegistrationFacts:
        """Return the rigid transform from the template to a patient's image, and how well the two agree by it.

        Args:
            image: the patient's image in the template's channel.
            voxels: its voxels, shape ``image.shape``.
        """
        if image.fingerprint() == self.template.volume.fingerprint():
            return RegistrationFacts.of_the_template()
        with _one_thread():
            return self._register(image, voxels)

    def _register(self, image: Volume, voxels: NDArray[Any]) -> RegistrationFacts:
        fixed = self.fixed
        moving = _moving(image, voxels, fixed.spacing_mm)
        centre = np.asarray(self.template.centre)
        method = _Method(fixed, moving, centre)
        starts = sorted(_shifts(centre, self.template, image), key=method.value)[:FOLLOWED]
        coarse = [method.follow(start, shrink=(4,)) for start in starts]
        found, _, converged = method.follow(min(coarse, key=lambda end: end[1])[0], shrink=(4, 2, 1))
        again, _, _ = method.follow(found + np.array([NUDGE_RAD] * 3 + [NUDGE_MM] * 3), shrink=(4, 2))
        corners = _corners(self.template)
        transform = method.matrix(found)
        apart = _moved(transform, corners) - _moved(method.matrix(again), corners)
        similarity, overlap = _agreement(fixed, moving, method, found)
        return RegistrationFacts(
            to_patient=tuple(tuple(float(v) for v in row) for row in transform.tolist()),
            rotation_deg=_angle(transform),
            shift_mm=float(np.linalg.norm(found[3:])),
            similarity=similarity,
            overlap=overlap,
            apart_mm=float(np.linalg.norm(apart, axis=1).max()),
            converged=converged,
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An image as it is compared: ITK's image, what lies in the body, and its isotropic spacing."""

    image: Image
    body: NDArray[np.bool_]
    spacing_mm: float


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let ITK compute in one thread meanwhile: sums of several threads are rounded differently each time."""
    from SimpleITK import ProcessObject

    before = ProcessObject.GetGlobalDefaultNumberOfThreads()
    ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _fixed(template: Template) -> _Prepared:
    """Return the template's crop on an isotropic grid."""
    longest = max(template.field_of_view_mm)
    spacing = max(FINEST_MM, longest / MOST_VOXELS)
    x, y, z = (max(8, round(side / spacing)) for side in template.field_of_view_mm)
    grid = Grid((x, y, z), spacing)
    affine = grid.affine(template.centre)
    voxels = sampled(np.asarray(template.volume.voxels(), np.float64), template.volume, grid.shape, affine)
    return _prepared(voxels, affine, template.volume.modality, spacing)


def _moving(image: Volume, voxels: NDArray[Any], spacing: float) -> _Prepared:
    """Return a patient's whole image as means of blocks that are about as large as a voxel of the template's grid."""
    factors = [max(1, min(n // 8, int(spacing / mm + 0.25))) for n, mm in zip(image.shape, image.spacing, strict=True)]
    sides = [n // factor for n, factor in zip(image.shape, factors, strict=True)]
    whole = voxels[tuple(slice(0, n * factor) for n, factor in zip(sides, factors, strict=True))]
    blocks = whole.reshape([n for pair in zip(sides, factors, strict=True) for n in pair])
    affine = image.affine.copy()
    affine[:3, :3] = image.affine[:3, :3] * factors
    affine[:3, 3] += image.affine[:3, :3] @ ((np.asarray(factors) - 1) / 2)
    return _prepared(blocks.mean(axis=(1, 3, 5), dtype=np.float64), affine, image.modality, spacing)


def _prepared(voxels: Floats, affine: Floats, modality: Modality, spacing: float) -> _Prepared:
    """Return voxels in the window of their modality as ITK's image."""
    from SimpleITK import GetImageFromArray

    positive = voxels[voxels > 0]
    highest = float(np.percentile(positive, 99)) if len(positive) else 1.0
    window = CT_WINDOW if modality == "CT" else (0.0, highest)
    image = GetImageFromArray(np.clip(voxels, *window).astype(np.float32).transpose(2, 1, 0))
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(steps.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    return _Prepared(image, in_body(voxels, modality), spacing)


def in_body(voxels: Floats, modality: Modality) -> NDArray[np.bool_]:
    """Return where an image shows the body rather than air: CT by its HU, others above half of the mean."""
    if modality == "CT":
        return np.asarray(voxels > BODY_HU)
    positive = voxels[voxels > 0]
    return np.asarray(voxels > (positive.mean() / 2 if len(positive) else np.inf))


@dataclass(frozen=True, slots=True)
class _Method:
    """The metric of two images, and descents on it. A place is three angles in radians and three shifts in mm."""

    fixed: _Prepared
    moving: _Prepared
    centre: Floats

    def transform(self, place: Floats) -> Euler3DTransform:
        """Return the transform of a place, from the template to the patient."""
        from SimpleITK import Euler3DTransform

        return Euler3DTransform(self.centre.tolist(), *place[:3].tolist(), place[3:].tolist())

    def matrix(self, place: Floats) -> Floats:
        """Return the transform of a place as a matrix, shape (4, 4)."""
        rotation = np.array(self.transform(place).GetMatrix()).reshape(3, 3)
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = self.centre + place[3:] - rotation @ self.centre
        return matrix

    def value(self, place: Floats) -> float:
        """Return the metric at a place, the lower the better; infinite where too little overlaps."""
        method = self._method((4,))
        method.SetInitialTransform(self.transform(place))
        try:
            return float(method.MetricEvaluate(self.fixed.image, self.moving.image))
        except RuntimeError:  # all samples lie outside the other image
            return np.inf

    def follow(self, place: Floats, *, shrink: Sequence[int]) -> tuple[Floats, float, bool]:
        """Descend from a place; return where that ends, the metric there, and whether it came to rest."""
        method = self._method(shrink)
        start = self.transform(place)
        method.SetInitialTransform(start, inPlace=True)
        try:
            method.Execute(self.fixed.image, self.moving.image)
        except RuntimeError:
            return place, np.inf, False
        end = np.array(start.GetParameters())
        return end, float(method.GetMetricValue()), method.GetOptimizerIteration() < ITERATIONS

    def _method(self, shrink: Sequence[int]) -> ImageRegistrationMethod:
        from SimpleITK import ImageRegistrationMethod, sitkLinear

        method = ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricSamplingStrategy(method.RANDOM)
        voxels = self.fixed.body.size
        method.SetMetricSamplingPercentagePerLevel([min(1.0, SAMPLES * of**3 / voxels) for of in shrink], SEED)
        method.SetInterpolator(sitkLinear)
        method.SetShrinkFactorsPerLevel([*shrink])
        method.SetSmoothingSigmasPerLevel(
            [factor / 2 * self.fixed.spacing_mm if factor > 1 else 0 for factor in shrink]
        )
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=2.0, minStep=0.01, numberOfIterations=ITERATIONS, gradientMagnitudeTolerance=1e-8
        )
        method.SetOptimizerScalesFromPhysicalShift()
        return method


def _shifts(centre: Floats, template: Template, image: Volume) -> Iterator[Floats]:
    """Yield where a search may begin: the scanner's frame as it is, and the crop's centre on the axis through the
    middle of the image, at every height.
    """
    yield np.zeros(6)
    shape = np.asarray(image.shape)
    ends = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    world = _moved(image.affine, ends)
    low, high = world.min(axis=0), world.max(axis=0)
    middle = (low + high) / 2
    reach = max(0.0, (high[2] - low[2] - template.field_of_view_mm[2]) / 2)
    steps = int(np.ceil(reach / STEP_MM))
    for height in np.linspace(-reach, reach, 2 * steps + 1):
        yield np.concatenate([np.zeros(3), middle + np.array([0.0, 0.0, height]) - centre])


def _agreement(fixed: _Prepared, moving: _Prepared, method: _Method, place: Floats) -> tuple[float, float]:
    """Return the correlation of two registered images, smoothed, within the template's body, and the share of this body
    that the patient's image shows.
    """
    from scipy.ndimage import gaussian_filter
    from SimpleITK import GetArrayFromImage, Resample, sitkLinear

    nothing = float(np.finfo(np.float32).min)
    registered = Resample(moving.image, fixed.image, method.transform(place), sitkLinear, nothing)
    values = GetArrayFromImage(registered).transpose(2, 1, 0).astype(np.float64)
    body = fixed.body & (values > nothing)
    overlap = float(body.sum() / max(fixed.body.sum(), 1))
    if not body.any():
        return 0.0, overlap
    sigma = SMOOTHED_MM / fixed.spacing_mm
    weight = gaussian_filter(body.astype(np.float64), sigma)[body]
    template = GetArrayFromImage(fixed.image).transpose(2, 1, 0)
    both = np.array([gaussian_filter(np.where(body, one, 0.0), sigma)[body] / weight for one in (template, values)])
    if both.std(axis=1).min() == 0:
        return 0.0, overlap
    return float(np.corrcoef(both)[0, 1]), overlap


def _corners(template: Template) -> Floats:
    half = np.asarray(template.field_of_view_mm) / 2
    signs = np.stack(np.meshgrid(*[(-1, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(template.centre + signs * half, dtype=np.float64)


def _moved(matrix: Floats, points: Floats) -> Floats:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)


def _angle(matrix: Floats) -> float:
    """Return the angle of a rotation in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))))
