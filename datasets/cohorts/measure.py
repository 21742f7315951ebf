"""Read a patient's volumes once, for the facts that checks judge and for the voxels that are prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.facts import (
    KEPT_LEVELS,
    FileFacts,
    ImageFacts,
    MaskFacts,
    PatientFacts,
    RegistrationFacts,
)
from survbench.datasets.checks.intensities import AIR, may_be_hounsfield
from survbench.datasets.checks.masks import BARELY_HIGHER
from survbench.datasets.cohorts.coarse import coarse_ranks, content
from survbench.datasets.preprocessing.grid import Point, plan_grid, reference_point
from survbench.datasets.preprocessing.registration import Registrar, in_body
from survbench.datasets.readers.axis_order import ORDERS
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.folder import unreadable
from survbench.datasets.readers.intensities import ImageReading
from survbench.datasets.readers.labels import MaskReading
from survbench.datasets.readers.nifti import NiftiFile, read_header
from survbench.datasets.readers.template import unusable
from survbench.findings import Finding
from survbench.volume import FILL, Volume

Readings = Mapping[str, ImageReading | MaskReading]
COARSE_GRID = 32
"""Number of voxels along the longest side of the grid that samples padding and typical values."""
NO_HU = 300.0
"""HU that cannot be midway between the thin and the dense parts of a body; a CT with a higher middle is shifted."""
TURNED_VOXELS = 2000
"""Largest number of mask voxels that are looked up in other axis orders."""
SAME_VALUES = 0.99
"""Share of a mask's numbers that must equal an image's values to show that the mask was made from it."""


def read_volumes(subject: Subject) -> tuple[Readings, list[Finding]]:
    """Read a patient's volumes; return those that could be read, by name, and what is wrong with the other files."""
    readings: dict[str, ImageReading | MaskReading] = {}
    found = []
    for name, volume in subject.volumes.items():
        try:
            readings[name] = _read(volume)
        except ImageError as error:
            found.append(unreadable(subject.id, error))
    return readings, found


def in_memory(subject: Subject, readings: Readings) -> Subject:
    """Return a patient whose volumes hold the voxels that were read."""
    volumes = {
        name: replace(volume, loader=partial(np.asarray, readings[name].voxels))
        for name, volume in subject.volumes.items()
    }
    mask = readings.get("mask")
    structures = {
        name: replace(volume, loader=partial(mask.marked, volume.loader.labels))
        if isinstance(mask, MaskReading) and isinstance(volume.loader, NiftiFile)
        else volume
        for name, volume in subject.structures.items()
    }
    return replace(subject, volumes=volumes, structures=structures)


@dataclass(frozen=True, slots=True)
class Registered:
    """A patient's template, and how the patient lies to it."""

    template: Template
    facts: RegistrationFacts

    @property
    def to_patient(self) -> NDArray[np.float64]:
        """The rigid transform from the template's world to the patient's, shape (4, 4)."""
        return np.array(self.facts.to_patient)


def open_registrar(template: Template | None) -> tuple[Registrar | None, list[Finding]]:
    """Return what registers a cohort's patients, if they are registered, and what is wrong with the template."""
    if template is None:
        return None, []
    try:
        return Registrar.of(template), []
    except ImageError as error:
        return None, [unusable(error)]


def registered(
    registrar: Registrar | None, subject: Subject, readings: Readings, stored: RegistrationFacts | None = None
) -> Registered | None:
    """Return a patient as registered; None in a cohort that is not registered.

    Args:
        registrar: registers to the cohort's template, if it has one.
        subject: the patient.
        readings: what was read, by name.
        stored: how the patient lies to the template, if that was measured before.
    """
    if registrar is None:
        return None
    channel = registrar.template.channel
    facts = stored or registrar.register(subject.volumes[channel], readings[channel].voxels)
    return Registered(registrar.template, facts)


