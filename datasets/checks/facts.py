"""Facts about a patient's files: measured in one pass over the voxels, stored as JSON, and judged by checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from survbench.volume import Modality

Meaning = Literal["labels", "soft", "image"]
"""What a mask's numbers are: labels; the share of a voxel (or the probability) that is tumour; or grey values."""
FULL_SCALES = (100.0, 254.0, 255.0, 1000.0, 65535.0)
"""Numbers that programs write in masks for "all of it"; 254 is what remains of 255 after lossy compression."""
KEPT_LEVELS = 256
"""Largest number of distinct mask numbers that are kept."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts from a file's header.

    Attributes:
        oriented: False if the codes of both sform and qform are 0.
        forms_apart_mm: largest distance between corners placed by sform and qform; 0 unless both are stated.
        axes: directions of the voxel axes by sform and by qform, such as RAS.
        voxel_mm: smallest distance between voxels.
    """

    oriented: bool = True
    forms_apart_mm: float = 0.0
    voxel_mm: float = 1.0
    axes: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts about an image.

    Attributes:
        modality: the channel's modality.
        low, high: lowest and highest voxel as used, without absent voxels.
        lowest: lowest finite number in the file, which may be lower than ``low``.
        absent: share of voxels that are NaN and were read as not scanned.
        absent_in_mask: number of these voxels that are in the mask.
        below: share of voxels of a CT that are below -1024 HU and were read as not scanned.
        typical: median inside the body; None if the body is not in view or cannot be located.
        in_mask: median inside the mask; None without a mask.
        hot: 90th percentile inside the mask; None without a mask.
        beyond: share of the mask outside the image.
        mean: mean of the voxels that are not absent.
        coarse: ranks of the block means, by which copies are recognised; see ``datasets.cohorts.coarse``.
        turned: for a PET that is hardly higher inside the mask than in the body: the median inside the mask after
            each reordering of the mask's axes, as pairs of the reordering in words and the median, simplest first.
    """

    modality: Modality
    low: float
    high: float
    lowest: float
    absent: float
    absent_in_mask: int
    below: float
    typical: float | None
    in_mask: float | None
    hot: float | None
    beyond: float
    mean: float
    coarse: tuple[float, ...]
    turned: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """Facts about a mask.

    Attributes:
        meaning: how its numbers were interpreted: labels, shares of a voxel, or grey values.
        levels: the first 256 distinct nonzero numbers, ascending, with the voxel count of each.
        different: number of distinct nonzero numbers.
        low, high: lowest and highest nonzero number; 0 if there is none.
        voxels: number of tumour voxels.
        share: share of the image that is tumour.
        of_body: share of the body within the field of view that is tumour; None if the body cannot be located.
        ml: tumour volume in ml.
        outside: share of the tumour outside the field of view.
        outside_by_label: pairs of a structure's number and the share of its voxels outside the field of view, of those
            structures of the card that the mask has.
        absent: share of voxels that are NaN and were read as 0.
        equals: name of the image channel whose values the mask has, or "".
        content: hash of the marked voxels, or "" if there are few.
    """

    meaning: Meaning
    levels: tuple[tuple[float, int], ...]
    different: int
    low: float
    high: float
    voxels: int
    share: float
    of_body: float | None
    ml: float
    outside: float
    outside_by_label: tuple[tuple[int, float], ...]
    absent: float
    equals: str
    content: str


@dataclass(frozen=True, slots=True)
class RegistrationFacts:
    """How a patient lies to the template, and how well the registered images agree.

    Attributes:
        to_patient: rows of the rigid transform from the template's world to the patient's, 4 x 4.
        rotation_deg: angle of its rotation.
        shift_mm: distance between the centre of the crop in the template's world and in the patient's.
        similarity: correlation of the two images, smoothed, where the template's body is.
        overlap: share of the template's body in the crop that the patient's image shows.
        apart_mm: largest distance in the crop between this result and one that was sought from another start.
        converged: whether the optimiser came to rest.
    """

    to_patient: tuple[tuple[float, ...], ...]
    rotation_deg: float
    shift_mm: float
    similarity: float
    overlap: float
    apart_mm: float
    converged: bool

    @classmethod
    def of_the_template(cls) -> RegistrationFacts:
        """Return the facts of the template itself, which stays where it is."""
        identity = tuple(tuple(float(row == column) for column in range(4)) for row in range(4))
        return cls(identity, 0.0, 0.0, similarity=1.0, overlap=1.0, apart_mm=0.0, converged=True)


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Facts about a patient's files.

    Attributes:
        files: header facts, by channel and under "mask".
        images: image facts by channel.
        mask: mask facts; None if the cohort has no masks.
        scanned: share of the field of view that was scanned.
        registration: None in a cohort that is not registered.
    """

    files: Mapping[str, FileFacts]
    images: Mapping[str, ImageFacts]
    mask: MaskFacts | None
    scanned: float
    registration: RegistrationFacts | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PatientFacts:
        """Return the facts from the output of :meth:`to_json`."""
        mask = raw["mask"]
        if mask is not None:
            levels = tuple((float(value), int(count)) for value, count in mask["levels"])
            outside = tuple((int(label), float(share)) for label, share in mask["outside_by_label"])
            mask = MaskFacts(**{**mask, "levels": levels, "outside_by_label": outside})
        return cls(
            files={name: FileFacts(**{**of, "axes": tuple(of["axes"])}) for name, of in raw["files"].items()},
            images={name: _image(facts) for name, facts in raw["images"].items()},
            mask=mask,
            scanned=raw["scanned"],
            registration=_registration(raw.get("registration")),
        )


def _registration(raw: Mapping[str, Any] | None) -> RegistrationFacts | None:
    if raw is None:
        return None
    return RegistrationFacts(**{**raw, "to_patient": tuple(map(tuple, raw["to_patient"]))})


def _image(raw: Mapping[str, Any]) -> ImageFacts:
    turned = tuple((str(turn), float(value)) for turn, value in raw["turned"])
    return ImageFacts(**{**raw, "turned": turned, "coarse": tuple(raw["coarse"])})
