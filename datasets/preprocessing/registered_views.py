"""Pictures of a patient beside the template, before and after registration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.facts import RegistrationFacts
from survbench.datasets.preprocessing.grid import Point
from survbench.datasets.preprocessing.pictures import HU, ON_CT, ON_PET, SUV, Picture, outline, strip, view
from survbench.datasets.preprocessing.registration import in_body
from survbench.datasets.preprocessing.resample import sampled
from survbench.volume import Modality, Volume

SIDE = 176
"""Side of a view in pixels."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TemplateViews:
    """Slices through the middle of the template's crop: axial, then sagittal.

    Attributes:
        template: the template.
        slices: grey values of each view, shape (SIDE, SIDE).
        window: the values shown black and white.
    """

    template: Template
    slices: tuple[Floats, ...]
    window: tuple[float, float]

    @classmethod
    def of(cls, template: Template) -> TemplateViews:
        """Return the slices of a template, whose voxels are read."""
        slices = _slices(template.volume, np.asarray(template.volume.voxels(), np.float64), template, np.eye(4))
        return cls(template, slices, _window(template.volume.modality, slices))

    def compare(self, subject: Subject, unregistered: Point, facts: RegistrationFacts) -> bytes:
        """Return a picture as JPEG: template, patient before and patient after, axial; then the same, sagittal.

        The patient's right is on the left of an axial view, the front on the left of a sagittal one. The outline is the
        template's body.

        Args:
            subject: the patient.
            unregistered: the point on which the crop would be centred without registration.
            facts: the registration.
        """
        image = subject.volumes[self.template.channel]
        voxels = np.asarray(image.voxels(), dtype=np.float64)
        still = np.eye(4)
        still[:3, 3] = np.asarray(unregistered) - np.asarray(self.template.centre)
        before = _slices(image, voxels, self.template, still)
        after = _slices(image, voxels, self.template, np.array(facts.to_patient))
        views: list[Picture] = []
        colour = ON_PET if image.modality == "PET" else ON_CT
        for own, *others in zip(self.slices, before, after, strict=True):
            edge = outline(in_body(own, image.modality))
            views.append(view(own, self.window, np.zeros_like(edge), colour))
            views += [view(other, self.window, edge, colour) for other in others]
        return strip(views)


def _slices(image: Volume, voxels: Floats, template: Template, to_image: Floats) -> tuple[Floats, ...]:
    """Return an axial and a sagittal slice through the middle of the crop, which a matrix moves into the image's world;
    rows from front to back and from top to bottom.
    """
    step = max(template.field_of_view_mm) / SIDE
    found = []
    for shape in ((SIDE, SIDE, 1), (1, SIDE, SIDE)):
        affine = np.diag([step] * 3 + [1.0])
        affine[:3, 3] = np.asarray(template.centre) - step * (np.asarray(shape) - 1) / 2
        values = sampled(voxels, image, shape, to_image @ affine).squeeze(axis=shape.index(1))
        found.append(values[::-1, ::-1].T)
    return tuple(found)


def _window(modality: Modality, slices: tuple[Floats, ...]) -> tuple[float, float]:
    if modality == "MR":
        return 0.0, float(np.percentile(np.concatenate([*slices]), 99)) or 1.0
    return HU if modality == "CT" else SUV[::-1]
