"""Findings: what is wrong with an input, or to be known of a board, each with a code, a sentence and a remedy.

A :class:`Check` is one thing that can be wrong. Wherever it is met, by a reader, by ``bench cohort check`` or by a
board, the same class makes the :class:`Finding`, so the same words and the same code are printed, stored and logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from survbench.errors import BenchError

Severity = Literal["error", "warning", "note"]
"""An error keeps the cohort, or the patient, from being used; a warning asks for a look; a note is to be known."""
Part = Literal["table", "outcome", "predictors", "images", "mask", "external", "protocol", "board"]
About = Literal["cohort", "external", "board"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 3
"""Patients that a line names as examples."""
REFERENCE = "docs/reference/findings.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, in one place.

    Attributes:
        code: of the check, such as ``SB201``.
        severity: see :data:`Severity`.
        cause: a sentence that holds wherever this happened; findings of one cause are shown as one line.
        remedy: what to do, in a sentence or two.
        subject: id of the patient, or "" for the whole.
        detail: what is particular to this place: the cell, the file, the value.
        counts: what findings of this cause are, where they are not patients, such as files.
        ignorable: whether ``--ignore`` may go on in spite of it.
    """

    code: str
    severity: Severity
    cause: str
    remedy: str
    subject: str = ""
    detail: str = ""
    counts: str = "patients"
    ignorable: bool = True

    @property
    def advice(self) -> str:
        """What to do, and how to go on in spite of an error where that is allowed."""
        passed = self.severity == "error" and self.ignorable
        return f"{self.remedy} (--ignore {self.code} goes on in spite of it.)".strip() if passed else self.remedy

    @property
    def what(self) -> str:
        """The cause, with what is particular to this place."""
        end = "" if self.detail.endswith("...") else "."
        return f"{self.cause.rstrip('.')}: {self.detail}{end}" if self.detail else self.cause

    @property
    def see(self) -> str:
        """Where the documentation explains the code."""
        return f"{REFERENCE}#{self.code.lower()}"

    def to_json(self) -> dict[str, str | bool]:
        """Return the finding as it is printed by ``--json``."""
        return {**asdict(self), "what": self.what, "see": self.see}


class Check:
    """One thing that can be wrong: a subclass declares it, its docstring explains it to the reader of the reference.

    Attributes:
        code: unique and stable; people ignore findings by it.
        severity: of its findings.
        part: what it is about.
        title: a few words.
        remedy: what to do, unless a finding says something more exact.
        counts: what its findings count, where that is not patients.
        ignorable: whether ``--ignore`` may go on in spite of it; by default everything but errors.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity]
    part: ClassVar[Part]
    title: ClassVar[str]
    remedy: ClassVar[str] = ""
    counts: ClassVar[str] = "patients"
    ignorable: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A check that declares a severity cannot be ignored if it is an error, unless the check says so: there is
        nothing to go on with. One that inherits its severity inherits this, too.
        """
        super().__init_subclass__(**kwargs)
        if "severity" in vars(cls) and "ignorable" not in vars(cls):
            cls.ignorable = cls.severity != "error"

    @classmethod
    def finding(cls, cause: str, *, subject: str = "", detail: str = "", remedy: str | None = None) -> Finding:
        """Return a finding of this check; see :class:`Finding`."""
        remedy = cls.remedy if remedy is None else remedy
        return Finding(cls.code, cls.severity, cause, remedy, subject, detail, cls.counts, cls.ignorable)


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one cause.

    Attributes:
        first: the finding that comes first; code, severity, cause and remedy are those of all.
        places: patient and detail of each.
    """

    first: Finding
    places: tuple[tuple[str, str], ...]

    @property
    def where(self) -> str:
        """Who is concerned: "" for the whole, else how many and some of them."""
        patients = list(dict.fromkeys(subject for subject, _ in self.places if subject))
        if not patients:
            told = [detail for _, detail in self.places if detail]
            number = f"{len(told):,} {self.first.counts}: " if len(told) > 1 else ""
            return number + _some(told)
        details: dict[str, list[str]] = {patient: [] for patient in patients}
        for subject, detail in self.places:
            if subject and detail and detail not in details[subject]:
                details[subject].append(detail)
        shown = _some([f"{s} ({_first(d)})" if d else s for s, d in details.items()])
        if len(self.places) == 1:
            return shown
        number = things(len(patients), "patient")
        if len(self.places) > len(patients):
            number = f"{len(self.places)} {self.first.counts} of {number}"
        return f"{number}: {shown}"

    @property
    def text(self) -> str:
        """The cause, and who is concerned."""
        where = f" {self.where}." if self.where else ""
        return f"{self.first.cause}{where}".replace("....", "...")

    def stated(self, about: About, *, ignored: bool = False) -> Stated:
        """Return what boards and studies keep of the group: how many are concerned, but not who."""
        patients = len({subject for subject, _ in self.places if subject})
        number = f" {things(patients, 'patient')}." if patients else ""
        first = self.first
        return Stated(first.code, first.severity, f"{first.cause}{number}", first.remedy, about, ignored)


@dataclass(frozen=True, slots=True)
class Stated:
    """A finding as it stands on a board, in a study and in MLflow.

    Attributes:
        code, severity, remedy: of the finding.
        text: its cause, and how many patients it concerns.
        about: the cohort, the external cohort, or the board itself.
        ignored: whether the user went on in spite of it.
    """

    code: str
    severity: Severity
    text: str
    remedy: str
    about: About
    ignored: bool = False

    @property
    def sentence(self) -> str:
        """The finding in a line."""
        whose = "External cohort: " if self.about == "external" else ""
        return f"{whose}{self.text} ({self.code}{', ignored' if self.ignored else ''})"


def things(count: int, name: str) -> str:
    """Return how many things there are, in a number that agrees.

    >>> things(1, "patient"), things(1200, "row")
    ('1 patient', '1,200 rows')
    """
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Return findings by cause: errors first, within a severity by code and in the order in which they were made."""
    groups: dict[tuple[int, str, str, str], list[Finding]] = {}
    for f in findings:
        groups.setdefault((SEVERITIES.index(f.severity), f.code, f.cause, f.remedy), []).append(f)
    ordered = [groups[key] for key in sorted(groups, key=lambda k: k[:2])]
    return [Group(members[0], tuple((f.subject, f.detail) for f in members)) for members in ordered]


def _first(details: Sequence[str]) -> str:
    return details[0] + (f", and {len(details) - 1} more" if len(details) > 1 else "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


class CohortError(BenchError):
    """A cohort with problems; all causes are listed, never only the first."""

    def __init__(self, title: str, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [f"  {g.first.code} {g.text} {g.first.advice}".rstrip() for g in grouped(self.findings)]
        super().__init__("\n".join([title, *lines]))
