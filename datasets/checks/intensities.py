"""Checks of the numbers in images: their unit, and voxels that were not scanned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import ImageFacts, PatientFacts
from survbench.datasets.checks.kinds import PatientCheck, VoxelCheck
from survbench.datasets.checks.masks import EVERYTHING
from survbench.findings import Finding
from survbench.statistics.metrics import concordance_index

PADDING_SPREAD = 0.05
"""Difference between patients in the scanned share from which a warning is given."""
AIR, SOFT_TISSUE = -400.0, 100.0
"""HU that every CT reaches: down to air, and up to soft tissue."""
LOWEST_SUV, MAX_SUV = -1.0, 200.0
DENSE, THIN = 700.0, -850.0
"""HU above which the median of a body cannot be, and below which the median of a tumour cannot be."""
MAX_HU, MAX_TYPICAL_HU = 31000.0, 2000.0
"""Numbers that are not HU: above the maximum of scanners with an extended scale (30710), and above the median of a body
in a CT that is 1024 too high."""
SHARE, NOISE_HU = 1e-3, -1100.0
"""Share of CT voxels below -1024, and lowest number, from which they are padding; noise in air is below -1024, too."""
MIN_TYPICAL_SUV = 0.1
"""SUV that the median inside the body reaches in at least one patient."""
ABOUT_ZERO = 0.05
"""A PET counts as a z-score if its mean is closer to 0 than this and its lowest value is further below 0."""
FACTOR = 3.0
"""Smallest factor between the typical PET of a group and of the others for a warning."""
GAP = 1.8
"""Smallest factor between the nearest patients of two groups that are separated by their values alone."""


class ConstantImage(PatientCheck):
    """All voxels of an image have the same value."""

    code = "SB406"
    severity = "error"
    part = "images"
    title = "An image is constant"
    remedy = "Export it again."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.low == image.high:
                yield self.finding(f"{name} is constant.", detail=f"{image.low:g}")


class NotSuv(PatientCheck):
    """A PET with values below -1 or above 200 is not in SUV: it may be a CT, or activity in Bq/ml."""

    code = "SB407"
    severity = "error"
    part = "images"
    title = "A PET is not in SUV"
    remedy = "Convert it to SUV by body weight."
    ignorable = True

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.modality != "PET" or image.low == image.high:
                continue
            if image.low < LOWEST_SUV:
                cause, detail = f"{name} has values below -1, unlike SUV. Is it a CT?", f"down to {image.low:.0f}"
                yield self.finding(cause, detail=detail, remedy="Correct the file pattern, or convert the PET to SUV.")
            elif image.high > MAX_SUV:
                cause, detail = f"{name} is not in SUV; it may be in Bq/ml.", f"maximum {image.high:,.0f}"
                yield self.finding(cause, detail=detail, remedy="Convert it to SUV by body weight.")


def _not_usable_suv(image: ImageFacts) -> bool:
    """Return whether an image is not a PET, or is reported by :class:`NotSuv`."""
    return image.modality != "PET" or image.low < LOWEST_SUV or image.high > MAX_SUV


class NotHounsfield(PatientCheck):
    """A CT is not in HU, or is not a CT, if it does not reach from air (-400 HU) to soft tissue (100 HU), if it exceeds
    31000, or if the median inside the body exceeds 2000.

    If negative numbers were stored without their sign, they are read as 65536 (or 4096) too high: air is then 64536.
    """

    code = "SB408"
    severity = "warning"
    part = "images"
    title = "A CT does not look like HU"
    remedy = "Correct the file pattern, or rescale to HU."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.modality != "CT" or image.low == image.high or _shifted(image, facts):
                continue
            if not may_be_hounsfield(image.high, image.typical):
                yield self._too_high(name, image)
                continue
            no_air = image.low > AIR and not image.absent
            if no_air or image.high < SOFT_TISSUE:
                detail = f"{image.low:.0f} to {image.high:.0f}"
                cause = f"{name} does not reach from air ({AIR:.0f} HU) to soft tissue ({SOFT_TISSUE:.0f} HU)."
                yield self.finding(f"{cause} Is it a PET?" if image.low >= 0 else cause, detail=detail)

    def _too_high(self, name: str, image: ImageFacts) -> Finding:
        """Return the finding for a CT whose numbers are too high for HU."""
        detail = f"{image.low:.0f} to {image.high:.0f}"
        lost = 65536 if image.high > 60000 else 4096
        if image.low >= 0 and (image.high > 60000 or image.high < 4096):
            cause = f"{name} has numbers that are not HU: negative numbers were stored without a sign."
            remedy = f"Subtract {lost} from the numbers above {lost // 2 - 1}, or convert from DICOM again."
            return self.finding(cause, detail=detail, remedy=remedy)
        remedy = "Rescale to HU, or convert from DICOM again."
        return self.finding(f"{name} has numbers that are not HU.", detail=detail, remedy=remedy)


class ShiftedHounsfield(PatientCheck):
    """A CT looks like HU but is 1000 or 1024 too high or too low: its rescale intercept was lost on the way to NIfTI,
    or applied twice.

    If a scan is smaller than the field of view, it is surrounded by air of -1000 HU, which does not match a shifted CT.
    """

    code = "SB413"
    severity = "warning"
    part = "images"
    title = "A CT is shifted relative to HU"
    remedy = "Correct the intercept, or convert from DICOM again."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            where = _shifted(image, facts)
            if where == "high":
                cause = f"{name} is 1024 or 1000 above HU: the intercept was lost."
                remedy = "Subtract 1024 if air is 24 in the file or 1000 if air is 0, or convert from DICOM again."
                yield self.finding(cause, detail=f"the median inside the body is {image.typical:.0f}", remedy=remedy)
            elif where == "low":
                cause = f"{name} is 1024 or 1000 below HU: the intercept was subtracted twice."
                remedy = "Add 1024 (or 1000), or convert from DICOM again."
                yield self.finding(cause, detail=f"the median inside the mask is {image.in_mask:.0f}", remedy=remedy)


def may_be_hounsfield(high: float, typical: float | None) -> bool:
    """Return whether a CT with this highest number and this median inside the body may be in HU, possibly shifted."""
    return high <= MAX_HU and (typical is None or typical <= MAX_TYPICAL_HU)


def _shifted(image: ImageFacts, facts: PatientFacts) -> str:
    """Return "high" or "low" if a CT is shifted upwards or downwards, otherwise ""."""
    if image.modality == "CT" and not may_be_hounsfield(image.high, image.typical):
        return ""
    if image.modality == "CT" and image.typical is not None and image.typical > DENSE:
        return "high"
    of_tumour = facts.mask is not None and facts.mask.share < EVERYTHING
    thin = of_tumour and image.in_mask is not None and image.in_mask < THIN
    below_hu = image.below > SHARE and image.lowest < NOISE_HU
    return "low" if image.modality == "CT" and thin and below_hu else ""


class PaddedCt(PatientCheck):
    """A CT has numbers below -1024, which are not HU: programs write -2000 or -3024 where nothing was scanned.

    They are read as not scanned (-1000 HU, as air), so they affect neither the features nor the networks' z-score.
    """

    code = "SB412"
    severity = "warning"
    part = "images"
    title = "A CT is padded with numbers that are not HU"
    remedy = "They are read as not scanned (-1000 HU). No action is needed if they are outside the body."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.below >= SHARE and image.lowest < NOISE_HU:
                detail = f"{100 * image.below:.2g} % of the voxels, down to {image.lowest:.0f}"
                yield self.finding(f"{name} has numbers below -1024, which are not HU.", detail=detail)


class AbsentVoxels(PatientCheck):
    """A file has NaN where nothing was scanned: at the border of the image, neither inside it nor in the mask.

    NaN is read as air: 0 in a PET or MR, -1000 HU in a CT, 0 in a mask.
    """

    code = "SB414"
    severity = "warning"
    part = "images"
    title = "A file has NaN outside the scanned region"
    remedy = "NaN is read as not scanned (0 SUV, -1000 HU). No action is needed if it is outside the body."

    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        shares = {name: image.absent for name, image in facts.images.items() if not image.absent_in_mask}
        if facts.mask is not None:
            shares["mask"] = facts.mask.absent
        none_in_mask = ", none in the mask" if card.mask is not None else ""
        for name, share in shares.items():
            if share > 0:
                detail = f"{100 * share:.2g} % of the voxels{none_in_mask if name != 'mask' else ''}"
                yield self.finding(f"{name} has NaN outside the scanned region.", detail=detail)


class AbsentInMask(PatientCheck):
    """An image has NaN where the mask marks tumour."""

    code = "SB415"
    severity = "error"
    part = "images"
    title = "An image has NaN inside the mask"
    remedy = "Export the image again, or check the position of the mask."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, image in facts.images.items():
            if image.absent_in_mask:
                yield self.finding(f"{name} is NaN inside the mask.", detail=f"{image.absent_in_mask:,} voxels")


class PaddingRanksPatients(VoxelCheck):
    """The scanned share of the field of view differs between patients, so a network can learn the tumour's size, or the
    scanner, from the padding.
    """

    code = "SB409"
    severity = "warning"
    part = "images"
    title = "The scanned share differs between patients"
    remedy = "Networks may learn from the padding; compare them with the reference row 'padding'."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        cohort = source.cohort
        rows = [n for n, i in enumerate(cohort.ids) if i in facts]
        shares = np.array([facts[cohort.ids[n]].scanned for n in rows])
        if len(shares) < 2 or np.ptp(shares) < PADDING_SPREAD:
            return
        c = concordance_index(cohort.time[rows], cohort.event[rows], shares).value
        ranks = "" if np.isnan(c) else f" and ranks patients by itself with C = {c:.2f}"
        what = f"The scanned share of the field of view ranges from {shares.min():.2f} to {shares.max():.2f}{ranks}."
        yield self.finding(what)


class PetOfAnotherUnit(VoxelCheck):
    """The PET of one centre, or of some patients, is typically at least three times as high or as low as that of the
    others. One group may not be in SUV by body weight, but in SUV by another norm, in kBq/ml, or scaled.

    The medians inside the body are compared on a log scale: first each centre with at least two patients against the
    other centres, then, relative to their centre, patients separated from the others by a wide gap.
    """

    code = "SB411"
    severity = "warning"
    part = "images"
    title = "The PET of some patients may have another unit"
    remedy = "Is one of them not in SUV? Convert all images to SUV by body weight."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        for channel in source.cohort.channels:
            typical: dict[str, dict[str, float]] = {}
            for subject in source.cohort.subjects:
                known = facts.get(subject.id)
                image = known and known.images[channel]
                if image and not _not_usable_suv(image) and image.typical is not None and image.typical > 0:
                    typical.setdefault(subject.centre, {})[subject.id] = float(np.log(image.typical))
            yield from self._channel_findings(channel, typical)

    def _channel_findings(self, channel: str, typical: dict[str, dict[str, float]]) -> Iterator[Finding]:
        """Yield findings for one channel, given the logarithms of the typical values by centre and patient."""
        cause = f"The typical value of {channel} (median inside the body)"
        middle = {centre: float(np.median(list(own.values()))) for centre, own in typical.items() if len(own) > 1}
        odd = _odd_centres(middle)
        usual = {centre: m for centre, m in middle.items() if centre not in odd}
        base = float(np.median(list(usual.values()))) if usual else 0.0
        for centre in odd:
            times = _times(middle[centre] - base)
            yield self.finding(f"{cause} of centre {centre} is {times} that of {', '.join(sorted(usual))}.")
        values = {
            name: value - (middle[centre] - base if centre in odd else 0.0)
            for centre, own in typical.items()
            for name, value in own.items()
        }
        for name, distance in _odd_patients(values).items():
            yield self.finding(
                f"{cause} is far from that of the others.", subject=name, detail=f"{_times(distance)} the others"
            )


class LowPet(VoxelCheck):
    """The PET of every patient is lower than SUV can be: the median inside the body is below 0.1, or the image has
    mean 0 and negative values, like a z-score.
    """

    code = "SB431"
    severity = "warning"
    part = "images"
    title = "The PET of all patients is lower than any SUV"
    remedy = "Provide SUV by body weight, neither divided by a constant nor standardised."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        for channel in source.cohort.channels:
            images = [f.images[channel] for f in facts.values() if f.images[channel].modality == "PET"]
            typical = [image.typical for image in images if image.typical is not None]
            if images and all(abs(i.mean) < ABOUT_ZERO and i.low < -ABOUT_ZERO for i in images):
                yield self.finding(f"{channel} is not SUV: its mean is 0 and it has negative values in every patient.")
            elif typical and max(typical) < MIN_TYPICAL_SUV:
                middle = float(np.median(typical))
                yield self.finding(f"{channel} is lower than any SUV: the median inside the body is {middle:.2g}.")


def _odd_centres(middle: dict[str, float]) -> list[str]:
    """Return the centres whose value (a logarithm) is far from the median of the others, the farthest first. Of two
    equally distant centres, the higher one is judged first.
    """
    odd: list[str] = []
    overall = np.median(list(middle.values())) if middle else 0.0
    for centre in sorted(middle, key=lambda c: (-round(abs(middle[c] - overall), 9), -middle[c])):
        others = [m for c, m in middle.items() if c != centre and c not in odd]
        if others and abs(middle[centre] - np.median(others)) >= np.log(FACTOR):
            odd.append(centre)
    return odd


def _odd_patients(values: dict[str, float]) -> dict[str, float]:
    """Return the patients whose value (a logarithm) is far from the others and separated from them by a wide gap, with
    the difference of each.
    """
    odd: list[str] = []
    rest = sorted(values, key=lambda name: values[name])
    while len(rest) > 2:
        ordered = np.array([values[name] for name in rest])
        cut = int(np.argmax(np.diff(ordered))) + 1
        wide = ordered[cut] - ordered[cut - 1] >= np.log(GAP)
        if not wide or np.median(ordered[cut:]) - np.median(ordered[:cut]) < np.log(FACTOR):
            break
        few, rest = (rest[:cut], rest[cut:]) if cut < len(rest) - cut else (rest[cut:], rest[:cut])
        odd += few
    base = float(np.median([values[name] for name in rest])) if rest else 0.0
    return {name: values[name] - base for name in sorted(odd)}


def _times(distance: float) -> str:
    """Return a difference of logarithms in words."""
    factor = float(f"{np.exp(abs(distance)):.2g}")
    return f"about {factor:,g} times" if distance > 0 else f"about 1/{factor:,g} of"
