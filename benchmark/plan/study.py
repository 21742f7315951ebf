"""A study: one cohort, one protocol, one profile, and the runs of every method. What a board is a pure function of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from survbench.api import MethodInfo, Published, default_group
from survbench.errors import BenchError
from survbench.findings import Stated
from survbench.io.config import Stored
from survbench.io.files import write_json
from survbench.io.layout import SCHEMA
from survbench.io.stored import UnreadableError, checked, known_fields, read_stored, with_checksum
from survbench.io.study_files import STUDIES
from survbench.io.versions import Provenance
from survbench.plan.patient_description import PatientsDescription
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol

STUDY = "study.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A method's place in a study.

    Attributes:
        fits: keys of the fit jobs, by seed, one per fold.
        predicts: keys of the jobs that predict the external cohort, alike; empty without one.
        tunes: keys of the jobs that choose hyper-parameters, by seed: one per fold (``nested``) or one for all
            (``paper``); empty for a method that is not tuned.
        skipped: why the method was not planned, or "".
        skipped_external: why it does not predict the external cohort, or "".
        needs_mask: whether predicting takes the manual mask (directly, a structure of it, or through radiomics).
        group: of the declaration: with which rows its p is adjusted.
        tags: of the declaration; ``table-2`` to ``table-5`` are the paper's tables.
        imported: the risks of an outside model, which nothing here has fitted; it stays until it is imported anew.
        members: the rows whose risks an ensemble averages; it has no jobs, and is made of their stored predictions.
    """

    name: str
    title: str
    family: str
    group: str = "outside"
    gives: tuple[str, ...]
    needs_mask: bool = False
    stochastic: bool = False
    notes: str = ""
    reference: str = ""
    published: Published | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    fits: tuple[tuple[str, ...], ...] = ()
    predicts: tuple[tuple[str, ...], ...] = ()
    tunes: tuple[tuple[str, ...], ...] = ()
    skipped: str = ""
    skipped_external: str = ""
    tags: tuple[str, ...] = ()
    imported: bool = False
    members: tuple[str, ...] = ()

    @property
    def has_models(self) -> bool:
        """Whether it has models of its own that give a risk; an outside model and an ensemble have none."""
        return "risk" in self.gives and not (self.imported or self.members or self.skipped)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all its jobs."""
        return tuple(key for seeds in (self.tunes, self.fits, self.predicts) for keys in seeds for key in keys)

    @classmethod
    def of(cls, info: MethodInfo) -> Self:
        """Return the entry of a method before its jobs are planned."""
        return cls(
            name=info.name,
            title=info.title,
            family=info.family,
            group=info.group,
            gives=tuple(sorted(info.gives)),
            needs_mask=bool({"mask", "structures", "radiomics"} & info.needs_predict),
            stochastic=info.stochastic,
            notes=info.notes,
            reference=info.reference,
            published=info.published,
            params=dict(info.params),
            tags=tuple(sorted(info.tags)),
        )


class CohortDescription(Stored):
    """What a study and its board say of a cohort.

    Attributes:
        name, title, endpoint, licence, citation: of the card.
        patients, events, centres: how many.
        longest_months: of follow-up.
        left_out: ids of patients with problems, without whom the user went on.
        channels: of images.
        grid: voxels of the common grid; None without images.
        fingerprint: of everything that a method could see, and the outcomes.
    """

    name: str
    title: str
    endpoint: str
    patients: int
    events: int
    longest_months: float
    left_out: tuple[str, ...] = ()
    centres: int
    channels: tuple[str, ...] = ()
    grid: tuple[int, int, int] | None = None
    licence: str
    citation: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that a board needs beside the runs.

    Attributes:
        name: folder name, ``<cohort>-<profile>-<8 digits of the content>``.
        cohort, external: description of the cohorts; ``external`` is None without one.
        protocol: folds, seeds, selection, tuning.
        profile: the budget.
        provenance: of the machine that planned it.
        entries: the methods, in the registry's order. What an ensemble inherits from its members is always taken from
            them as they are now.
        patients: of ``cohort`` and, if there is one, ``external``, by these names.
        findings: what is wrong with the cohorts, or to be known of them.
    """

    name: str
    cohort: CohortDescription
    external: CohortDescription | None
    protocol: Protocol
    profile: Profile
    provenance: Provenance
    entries: tuple[Entry, ...]
    patients: Mapping[str, PatientsDescription] = field(default_factory=dict)
    findings: tuple[Stated, ...] = ()

    def __post_init__(self) -> None:
        """Let ensembles follow their members, which other runs may have changed."""
        object.__setattr__(self, "entries", tuple(map(self._following, self.entries)))

    def _following(self, entry: Entry) -> Entry:
        if not entry.members:
            return entry
        members = [e for e in self.entries if e.name in entry.members]
        absent = [e for e in members if self.external is not None and not e.predicts]
        reasons = [f"its member {e.name}: {e.skipped_external or 'no prediction'}" for e in absent]
        return replace(
            entry,
            needs_mask=any(e.needs_mask for e in members),
            stochastic=any(e.stochastic for e in members),
            skipped_external="; ".join(reasons),
        )

    def run_keys(self) -> list[str]:
        """Return the keys of all runs that its board is made of, those of searches among them."""
        return sorted(key for entry in self.entries for key in entry.keys)

    def folder(self, out: Path) -> Path:
        """Return the study's folder under an output folder."""
        return out / STUDIES / self.name

    def write(self, out: Path) -> None:
        """Write ``study.json`` into the study's folder."""
        folder = self.folder(out)
        folder.mkdir(parents=True, exist_ok=True)
        self.write_to(folder)

    def write_to(self, folder: Path) -> None:
        """Write ``study.json`` into a folder."""
        write_json(folder / STUDY, with_checksum(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Return what stands in ``study.json``."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "cohort": self.cohort.model_dump(mode="json"),
            "external": None if self.external is None else self.external.model_dump(mode="json"),
            "protocol": self.protocol.to_json(),
            "profile": self.profile.model_dump(mode="json"),
            "provenance": self.provenance.model_dump(mode="json"),
            "entries": [asdict(entry) for entry in self.entries],
            "patients": {role: patients.model_dump(mode="json") for role, patients in self.patients.items()},
            "findings": [asdict(finding) for finding in self.findings],
        }


def read_study(folder: Path) -> Study:
    """Read ``study.json`` from a study's folder.

    Raises:
        UnreadableError: another version of survbench has written it, or it is damaged.
    """
    try:
        return read_stored(folder / STUDY, _study)
    except UnreadableError as error:
        raise UnreadableError(f"{error} The same 'bench run' writes it again; its runs are kept.") from error


def _study(written: dict[str, Any]) -> Study:
    raw = checked(written)
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']}, not {SCHEMA}")
    entries = tuple(
        Entry(
            **{
                **known_fields(Entry, e),
                "group": e.get("group") or default_group(e["family"], e["tags"]),
                "gives": tuple(e["gives"]),
                "published": None if e["published"] is None else Published(**known_fields(Published, e["published"])),
                "tags": tuple(e["tags"]),
                "members": tuple(e.get("members", ())),
                "fits": tuple(map(tuple, e["fits"])),
                "predicts": tuple(map(tuple, e["predicts"])),
                "tunes": tuple(map(tuple, e["tunes"])),
            }
        )
        for e in raw["entries"]
    )
    external = raw["external"]
    return Study(
        name=raw["name"],
        cohort=CohortDescription.model_validate(raw["cohort"]),
        external=None if external is None else CohortDescription.model_validate(external),
        protocol=Protocol.model_validate(raw["protocol"]),
        profile=Profile.model_validate(raw["profile"]),
        provenance=Provenance.model_validate(raw["provenance"]),
        patients={role: PatientsDescription.model_validate(each) for role, each in raw.get("patients", {}).items()},
        entries=entries,
        findings=tuple(Stated(**known_fields(Stated, finding)) for finding in raw.get("findings", ())),
    )


def study_folders(out: Path) -> list[Path]:
    """Return the folders of all studies under an output folder, by name."""
    return [path.parent for path in sorted((out / STUDIES).glob(f"*/{STUDY}"))]


def find_studies(out: Path) -> list[Study]:
    """Return all studies under an output folder, by name. One that cannot be read is named in a warning and left out:
    an output folder outlives versions of survbench.
    """
    studies = []
    for folder in study_folders(out):
        try:
            studies.append(read_study(folder))
        except BenchError as error:
            log.warning("A study is left out: %s", error)
    return studies


def latest_study(out: Path) -> Study:
    """Return the study that was written last.

    Raises:
        BenchError: there is none.
    """
    folders = sorted(study_folders(out), key=lambda folder: ((folder / STUDY).stat().st_mtime_ns, folder.name))
    if not folders:
        raise BenchError(f"There is no study under {out}. Start one with 'bench run', or give its folder with --out.")
    return read_study(folders[-1])
