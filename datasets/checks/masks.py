"""Checks of the tumour mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import FULL_SCALES, ImageFacts, MaskFacts, PatientFacts
from survbench.datasets.checks.kinds import PatientCheck, VoxelCheck
from survbench.findings import Finding, things

FEW_VOXELS = 10
OUTSIDE_SHARE = 0.02
"""Share of a tumour outside the field of view from which a warning is given."""
EVERYTHING = 0.95
"""Share of an image that no tumour fills, even in a tight crop (IBSI's digital phantom: 0.93)."""
MOST_OF_BODY, LARGEST_ML = 0.5, 5000.0
"""Share of the body in view, and volume in ml, above which a mask is unlikely to be a tumour's (the largest of 51 limb
sarcomas: 0.31 and 2200 ml)."""
NOT_HIGHER, BARELY_HIGHER, NOT_HOT = 1.2, 1.5, 1.5
"""Ratios to the body's median PET: a tumour's median exceeds the first two, its 90th percentile the third. Of 51
sarcomas two have a median below 1.2, and none a 90th percentile below 2.9."""
TURNED_HIGHER = 2.0
"""Factor by which uptake inside a mask in another axis order must exceed the mask's own and the body's."""
NEARLY_ALL = 0.9
"""Share of patients with a label in their masks from which the label counts as the rule."""
IN_AIR, THINNEST_BODY = -900.0, -400.0
"""HU below which the median of any part of a body, even of lungs, cannot be, and HU above which a body's median is."""
BEYOND = 1e-3
"""Share of a mask outside an image above which more than a voxel's rim is outside."""
SHOWN = 8
"""Largest number of labels that a sentence names."""


class EmptyMask(PatientCheck):
    """No voxel of the mask is marked."""

    code = "SB501"
    severity = "error"
    part = "mask"
    title = "A mask is empty"
    remedy = "Draw the mask, or leave the patient out."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is not None and not facts.mask.voxels and not facts.mask.different:
            yield self.finding("The mask is empty.")


class TinyMask(PatientCheck):
    """A mask of fewer than ten voxels has hardly any shape or texture, and a mask of one voxel has none."""

    code = "SB502"
    severity = "warning"
    part = "mask"
    title = "A mask has few voxels"
    remedy = "Radiomics needs more voxels; check the mask."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        voxels = facts.mask.voxels if facts.mask is not None else 0
        if voxels == 1:
            yield self.finding("The mask has one voxel.")
        elif 1 < voxels < FEW_VOXELS:
            yield self.finding(f"The mask has fewer than {FEW_VOXELS} voxels.", detail=str(voxels))


class MaskOutside(PatientCheck):
    """The whole mask is outside the field of view."""

    code = "SB503"
    severity = "error"
    part = "mask"
    title = "A mask is outside the field of view"
    remedy = "Check reference and field_of_view_mm on the card."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is not None and facts.mask.outside == 1:
            yield self.finding("The mask is outside the field of view.")


class MaskCut(PatientCheck):
    """More than 2 % of the tumour is outside the field of view."""

    code = "SB504"
    severity = "warning"
    part = "mask"
    title = "The field of view cuts off part of a tumour"
    remedy = "A larger field_of_view_mm would include all of it."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and OUTSIDE_SHARE < mask.outside < 1:
            detail = f"{100 * mask.outside:.0f} % of it is outside"
            yield self.finding("The field of view cuts off part of the tumour.", detail=detail)


class MaskIsImage(PatientCheck):
    """A mask has grey values: numbers below 0, many numbers that change from voxel to voxel, or the numbers of an
    image.

    A mask should hold 0 and the labels of what was drawn, or the share of each voxel (0 to 1, or 0 to 100 or 255) that
    is tumour.
    """

    code = "SB505"
    severity = "error"
    part = "mask"
    title = "A mask looks like an image"
    remedy = "Correct mask.file, or export the segmentation itself, resampled with nearest-neighbour interpolation."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is None or _is_mask(mask):
            return
        numbers = f"{mask.different} numbers" if mask.different > 1 else "one number"
        where = f" from {mask.low:.6g} to {mask.high:.6g}" if mask.different > 1 else f", {mask.low:.6g}"
        same = f", equal to {mask.equals}" if mask.equals else ""
        yield self.finding("The mask looks like an image.", detail=f"it has {numbers}{where} besides 0{same}")


class MaskIsEverything(PatientCheck):
    """The mask marks nearly the whole image: it is inverted, so that the tumour is 0, or it is a field-of-view mask."""

    code = "SB506"
    severity = "error"
    part = "mask"
    title = "A mask marks the whole image"
    remedy = "Export the segmentation again; if it is inverted, mark the tumour instead of the rest."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and mask.share >= EVERYTHING:
            yield self.finding("The mask marks nearly the whole image.", detail=f"{100 * mask.share:.3g} % of it")


class MaskOfBody(PatientCheck):
    """The mask marks more than half of the body in view, or more than five litres: it may be the contour of the body or
    of an organ instead of the tumour.
    """

    code = "SB510"
    severity = "warning"
    part = "mask"
    title = "A mask marks a large part of the body"
    remedy = "Is it the body's outline? Export the segmentation of the tumour, or correct mask.labels."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is None or not _is_mask(mask) or mask.share >= EVERYTHING:
            return
        if _is_large(mask):
            of_body = "" if mask.of_body is None else f"{100 * mask.of_body:.0f} % of what is in view, "
            yield self.finding("The mask marks a large part of the body.", detail=f"{of_body}{mask.ml:,.0f} ml")


class MaskOffUptake(VoxelCheck):
    """The PET inside the mask is not higher than in the rest of the body: the mask may not be on the tumour.

    If the axes of a mask were reversed or swapped on the way to NIfTI, but it has the header of the image, it misses
    the tumour. Two groups of patients are reported: those whose PET inside the mask has a median below 1.2 times the
    body's median and a 90th percentile below 1.5 times this median, and those with a median below 1.5 times this median
    whose mask, with its axes reordered, would be on at least twice the uptake.
    """

    code = "SB511"
    severity = "warning"
    part = "mask"
    title = "A mask is not on uptake"
    remedy = "Look at the mask on the PET: axes may be reversed or swapped, or the tumour may have low uptake."

    def find(self, _source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        low: dict[str, tuple[str, ImageFacts]] = {}
        for name, known in facts.items():
            if known.mask is None or not _is_mask(known.mask) or _is_large(known.mask):
                continue
            pets = [(channel, image) for channel, image in known.images.items() if image.modality == "PET"]
            if pets and all(_is_off_uptake(image) for _, image in pets):
                low[name] = pets[0]
        turns = _turns({name: image for name, (_, image) in low.items()})
        remedy = self.remedy
        if turns:
            turn = f"{turns[0]}, for instance," if len(turns) > 1 else f"{turns[0]},"
            remedy = f"With {turn} the mask would be on uptake. Look at it on the PET, and export it again."
        for name, (channel, image) in low.items():
            if image.in_mask is not None and image.typical is not None:
                cause = f"{channel} is hardly higher inside the mask than in the body."
                detail = f"{image.in_mask / image.typical:.2g} times"
                yield self.finding(cause, subject=name, detail=detail, remedy=remedy)


class MaskInAir(PatientCheck):
    """The mask is outside the body: the median of the CT inside it is below -900 HU, which is air; lungs have -850 HU
    or more. A CT that is shifted by its intercept is reported by SB413.
    """

    code = "SB513"
    severity = "warning"
    part = "mask"
    title = "A mask is outside the body"
    remedy = "Look at the mask on the CT: one of them may be another patient's, or have a wrong position in space."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is None or not _is_mask(facts.mask) or facts.mask.share >= EVERYTHING:
            return
        for name, image in facts.images.items():
            of_air = image.modality == "CT" and image.in_mask is not None and image.in_mask < IN_AIR
            # in a CT that is 1024 too low, the body itself is as thin as air
            if of_air and image.typical is not None and image.typical > THINNEST_BODY:
                yield self.finding(f"{name} has air inside the mask.", detail=f"median {image.in_mask:.0f} HU")


class MaskBeyondImage(PatientCheck):
    """More than 0.1 % of the mask's voxels are where an image was not scanned, so the fields of view of two images do
    not both contain the tumour. Missing values are read as air, or as no uptake.
    """

    code = "SB514"
    severity = "warning"
    part = "mask"
    title = "A mask extends beyond an image"
    remedy = "Is it the right image, and is it registered? If not, leave out the patient or the channel."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.beyond > BEYOND:
                detail = f"{100 * image.beyond:.2g} % of it"
                yield self.finding(f"The mask extends beyond {name}.", detail=detail)


def _is_large(mask: MaskFacts) -> bool:
    """Return whether a mask is too large to be a tumour's."""
    return (mask.of_body is not None and mask.of_body > MOST_OF_BODY) or mask.ml > LARGEST_ML


def _is_off_uptake(image: ImageFacts) -> bool:
    if image.low < -1 or image.in_mask is None or image.hot is None or not image.typical or image.typical < 0:
        return False
    if image.in_mask < NOT_HIGHER * image.typical and image.hot < NOT_HOT * image.typical:
        return True
    return any(_lifts(image, value) for _, value in image.turned)


def _lifts(image: ImageFacts, value: float) -> bool:
    """Return whether this median, inside a reordered mask, is well above the mask's own and the body's median."""
    return value >= TURNED_HIGHER * max(image.in_mask or 0.0, image.typical or 0.0)


def _turns(images: Mapping[str, ImageFacts]) -> list[str]:
    """Return the axis reordering that puts most masks on the highest uptake, and its equals, simplest first.

    Empty if no reordering puts most of the masks on higher uptake.
    """
    heights: dict[str, list[float]] = {}
    for image in images.values():
        for turn, value in image.turned:
            heights.setdefault(turn, []).append(
                value / image.typical if _lifts(image, value) and image.typical else 1.0
            )
    most = {turn: own for turn, own in heights.items() if 2 * sum(h > 1 for h in own) > len(images)}
    means = {turn: float(np.mean(np.log(own))) for turn, own in most.items()}
    highest = max(means.values(), default=0.0)
    return [turn for turn, mean in means.items() if mean >= 0.95 * highest]


class SeveralLabels(VoxelCheck):
    """The masks have several labels, and the card does not say which of them is the tumour.

    Without ``mask.labels`` the tumour is the union of all labels.
    """

    code = "SB507"
    severity = "warning"
    part = "mask"
    title = "Masks have several labels"
    remedy = (
        "Without mask.labels on the card, all of them together are the tumour; name those that are, each by itself."
    )

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        if source.card.mask is None or source.card.mask.labels:
            return
        labelled = {i: f for i, f in facts.items() if f.mask is not None and f.mask.meaning == "labels"}
        patients = _holders(labelled)
        if len(patients) > 1:
            shown = [f"{value:g} in {n} patient{'s' if n > 1 else ''}" for value, n in sorted(patients.items())]
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            yield self.finding(f"The masks have {len(patients)} labels: {', '.join(shown[:SHOWN])}{more}.")


class FurtherLabels(VoxelCheck):
    """The masks of some patients, or of one centre, have a label besides the card's only one that the masks of the
    others lack.

    Only the card's label is read. In some masks, part of the tumour may have a label of its own.
    """

    code = "SB512"
    severity = "note"
    part = "mask"
    title = "Some masks have an additional label"
    remedy = "This label is not read. Check that the card's label means the same in all masks."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        if source.card.mask is None or len(source.card.mask.labels) != 1:
            return
        (label,) = source.card.mask.labels.values()
        centres = {s.id: s.centre for s in source.cohort.subjects}
        holders: dict[float, list[str]] = {}
        read = {i: f.mask for i, f in facts.items() if f.mask and f.mask.meaning == "labels" and f.mask.voxels}
        for name, mask in read.items():
            for value in _labels(mask) if mask.different > 1 else ():
                if value != label:
                    holders.setdefault(value, []).append(name)
        shown = []
        for value, names in sorted(holders.items()):
            if len(names) < NEARLY_ALL * len(read):
                of = {centres.get(name, "") for name in names}
                where = f", all of centre {min(of)}" if len(of) == 1 and len(set(centres.values())) > 1 else ""
                shown.append(f"{value:g} in {len(names)} of {len(read)} patients{where}")
        if shown:
            more = f"; and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            yield self.finding(f"Some masks have labels besides {label}: {'; '.join(shown[:SHOWN])}{more}.")


class LabelMissing(PatientCheck):
    """The mask has no voxel with a label that the card selects, though it has other labels. A patient may lack one of
    several structures, such as nodes; without all of them, or without the one that ``mask.use`` names, there is no
    tumour.
    """

    code = "SB508"
    severity = "error"
    part = "mask"
    title = "A mask does not have the card's label"
    remedy = "Correct mask.labels, mask.use or the mask, or leave the patient out."

    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is None or card.mask is None or not _is_mask(mask) or mask.voxels or not mask.different:
            return
        shown = [f"{value:g} ({count:,} voxels)" for value, count in mask.levels[:SHOWN]]
        more = f" and {mask.different - SHOWN} more" if mask.different > SHOWN else ""
        used = [str(label) for label in card.mask.used or ()]
        cause = f"No voxel of the mask has label {' or '.join(used)}."
        yield self.finding(cause, detail=f"it has {', '.join(shown)}{more}")


class UndeclaredLabel(VoxelCheck):
    """The card names several structures, and masks have a further label. Its voxels belong to no structure and are not
    tumour.
    """

    code = "SB515"
    severity = "warning"
    part = "mask"
    title = "Masks have a label that the card does not name"
    remedy = "Name it under mask.labels if it is tumour; otherwise its voxels are rightly left out."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        structures = source.card.structures
        if len(structures) < 2:
            return
        patients = _holders(facts)
        unknown = {value: n for value, n in patients.items() if value not in structures.values()}
        if unknown:
            shown = [f"{value:g} in {things(n, 'patient')}" for value, n in sorted(unknown.items())]
            more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
            named = ", ".join(f"{name} {label}" for name, label in structures.items())
            yield self.finding(f"Masks have labels besides {named}: {', '.join(shown[:SHOWN])}{more}.")


class StructureOfNobody(VoxelCheck):
    """The card names several structures, and no patient's mask has one of their labels; the number may be wrong."""

    code = "SB516"
    severity = "error"
    ignorable = True
    part = "mask"
    title = "No mask has the label of a structure"
    remedy = "Correct the number under mask.labels, or remove the structure."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        structures = source.card.structures
        patients = _holders(facts)
        if len(structures) < 2 or not patients:
            return
        for name, label in structures.items():
            if label not in patients:
                has = ", ".join(f"{value:g}" for value in sorted(patients)[:SHOWN])
                yield self.finding(f"No mask has label {label}, the structure {name!r}.", detail=f"they have {has}")


class StructureOutside(PatientCheck):
    """A structure is drawn, and all of it is outside the field of view, so that the patient seems not to have it."""

    code = "SB517"
    severity = "warning"
    part = "mask"
    title = "A structure is outside the field of view"
    remedy = "A larger field_of_view_mm would include it; without it, its volume is 0 and its features are missing."

    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        if facts.mask is None or not _is_mask(facts.mask) or len(card.structures) < 2:
            return
        for name, label in card.structures.items():
            if dict(facts.mask.outside_by_label).get(label) == 1:
                yield self.finding(f"{name} is outside the field of view.")


class SoftMask(PatientCheck):
    """A mask holds voxel shares or probabilities, as produced by linear resampling and by networks.

    The mask is cut at half of its highest value.
    """

    code = "SB509"
    severity = "warning"
    part = "mask"
    title = "A mask has a soft edge"
    remedy = "The mask is cut at half of its highest value. Use nearest-neighbour resampling to avoid this."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        mask = facts.mask
        if mask is not None and _is_mask(mask) and mask.meaning == "soft" and mask.voxels:
            detail = f"cut at {mask.high / 2:.4g}, leaving {mask.voxels:,} voxels"
            yield self.finding("The mask has values between 0 and its maximum.", detail=detail)


def _is_mask(mask: MaskFacts) -> bool:
    return mask.meaning != "image" and not mask.equals


def _holders(facts: Mapping[str, PatientFacts]) -> Counter[float]:
    """Return in how many patients' masks each label is."""
    masks = [f.mask for f in facts.values() if f.mask is not None and _is_mask(f.mask)]
    return Counter(value for mask in masks for value in ([1.0] if mask.meaning == "soft" else _labels(mask)))


def _labels(mask: MaskFacts) -> list[float]:
    """Return a mask's labels. A single number marks a binary mask: 255, used by some programs, counts as label 1."""
    if mask.different == 1 and mask.high in FULL_SCALES:
        return [1.0]
    return [value for value, _ in mask.levels]
