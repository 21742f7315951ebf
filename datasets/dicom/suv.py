"""Convert PET to SUV by body weight: the factor of each slice, and the rule that gave it.

SUV = activity (Bq/ml) x weight (g) / injected dose (Bq), with the dose decayed to the moment that the image shows.
Sources: QIBA's vendor-neutral pseudo-code for SUV, and DICOM PS3.3, section C.8.9.1 (Units, DecayCorrection, SUVType).

| Units | factor |
|---|---|
| BQML | 1000 x weight / decayed dose |
| CNTS | Philips (7053,xx00), the factor to SUV; without it (7053,xx09), the factor to Bq/ml, then as for BQML |
| GML | 1 if SUVType is BW or missing: the image is SUV |

| DecayCorrection | decayed dose |
|---|---|
| START | at the scan's reference time, see :func:`~survbench.datasets.dicom.decay.scan_reference` |
| ADMIN | at the injection: not decayed |
| NONE | at the middle of each slice's own frame, so slices have different factors |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from pydicom.dataset import Dataset
from survbench.datasets.dicom.decay import delay, middle_of, scan_reference
from survbench.datasets.dicom.dose import Dose, dose_of, half_life_of, injection_of, weight_of
from survbench.datasets.dicom.headers import private_text, raw_text, text, texts
from survbench.datasets.readers.errors import ImageError

Units = Literal["BQML", "CNTS", "GML"]
DecayCorrection = Literal["START", "ADMIN", "NONE"]
PHILIPS_CREATOR, PHILIPS_SUV, PHILIPS_ACTIVITY = "Philips PET Private Group", 0x00, 0x09
_PHILIPS_GROUP, _PHILIPS_BLOCK = 0x7053, 0x1000


@dataclass(frozen=True, slots=True)
class Corrections:
    """Values that replace those of a header; None keeps the header's value.

    Attributes:
        weight_kg: the patient's weight.
        dose_bq: activity at the injection.
        half_life_s: half-life of the nuclide.
        delay_s: seconds from the injection to the scan's reference time.
        decay_correction: the moment to which the image is corrected.
    """

    weight_kg: float | None = None
    dose_bq: float | None = None
    half_life_s: float | None = None
    delay_s: float | None = None
    decay_correction: DecayCorrection | None = None


@dataclass(frozen=True, slots=True)
class SuvConversion:
    """How a PET was converted to SUV by body weight.

    Attributes:
        units: the header's units.
        rule: how the factors were computed, in words.
        factors: factor of each slice, in the given order.
        decay_correction: the image's decay correction; None if the factor does not need it.
        weight_kg, dose_bq, half_life_s: the values used for the factors; None if they were not needed.
        delay_s: seconds from the injection to the moment that each slice shows; empty if not needed.
        notes: values that differ from the header's, in sentences without data that identify the patient.
    """

    units: Units
    rule: str
    factors: tuple[float, ...]
    decay_correction: DecayCorrection | None = None
    weight_kg: float | None = None
    dose_bq: float | None = None
    half_life_s: float | None = None
    delay_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = field(default=())


def suv_conversion(slices: Sequence[Dataset], corrections: Corrections | None = None) -> SuvConversion:
    """Return the factors from rescaled pixel values to SUV by body weight, g/ml.

    Args:
        slices: headers of all slices of one PET volume, in the order of the wanted factors.
        corrections: values that replace those of the header.

    Raises:
        ImageError: the PET is uncorrected, is in another unit or SUV type, or a value is missing or impossible.
    """
    corrections = corrections or Corrections()
    units = _units(slices)
    corrected = texts(slices[0], "CorrectedImage")
    if corrected and "ATTN" not in corrected:
        what = "The PET is not corrected for attenuation, so its values are not activities."
        raise ImageError(what, "Choose the series that is corrected for attenuation.")
    return _RULES[units](slices, corrections)


def _from_suv(slices: Sequence[Dataset], corrections: Corrections) -> SuvConversion:  # noqa: ARG001
    kind = _same(slices, "SUVType")
    if kind not in {"", "BW"}:
        what = f"The PET is in SUV by {kind}, not by body weight."
        raise ImageError(what, "Export it as Bq/ml, or as SUV by body weight.")
    stated = "SUVType says body weight" if kind else "body weight assumed, as SUVType is missing"
    return SuvConversion("GML", f"GML: the image is SUV ({stated})", (1.0,) * len(slices))


def _from_counts(slices: Sequence[Dataset], corrections: Corrections) -> SuvConversion:
    to_suv = [_philips(one, PHILIPS_SUV) for one in slices]
    if all(to_suv):
        return SuvConversion("CNTS", "CNTS: Philips' private factor to SUV", tuple(to_suv))
    to_activity = [_philips(one, PHILIPS_ACTIVITY) for one in slices]
    if all(to_activity):
        return _from_activity(slices, corrections, "CNTS", "CNTS: Philips' private factor to Bq/ml, then ", to_activity)
    what = "The PET is in counts and has no private Philips factor to convert them into SUV or activity."
    raise ImageError(what, "Export it with its private attributes (7053,xxxx), or in Bq/ml.")


def _from_activity(
    slices: Sequence[Dataset],
    corrections: Corrections,
    units: Units = "BQML",
    prefix: str = "BQML: ",
    to_activity: Sequence[float] | None = None,
) -> SuvConversion:
    correction, decay_notes = _decay_correction(slices, corrections)
    injection = injection_of(slices[0])
    dose = _dose(slices, injection, corrections)
    delays, basis, time_notes = _delays(slices, injection, dose.half_life_s, correction, corrections)
    scales = to_activity or (1.0,) * len(slices)
    decayed = [dose.dose_bq * 0.5 ** (seconds / dose.half_life_s) for seconds in delays]
    return SuvConversion(
        units=units,
        rule=f"{prefix}weight / dose, {basis}",
        factors=tuple(1000 * dose.weight_kg / rest * scale for rest, scale in zip(decayed, scales, strict=True)),
        decay_correction=correction,
        weight_kg=dose.weight_kg,
        dose_bq=dose.dose_bq,
        half_life_s=dose.half_life_s,
        delay_s=() if correction == "ADMIN" else tuple(delays),
        notes=tuple(dict.fromkeys((*decay_notes, *dose.notes, *time_notes))),
    )


_RULES: dict[Units, Callable[[Sequence[Dataset], Corrections], SuvConversion]] = {
    "BQML": _from_activity,
    "CNTS": _from_counts,
    "GML": _from_suv,
}


def _units(slices: Sequence[Dataset]) -> Units:
    value = _same(slices, "Units").upper()
    if value not in _RULES:
        what = f"The PET is in units {value!r}." if value else "The PET does not say its units."
        raise ImageError(what, f"Export it in one of {', '.join(_RULES)}.")
    return value


def _same(slices: Sequence[Dataset], keyword: str) -> str:
    values = {text(one, keyword) for one in slices}
    if len(values) > 1:
        what = f"The slices of the PET differ in {keyword}: {', '.join(sorted(map(repr, values)))}."
        raise ImageError(what, "Choose one of the volumes in the series.")
    return values.pop()


def _philips(header: Dataset, element: int) -> float:
    """Return a private Philips factor; 0 if there is none.

    If anonymisation removed the private creator, the usual block of a Philips scanner is used.
    """
    value = private_text(header, _PHILIPS_GROUP, PHILIPS_CREATOR, element)
    if not value and "PHILIPS" in text(header, "Manufacturer").upper():
        value = raw_text(header, _PHILIPS_GROUP, _PHILIPS_BLOCK | element)
    try:
        return max(0.0, float(value))
    except ValueError:
        return 0.0


def _decay_correction(slices: Sequence[Dataset], corrections: Corrections) -> tuple[DecayCorrection, list[str]]:
    if corrections.decay_correction is not None:
        return corrections.decay_correction, ["The decay correction was given."]
    remedy = "Provide the decay correction: START, ADMIN or NONE."
    value, corrected = _same(slices, "DecayCorrection").upper(), texts(slices[0], "CorrectedImage")
    if not value:
        if "DECY" in corrected:
            return "START", ["DecayCorrection is missing; CorrectedImage lists one: START is assumed."]
        raise ImageError("The PET does not say whether, and to which moment, it is corrected for decay.", remedy)
    if value not in get_args(DecayCorrection):
        raise ImageError(f"The PET has the unknown decay correction {value!r}.", remedy)
    if corrected and ("DECY" in corrected) != (value != "NONE"):
        says = "lists DECY" if "DECY" in corrected else "does not list DECY"
        raise ImageError(f"The PET has the decay correction {value}, but CorrectedImage {says}.", remedy)
    return cast("DecayCorrection", value), []


def _dose(slices: Sequence[Dataset], injection: Dataset, corrections: Corrections) -> Dose:
    weight, weight_notes = (
        (corrections.weight_kg, ["The weight was given."]) if corrections.weight_kg else weight_of(slices[0])
    )
    dose, dose_notes = (corrections.dose_bq, ["The dose was given."]) if corrections.dose_bq else dose_of(injection)
    half_life, half_life_notes = (
        (corrections.half_life_s, ["The half-life was given."]) if corrections.half_life_s else half_life_of(injection)
    )
    return Dose(weight, dose, half_life, (*weight_notes, *dose_notes, *half_life_notes))


def _delays(
    slices: Sequence[Dataset],
    injection: Dataset,
    half_life_s: float,
    correction: DecayCorrection,
    corrections: Corrections,
) -> tuple[list[float], str, list[str]]:
    """Return the seconds of decay of each slice, their basis in words, and notes."""
    if correction == "ADMIN":
        return [0.0] * len(slices), "decay corrected to the injection", []
    if corrections.delay_s is not None and correction == "START":
        return [corrections.delay_s] * len(slices), "dose decayed by the given delay", ["The delay was given."]
    if correction == "NONE":
        found = [delay(injection, middle_of(one, half_life_s), half_life_s) for one in slices]
        notes = [note for _, of_one in found for note in of_one]
        return [seconds for seconds, _ in found], "dose decayed to the middle of each slice's frame", notes
    reference = scan_reference(slices, half_life_s)
    seconds, notes = delay(injection, reference.moment, half_life_s)
    return [seconds] * len(slices), f"dose decayed to the {reference.rule}", [*reference.notes, *notes]
