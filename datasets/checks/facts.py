"""What the files of a patient say, in numbers: measured in one pass over the voxels, kept as JSON, judged by checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from survbench.volume import Modality

Meaning = Literal["labels", "soft", "image"]
"""What a mask's numbers are: labels, the share of a voxel (or the probability) that is tumour, or grey values."""
FULL_SCALES = (100.0, 254.0, 255.0, 1000.0, 65535.0)
"""Numbers that programs write in masks for "all of it", and what is left of 255 in a file that was compressed."""
KEPT_LEVELS = 256
"""So many of the different numbers of a mask are kept."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a header says: whether it states an orientation, and how far sform and qform lie apart at most.

    Attributes:
        oriented: false where the codes of sform and qform are 0.
        forms_apart_mm: 0 unless both are stated.
        axes: where the axes of the voxels lead by the sform and by the qform, such as RAS.
        voxel_mm: the smallest distance between voxels.
    """

    oriented: bool = True
    forms_apart_mm: float = 0.0
    voxel_mm: float = 1.0
    axes: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image holds.

    Attributes:
        modality: of the channel.
        low, high: the lowest and the highest voxel, as the image is used, of those that are not absent.
        lowest: the lowest finite number in the file, which may be lower.
        absent: share of the voxels that are NaN and were read as not scanned.
        absent_in_mask: voxels of the mask among them.
        below: share of the voxels of a CT below -1024, read as not scanned.
        typical: the median inside the body; None where there is nothing of it, or no telling where it is.
        in_mask: the median inside the mask; None without one.
        hot: the 90th percentile inside the mask; None without one.
        beyond: share of the mask outside of the image.
        mean: of the voxels that are not absent.
        coarse: ranks of the means of its blocks, by which a copy is known; see ``datasets.cohorts.coarse``.
        turned: of a PET that is hardly higher inside the mask than in the body, the median inside the mask as it would
            lie with its axes in another order or direction, by what is turned, the simplest first.
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
    """What a mask holds.

    Attributes:
        meaning: what its numbers were taken for: labels, shares of a voxel, or grey values.
        levels: its numbers other than 0 with the count of each, ascending, the first 256 of them.
        different: how many numbers other than 0 there are.
        low, high: the lowest and the highest of the numbers other than 0; 0 where there are none.
        voxels: how many are tumour.
        share: of the image that is tumour.
        of_body: share of the body, as far as it lies in the field of view, that is tumour; None where there is no
            telling where the body is.
        ml: the volume of the tumour.
        outside: share of the tumour outside the field of view.
        absent: share of the voxels that are NaN and were read as 0.
        equals: the image channel whose values it holds, or "".
        content: a hash of the voxels that it marks, or "" where they are few.
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
    absent: float
    equals: str
    content: str


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the files of a patient say.

    Attributes:
        files: headers, by channel, and under "mask".
        images: by channel.
        mask: None where the cohort has none.
        scanned: share of the field of view that was scanned.
    """

    files: Mapping[str, FileFacts]
    images: Mapping[str, ImageFacts]
    mask: MaskFacts | None
    scanned: float

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> PatientFacts:
        """Return the facts that :meth:`to_json` gave."""
        mask = raw["mask"]
        if mask is not None:
            levels = tuple((float(value), int(count)) for value, count in mask["levels"])
            mask = MaskFacts(**{**mask, "levels": levels})
        return cls(
            files={name: FileFacts(**{**of, "axes": tuple(of["axes"])}) for name, of in raw["files"].items()},
            images={name: _image(facts) for name, facts in raw["images"].items()},
            mask=mask,
            scanned=raw["scanned"],
        )


def _image(raw: Mapping[str, Any]) -> ImageFacts:
    turned = tuple((str(turn), float(value)) for turn, value in raw["turned"])
    return ImageFacts(**{**raw, "turned": turned, "coarse": tuple(raw["coarse"])})
