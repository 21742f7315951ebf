"""Checks of the registration to a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import PatientFacts, RegistrationFacts
from survbench.datasets.checks.kinds import InputCheck, PatientCheck, VoxelCheck
from survbench.findings import Finding
from survbench.statistics.outliers import FAR, modified_z

UNLIKE = 0.5
"""Correlation of the smoothed images inside the body below which they do not show the same part of it. Phantom patients
have 0.9 or more with another patient, in CT and in PET. CTs of noise and of a phantom that is upside down or turned
by 90 or 180 degrees have 0.4 or less, and CTs of the limbs of different sarcoma patients 0.46 or less.
"""
ELSEWHERE_MM = 5.0
"""Distance between the results of two starts from which a registration has no clear result. Between phantom patients it
is at most 1.5 mm; with noise and between the limbs of different patients it is 8 mm or more.
"""
HALF = 0.5
"""Share of the template's body that a patient's image must show."""
TURNED_DEG = 45.0
"""Rotation that no positioning of a patient explains; the axes of the image may be in another order."""
MEASURES: Mapping[str, Callable[[RegistrationFacts], float]] = {
    "rotation": lambda facts: facts.rotation_deg,
    "shift": lambda facts: facts.shift_mm,
    "similarity": lambda facts: facts.similarity,
    "overlap": lambda facts: facts.overlap,
}
"""The numbers of a registration that are compared between patients."""


class NoTemplate(InputCheck):
    """The template that the card names under ``registration`` is not a patient of the cohort or a file in its folder,
    or its image cannot be read.
    """

    code = "SB440"
    severity = "error"
    part = "images"
    title = "The template of the registration cannot be used"
    remedy = "Name a patient of the table whose images can be read, or a NIfTI file in the cohort's folder."
    needs = "files"
    sections = ("registration",)


class NotRegistered(PatientCheck):
    """A patient's image does not register to the template: the two, smoothed, have a correlation below 0.5 inside the
    body, less than half of the template's body is in the patient's image, a second start ends more than 5 mm elsewhere,
    or the image would be turned by more than 45 degrees.

    The image may show another part of the body, have its axes in another order, or be damaged. The patient is not used,
    because the crop would show something else than in other patients.
    """

    code = "SB441"
    severity = "error"
    part = "images"
    title = "A patient does not register to the template"
    remedy = (
        "Look at the patient on the page of 'bench cohort check --page'. Correct the image, register it yourself, "
        "choose another template, or leave the patient out."
    )
    sections = ("registration",)
    ignorable = True

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        reasons = [] if facts.registration is None else list(doubts(facts.registration))
        if reasons:
            yield self.finding("Images do not register to the template.", detail=", ".join(reasons))


class RegistrationFar(VoxelCheck):
    """A registration is an outlier in the cohort: its rotation, shift, similarity or overlap is far from the other
    patients' (modified z-score of 3.5 or more, among eight patients or more).
    """

    code = "SB442"
    severity = "warning"
    part = "images"
    title = "A registration is unlike those of the other patients"
    remedy = "Look at the patient on the page of 'bench cohort check --page'."
    sections = ("registration",)

    def find(self, _source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        registered = {i: of.registration for i, of in facts.items() if of.registration is not None}
        for name, measured in far_registrations(registered).items():
            if not list(doubts(registered[name])):  # SB441 names the others
                yield self.finding("Registrations are far from those of other patients.", subject=name, detail=measured)


def doubts(facts: RegistrationFacts) -> Iterator[str]:
    """Yield the reasons why a registration cannot be accepted."""
    if facts.similarity < UNLIKE:
        yield f"correlation {facts.similarity:.2f}"
    if facts.overlap < HALF:
        yield f"{100 * facts.overlap:.0f} % of the template's body is in the image"
    if facts.apart_mm > ELSEWHERE_MM:
        yield f"another start ends {facts.apart_mm:.0f} mm elsewhere"
    if facts.rotation_deg > TURNED_DEG:
        yield f"turned by {facts.rotation_deg:.0f} degrees"


def far_registrations(registered: Mapping[str, RegistrationFacts]) -> dict[str, str]:
    """Return the outliers among the registrations of a cohort, and in which numbers they are."""
    far: dict[str, list[str]] = {}
    for name, number in MEASURES.items():
        values = [number(facts) for facts in registered.values()]
        for patient, value, z in zip(registered, values, modified_z(values), strict=True):
            if abs(z) >= FAR and (z > 0) == (name in {"rotation", "shift"}):
                far.setdefault(patient, []).append(f"{name} {_in_unit(name, value)}")
    return {patient: ", ".join(numbers) for patient, numbers in far.items()}


def _in_unit(name: str, value: float) -> str:
    return {"rotation": f"{value:.1f} degrees", "shift": f"{value:.0f} mm"}.get(name, f"{value:.2f}")