def measure(
    card: CohortCard, subject: Subject, readings: Readings, registered: Registered | None = None
) -> PatientFacts:
    """Return the facts of a patient, all of whose volumes were read; the card must declare images.

    Args:
        card: the card of the patient's cohort.
        subject: the patient.
        readings: what was read, by name.
        registered: None in a cohort that is not registered.
    """
    box = _Box.of(card, subject, registered)
    images = {name: reading for name in card.images if isinstance(reading := readings[name], ImageReading)}
    mask = readings.get("mask")
    world = _world_points(subject.volumes["mask"], mask.voxels) if isinstance(mask, MaskReading) else None
    points = box.points()
    values = {name: _sample(subject.volumes[name], reading.voxels, points) for name, reading in images.items()}
    scanned = [np.isfinite(v) & (v != FILL[card.images[name].modality]) for name, v in values.items()]
    bodies = _bodies(card, values)
    facts = {
        name: _image_facts(subject.volumes[name], reading, values[name][bodies[name]], world)
        for name, reading in images.items()
    }
    for name, image in facts.items():
        if isinstance(mask, MaskReading) and _barely_higher(image):
            turned = _turned_medians(subject.volumes["mask"], mask.voxels, subject.volumes[name], images[name].voxels)
            facts[name] = replace(image, turned=turned)
    body = points[next(iter(bodies.values()))]
    return PatientFacts(
        files={name: _file_facts(volume) for name, volume in subject.volumes.items()},
        images=facts,
        mask=_mask_facts(card, box, subject, mask, images, world, body) if isinstance(mask, MaskReading) else None,
        scanned=float(np.any(scanned, axis=0).mean()),
        registration=None if registered is None else registered.facts,
    )


@dataclass(frozen=True, slots=True)
class _Box:
    """A patient's field of view.

    Attributes:
        sides: in mm.
        centre: in the patient's world, or in the template's.
        to_patient: from the template's world to the patient's; None in a cohort that is not registered.
    """

    sides: Sequence[float]
    centre: Point
    to_patient: NDArray[np.float64] | None

    @classmethod
    def of(cls, card: CohortCard, subject: Subject, registered: Registered | None) -> _Box:
        if registered is not None:
            template = registered.template
            return cls(template.field_of_view_mm, template.centre, registered.to_patient)
        if card.field_of_view_mm is None:
            message = "a card with images has a field of view"
            raise ValueError(message)
        return cls(card.field_of_view_mm, reference_point(subject, tuple(card.images), card.reference), None)

    def points(self) -> NDArray[np.float64]:
        """Return points of the patient's world, shape (n, 3), spread evenly over the field of view."""
        grid = plan_grid(self.sides, COARSE_GRID)
        affine = grid.affine(self.centre)
        if self.to_patient is not None:
            affine = self.to_patient @ affine
        points = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1).reshape(-1, 3)
        return np.asarray(points @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)

    def outside(self, world: NDArray[np.float64] | None) -> float:
        """Return the share of points of the patient's world that are outside the field of view."""
        if world is None or not len(world):
            return 0.0
        if self.to_patient is not None:
            inverse = np.linalg.inv(self.to_patient)
            world = world @ inverse[:3, :3].T + inverse[:3, 3]
        inside = (np.abs(world - np.asarray(self.centre)) <= np.asarray(self.sides) / 2).all(axis=1)
        return 1 - float(inside.mean())


def _read(volume: Volume) -> ImageReading | MaskReading:
    if isinstance(volume.loader, NiftiFile):
        return volume.loader.read()
    voxels = np.asarray(volume.voxels())
    if volume.modality != "MASK":
        return ImageReading(voxels, None, float(voxels.min()))
    marked = int(np.count_nonzero(voxels))
    levels, counts = ([1], [marked]) if marked else ([], [])
    return MaskReading(voxels, "labels", np.array(levels, np.float32), np.array(counts, np.intp), voxels)


def _file_facts(volume: Volume) -> FileFacts:
    if not isinstance(volume.loader, NiftiFile):
        return FileFacts()
    header = read_header(volume.loader.path)
    return FileFacts(header.oriented, header.forms_apart_mm, min(volume.spacing), header.axes)


def _image_facts(
    volume: Volume, image: ImageReading, body: NDArray[np.float64], world: NDArray[np.float64] | None
) -> ImageFacts:
    """Return an image's facts, given its values inside the body and the world positions of the mask's voxels."""
    inside = None if world is None else _sample(volume, image.voxels, world)
    absent, known = image.absent, image.voxels if image.absent is None else image.voxels[~image.absent]
    return ImageFacts(
        modality=volume.modality,
        low=float(known.min()),
        high=float(known.max()),
        lowest=image.lowest,
        absent=0.0 if absent is None else float(absent.mean()),
        absent_in_mask=0 if absent is None or world is None else int(np.nansum(_sample(volume, absent, world))),
        below=image.below,
        typical=_median(body),
        in_mask=None if inside is None else _median(inside),
        hot=None if inside is None else _percentile(inside, 90),
        beyond=0.0 if inside is None or not len(inside) else float(np.isnan(inside).mean()),
        mean=float(known.mean(dtype=np.float64)),
        coarse=coarse_ranks(volume, image.voxels),
        turned=(),
    )


