"""Checks of the tumour mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.evidence import CohortCheck, Evidence, PatientCheck
from survbench.datasets.checks.facts import FULL_SCALES, MaskFacts, PatientFacts
from survbench.findings import Finding

FEW_VOXELS = 10
OUTSIDE_SHARE = 0.02
"""Share of a tumour outside the field of view from which it is worth a warning."""
EVERYTHING = 0.95
"""Share of an image that no tumour fills, even in a tight crop (the digital phantom of IBSI: 0.93)."""
SHOWN = 8
"""Labels that a sentence names at most."""


class EmptyMask(PatientCheck):
    """No voxel of the mask is marked at all."""

    code = "SB501"
    severity = "error"
    part = "mask"
    title = "A mask is empty"
    remedy = "Draw it, or leave the patient out."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is not None and not facts.mask.voxels and not facts.mask.different:
            yield self.finding("The mask is empty.")


class TinyMask(PatientCheck):
    """A mask of fewer than ten voxels has hardly a shape or a texture, and one of a single voxel has none."""

    code = "SB502"
    severity = "warning"
    part = "mask"
    title = "A mask has few voxels"
    remedy = "Radiomics needs more; check the mask."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        voxels = facts.mask.voxels if facts.mask is not None else 0
        if voxels == 1:
            yield self.finding("The mask has one voxel.")
        elif 1 < voxels < FEW_VOXELS:
            yield self.finding(f"The mask has fewer than {FEW_VOXELS} voxels.", detail=str(voxels))


class MaskOutside(PatientCheck):
    """The whole mask lies outside the field of view."""

    code = "SB503"
    severity = "error"
    part = "mask"
    title = "A mask lies outside the field of view"
    remedy = "Check reference and field_of_view_mm."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is not None and facts.mask.outside == 1:
            yield self.finding("The mask lies outside the field of view.")


class MaskCut(PatientCheck):
    """More than 2 % of the tumour lie outside the field of view."""

    code = "SB504"
    severity = "warning"
    part = "mask"
    title = "The field of view cuts a tumour"
    remedy = "A larger field_of_view_mm would hold it."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and OUTSIDE_SHARE < mask.outside < 1:
            detail = f"{100 * mask.outside:.0f} % of it lie outside"
            yield self.finding("The field of view cuts the tumour.", detail=detail)


class MaskIsImage(PatientCheck):
    """A mask holds grey values: numbers below 0, or many that change from voxel to voxel, or those of an image.

    A mask holds 0 and the labels of what was drawn, or the share of each voxel (from 0 to 1, or to 100 or 255) that is
    tumour.
    """

    code = "SB505"
    severity = "error"
    part = "mask"
    title = "A mask looks like an image"
    remedy = "Correct mask.file, or export the segmentation itself, resampled with nearest neighbours."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is None or _is_mask(mask):
            return
        numbers = f"{mask.different} numbers" if mask.different > 1 else "one number"
        where = f" from {mask.low:.6g} to {mask.high:.6g}" if mask.different > 1 else f", {mask.low:.6g}"
        same = f", those of {mask.equals}" if mask.equals else ""
        yield self.finding("The mask looks like an image.", detail=f"it holds {numbers}{where} besides 0{same}")


class MaskIsEverything(PatientCheck):
    """The mask marks nearly the whole image: the tumour is 0 in it and the rest is marked, or it is a field of view."""

    code = "SB506"
    severity = "error"
    part = "mask"
    title = "A mask marks the whole image"
    remedy = "Export the segmentation again; if it is inverted, mark the tumour and not the rest."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and mask.share >= EVERYTHING:
            yield self.finding("The mask marks nearly the whole image.", detail=f"{100 * mask.share:.3g} % of it")


class SeveralLabels(CohortCheck):
    """The masks hold several labels, and the card does not say which of them is the tumour.

    Without ``mask.label`` all of them are: the tumour is their union.
    """

    code = "SB507"
    severity = "warning"
    part = "mask"
    title = "Masks hold several labels"
    remedy = "Without mask.label the tumour is all of them together; mask.label in the card chooses one."

    def find(self, evidence: Evidence) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        if evidence.card.mask is None or evidence.card.mask.label is not None:
            return
        masks = [f.mask for f in evidence.facts.values() if f.mask is not None and _is_mask(f.mask)]
        patients = Counter(value for mask in masks if mask.meaning == "labels" for value in _labels(mask))
        if len(patients) > 1:
            shown = [f"{value:g} in {n} patient{'s' if n > 1 else ''}" for value, n in sorted(patients.items())]
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            yield self.finding(f"The masks hold {len(patients)} labels: {', '.join(shown[:SHOWN])}{more}.")


class LabelMissing(PatientCheck):
    """The mask has no voxel of the label that the card chooses, though it has others."""

    code = "SB508"
    severity = "error"
    part = "mask"
    title = "A mask does not have the card's label"
    remedy = "Correct mask.label or the mask, or leave the patient out."

    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is None or card.mask is None or not _is_mask(mask) or mask.voxels or not mask.different:
            return
        shown = [f"{value:g} ({count:,} voxels)" for value, count in mask.levels[:SHOWN]]
        more = f" and {mask.different - SHOWN} more" if mask.different > SHOWN else ""
        cause = f"No voxel of the mask has label {card.mask.label}."
        yield self.finding(cause, detail=f"it has {', '.join(shown)}{more}")


class SoftMask(PatientCheck):
    """A mask holds shares of a voxel or probabilities, as linear resampling and networks give them.

    It is cut at half of its highest value.
    """

    code = "SB509"
    severity = "warning"
    part = "mask"
    title = "A mask has a soft edge"
    remedy = "It is cut at half of the highest value. Resample masks with nearest neighbours to choose yourself."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and mask.meaning == "soft" and mask.voxels:
            detail = f"cut at {mask.high / 2:.4g}, {mask.voxels:,} voxels are left"
            yield self.finding("The mask holds values between 0 and its highest.", detail=detail)


def _is_mask(mask: MaskFacts) -> bool:
    return mask.meaning != "image" and not mask.equals


def _labels(mask: MaskFacts) -> list[float]:
    """Return a mask's labels. A single number is the mark of a binary mask: 255, as programs write it, is label 1."""
    if mask.different == 1 and mask.high in FULL_SCALES:
        return [1.0]
    return [value for value, _ in mask.levels]
