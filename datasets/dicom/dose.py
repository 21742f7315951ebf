"""Read weight, injected dose and half-life from a header, and correct common mistakes in their units.

DICOM PS3.3, section C.8.9.2 (PET isotope) and PS3.6: PatientWeight in kg, RadionuclideTotalDose in Bq,
RadionuclideHalfLife in s. All but the weight are in the single item of RadiopharmaceuticalInformationSequence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset
from survbench.datasets.dicom.headers import items, number, text
from survbench.datasets.readers.errors import ImageError

HALF_LIVES_S = {
    ("C", 11): 1221.84,
    ("N", 13): 597.9,
    ("O", 15): 122.24,
    ("F", 18): 6586.2,
    ("CU", 64): 45723.6,
    ("GA", 68): 4062.6,
    ("RB", 82): 75.45,
    ("ZR", 89): 282276.0,
    ("I", 124): 360806.4,
}
"""Half-lives in seconds by element and mass: Evaluated Nuclear Structure Data File (ENSDF)."""
_ELEMENTS = {
    "CARBON": "C", "NITROGEN": "N", "OXYGEN": "O", "FLUORINE": "F", "FLUORIDE": "F", "FLUOR": "F", "COPPER": "CU",
    "GALLIUM": "GA", "RUBIDIUM": "RB", "ZIRCONIUM": "ZR", "IODINE": "I",
}  # fmt: skip
_CODES = {
    "C-105A1": ("C", 11), "C-107A1": ("N", 13), "C-B1038": ("O", 15), "C-111A1": ("F", 18), "C-127A2": ("CU", 64),
    "C-131A3": ("GA", 68), "C-159A2": ("RB", 82), "C-168A4": ("ZR", 89), "C-114A5": ("I", 124),
    "40565003": ("C", 11), "21576001": ("N", 13), "129504001": ("O", 15), "77004003": ("F", 18), "3932008": ("CU", 64),
    "35337001": ("GA", 68), "79197006": ("RB", 82), "63360001": ("ZR", 89), "40937006": ("I", 124),
}  # fmt: skip
"""DICOM PS3.16, context group 4020 (PET radionuclides): SNOMED-RT codes, and the SNOMED CT codes that replaced them."""
_NUCLIDE = re.compile(r"\^?(\d{2,3})\^?[ -]?([A-Z]+)|([A-Z]+)[ -]?\^?(\d{2,3})\^?")
_FDG = ("FDG", "FLUORODEOXYGLUCOSE")
_APART = 0.02
_WEIGHTS_KG = (2.0, 400.0)
_DOSES_BQ = (1e5, 1e11)
_DOSES_MBQ = (0.1, 1e4)


@dataclass(frozen=True, slots=True)
class Dose:
    """The values that convert activity into SUV.

    Attributes:
        weight_kg: the patient's weight.
        dose_bq: activity at the injection.
        half_life_s: half-life of the nuclide.
        notes: values that differ from the header's, and why.
    """

    weight_kg: float
    dose_bq: float
    half_life_s: float
    notes: tuple[str, ...]


def injection_of(header: Dataset) -> Dataset:
    """Return the item of the only injection, or an empty item if the header has none.

    Raises:
        ImageError: there are several injections.
    """
    found = items(header, "RadiopharmaceuticalInformationSequence")
    if len(found) > 1:
        what = f"The PET lists {len(found)} injections; it is not clear which one its values refer to."
        raise ImageError(what, "Correct RadiopharmaceuticalInformationSequence so that it has one item.")
    return found[0] if found else Dataset()


def weight_of(header: Dataset) -> tuple[float, list[str]]:
    """Return the patient's weight in kg, and notes. Numbers of at least 2,000 are taken as grams.

    Raises:
        ImageError: the weight is missing, 0, or impossible.
    """
    value, notes = number(header, "PatientWeight"), []
    if not value:
        raise ImageError("The PET has no patient weight.", "Provide the weight in kg.")
    if value >= 1000 * _WEIGHTS_KG[0]:
        value, notes = value / 1000, ["The patient's weight was in grams."]
    if not _WEIGHTS_KG[0] <= value <= _WEIGHTS_KG[1]:
        raise ImageError("The PET has an impossible patient weight.", "Provide the weight in kg.")
    return value, notes


def dose_of(injection: Dataset) -> tuple[float, list[str]]:
    """Return the injected dose in Bq, and notes. Numbers up to 10,000 are taken as MBq.

    Raises:
        ImageError: the dose is missing, 0, or impossible in either unit.
    """
    value = number(injection, "RadionuclideTotalDose")
    if not value:
        raise ImageError("The PET has no injected dose.", "Provide the dose in Bq.")
    if _DOSES_MBQ[0] <= value <= _DOSES_MBQ[1]:
        return value * 1e6, ["The injected dose was in MBq."]
    if not _DOSES_BQ[0] <= value <= _DOSES_BQ[1]:
        what = f"The PET has an injected dose of {value:g}, which is impossible in Bq and in MBq."
        raise ImageError(what, "Provide the dose in Bq.")
    return value, []


def half_life_of(injection: Dataset) -> tuple[float, list[str]]:
    """Return the half-life in s, and notes.

    If the nuclide is known, its half-life replaces one that is missing or differs by more than 2 % (minutes, for
    example).

    Raises:
        ImageError: there is no half-life, and the nuclide is not known.
    """
    value, nuclide = number(injection, "RadionuclideHalfLife"), nuclide_of(injection)
    if nuclide is None:
        if not value or value < 0:
            raise ImageError("The PET has neither a half-life nor a known nuclide.", "Provide the half-life in s.")
        return value, []
    known = HALF_LIVES_S[nuclide]
    if value and abs(value / known - 1) <= _APART:
        return value, []
    name = f"{nuclide[0].capitalize()}-{nuclide[1]}"
    missing = "is missing" if not value else f"of {value:g} s is wrong"
    return known, [f"The half-life {missing}: that of {name} was used, {known:g} s."]


def nuclide_of(injection: Dataset) -> tuple[str, int] | None:
    """Return element and mass of the nuclide: from its code, else from its name, else F-18 if the tracer is FDG."""
    for code in items(injection, "RadionuclideCodeSequence"):
        if (known := _CODES.get(text(code, "CodeValue"))) is not None:
            return known
        if (known := _nuclide_in(text(code, "CodeMeaning"))) is not None:
            return known
    tracer = text(injection, "Radiopharmaceutical")
    if (known := _nuclide_in(tracer)) is not None:
        return known
    return ("F", 18) if any(word in tracer.upper() for word in _FDG) else None


def _nuclide_in(words: str) -> tuple[str, int] | None:
    for mass_before, element_after, element_before, mass_after in _NUCLIDE.findall(words.upper()):
        element, mass = element_after or element_before, int(mass_before or mass_after)
        nuclide = _ELEMENTS.get(element, element), mass
        if nuclide in HALF_LIVES_S:
            return nuclide
    return None