def _barely_higher(image: ImageFacts) -> bool:
    """Return whether a PET is hardly higher inside the mask than in the body."""
    if image.modality != "PET" or image.in_mask is None or image.typical is None:
        return False
    return image.in_mask < BARELY_HIGHER * image.typical


def _turned_medians(
    mask: Volume, marked: NDArray[np.bool_], image: Volume, voxels: NDArray[np.float32]
) -> tuple[tuple[str, float], ...]:
    """Return the median of an image inside a mask for each reordering of the mask's axes that keeps its shape."""
    index = np.argwhere(marked)
    index = index[:: -(-len(index) // TURNED_VOXELS)]
    found = []
    for order in ORDERS:
        if order.shape(mask.shape) == mask.shape:
            world = order.index(index, mask.shape) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
            median = _median(_sample(image, voxels, world))
            if median is not None:
                found.append((order.words, median))
    return tuple(found)


def _mask_facts(
    card: CohortCard,
    box: _Box,
    subject: Subject,
    mask: MaskReading,
    images: Mapping[str, ImageReading],
    world: NDArray[np.float64] | None,
    body: NDArray[np.float64],
) -> MaskFacts:
    volume = subject.volumes["mask"]
    levels = [(float(value), int(count)) for value, count in zip(mask.levels, mask.counts, strict=True)]
    return MaskFacts(
        meaning=mask.meaning,
        levels=tuple(levels[:KEPT_LEVELS]),
        different=len(levels),
        low=levels[0][0] if levels else 0.0,
        high=levels[-1][0] if levels else 0.0,
        voxels=0 if world is None else len(world),
        share=0.0 if world is None else len(world) / mask.voxels.size,
        of_body=float(np.mean(_sample(volume, mask.voxels, body) > 0)) if len(body) else None,
        ml=0.0 if world is None else len(world) * float(np.prod(volume.spacing)) / 1000,
        outside=box.outside(world),
        outside_by_label=tuple(
            (label, box.outside(_world_points(volume, marked)))
            for label in sorted(card.structures.values())
            if (marked := mask.marked((label,))).any()
        ),
        absent=0.0 if mask.absent is None else float(mask.absent.mean()),
        content=content(volume, mask.voxels),
        equals=next((name for name, image in images.items() if _same_values(mask, image)), ""),
    )


def _same_values(mask: MaskReading, image: ImageReading) -> bool:
    """Return whether the numbers in a mask are an image's values; one or two labels may match any image by chance."""
    if len(mask.levels) <= 2 or mask.stored.shape != image.voxels.shape:
        return False
    marked = mask.stored != 0
    return bool((mask.stored[marked] == image.voxels[marked]).mean() >= SAME_VALUES)


def _bodies(card: CohortCard, values: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.bool_]]:
    """Return the points inside the body for each channel: from the CT if there is one, otherwise the points above half
    of the channel's mean, whatever its unit. A CT that is not in HU is not used for other channels.
    """
    ct = next((name for name, channel in card.images.items() if channel.modality == "CT"), None)
    dense = None if ct is None else _dense(values[ct])
    known = True
    if ct is not None and dense is not None:
        highest = values[ct][np.isfinite(values[ct])].max(initial=0.0)
        known = may_be_hounsfield(float(highest), _median(values[ct][dense]))
    bodies = {}
    for name, value in values.items():
        if dense is not None:
            bodies[name] = dense & np.isfinite(value) & (known or name == ct)
        else:
            bodies[name] = in_body(value, card.images[name].modality)
    return bodies


def _dense(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a CT is denser than air and lung, even if it is shifted against HU."""
    scanned = values[np.isfinite(values) & (values != FILL["CT"])]
    middle = float(np.mean(np.percentile(scanned, [5, 95]))) if len(scanned) else AIR
    return np.asarray(values > (middle if middle > NO_HU else AIR))


def _world_points(volume: Volume, marked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the world points, shape (n, 3), of the marked voxels."""
    return np.asarray(np.argwhere(marked) @ volume.affine[:3, :3].T + volume.affine[:3, 3], dtype=np.float64)


def _sample(volume: Volume, voxels: NDArray[np.generic], world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of the voxels nearest to world points; NaN outside the image."""
    inverse = np.linalg.inv(volume.affine)
    index = np.round(world @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.intp)
    inside = ((index >= 0) & (index < np.array(volume.shape))).all(axis=1)
    values = np.full(len(world), np.nan)
    i, j, k = index[inside].T
    values[inside] = voxels[i, j, k]
    return values


def _median(values: NDArray[np.float64]) -> float | None:
    return _percentile(values, 50)


def _percentile(values: NDArray[np.float64], percent: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percent)) if len(known) else None
