"""``bench cohort ingest``: a folder of DICOM, as a hospital hands it out, to a cohort under pseudonyms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from survbench.actions.foreign import series_in, unpacked_archives
from survbench.actions.ingest_report import write_report
from survbench.actions.ingest_secrets import leaks, read_identities, secret_values
from survbench.datasets.cards.card import CohortCard, read_card
from survbench.datasets.cohorts.named import CARD_FILE
from survbench.datasets.dicom.identifying import Identity
from survbench.datasets.dicom.patient import Request
from survbench.datasets.dicom.regions import Wish
from survbench.datasets.dicom.series import Contents
from survbench.datasets.drafting.draft import draft_card
from survbench.datasets.ingest.clinical import CLINICAL, JoinedTable, join, write_clinical
from survbench.datasets.ingest.hospital_table import plain
from survbench.datasets.ingest.leaks import Leak, SecretValues
from survbench.datasets.ingest.patient_files import PatientJob, read_records, write_patient_apart
from survbench.datasets.ingest.pseudonyms import Naming, pseudonyms_of
from survbench.datasets.layouts.cards import write_cards
from survbench.datasets.readers.errors import ImageError
from survbench.errors import BenchError
from survbench.findings import Finding
from survbench.io.files import write_text
from survbench.io.holding import held
from survbench.io.layout import Status
from survbench.io.tables import Table
from survbench.jobs.apart import Lost
from survbench.jobs.attempt import PIECE_TIMEOUT
from survbench.jobs.executor import execute
from survbench.jobs.task import Ended, Task
from survbench.jobs.this_machine import ThisMachine

PATIENT_S = 600.0
"""The longest that one patient may take."""
FILE_S = 8.0
"""The longest that one of the patient's files, or a part of one, may take."""


@dataclass(frozen=True, slots=True)
class Clinical:
    """The clinical table, and how it is joined.

    Attributes:
        table: as the hospital has it.
        id_column: its column of the ids that the images have.
        keep: columns to keep though they look as if they identified patients.
        rowless: why patients have no row, by id in lower case.
    """

    table: Table
    id_column: str
    keep: tuple[str, ...] = ()
    rowless: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of a folder.

    Attributes:
        contents: what lies in it.
        refused: archives in it that were not unpacked, and why.
        written: pseudonyms of the patients that were read now.
        kept: pseudonyms of those that were there from an earlier call.
        leftover: pseudonyms of patients in the cohort who are neither: they are from an earlier call with another
            source or key, or cannot be read any more.
        failed: what is wrong with the others, by their own ids, which stand in no file.
        notes: what was odd about those that were read now, by their own ids.
        unused: ids in the overrides that no patient has, in lower case.
        findings: what the checks say of the images of those who were read, by pseudonym.
        leaks: where in the cohort a value stands that may say who somebody is.
        joined: the clinical table; None where none was given.
        todo: what has to be filled in on the card; None where no card was drafted.
    """

    contents: Contents
    refused: Mapping[str, str]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    leftover: tuple[str, ...]
    failed: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]]
    unused: tuple[str, ...]
    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...]
    joined: JoinedTable | None
    todo: tuple[str, ...] | None


def ingest(
    source: Path,
    out: Path,
    *,
    request: Request,
    naming: Naming,
    regions: Mapping[str, Wish] | None = None,
    overrides: Mapping[str, Request] | None = None,
    clinical: Clinical | None = None,
    cards: Mapping[str, CohortCard] | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Ingested:
    """Read all patients in a folder and write those that can be read as a cohort. What is there already is kept.

    Args:
        source: folder of the DICOM files, or an archive of them; archives in a folder are unpacked too.
        out: folder of the cohort.
        request: what is wanted of each patient.
        naming: gives the pseudonyms.
        regions: the regions by id in lower case, in place of those of the request.
        overrides: what is wanted of single patients, by id in lower case.
        clinical: the table; patients without a row in it are not written.
        cards: of the cohort, by name of their files, in place of a draft.
        workers: patients at once.
        progress: called with how many patients are done, and how many there are.

    Raises:
        BenchError: one folder lies in the other, the source holds no DICOM or is an archive that is refused, or the
            table cannot be joined; the cohort's folder cannot be written, or another call writes into it.
    """
    if source.resolve().is_relative_to(out.resolve()) or out.resolve().is_relative_to(source.resolve()):
        raise BenchError(f"{out} and {source} lie in each other. Give a folder elsewhere for the cohort.")
    with unpacked_archives(source, workers) as unpacked:
        contents = series_in(unpacked, workers)
        patients = contents.by_patient()
        if not patients:
            refused = "".join(f" {path}: {why}" for path, why in unpacked.refused.items())
            raise BenchError(
                f"{source} holds no DICOM series ({contents.others} other files). Give the folder that does.{refused}"
            )
        with held(out):
            pseudonyms = pseudonyms_of(patients, naming)
            read = read_identities(patients, workers=workers, seconds=PATIENT_S, file_seconds=FILE_S)
            identities = {patient: one for patient, one in read.items() if not isinstance(one, Lost)}
            failed = {p: _lost(one) for p, one in read.items() if isinstance(one, Lost)} | {**pseudonyms.refused}
            paths = [*unpacked.archives, *(i.path for one in contents.series for i in one.instances)]
            secrets = partial(secret_values, identities.values(), paths, source)
            joined = None if clinical is None else _joined(clinical, identities, secrets())
            jobs: dict[str, PatientJob] = {}
            for patient in [one for one in patients if one not in failed]:
                try:
                    wanted = (overrides or {}).get(plain(patient), request)
                    wanted = _request_of(patient, wanted, regions, joined, {} if clinical is None else clinical.rowless)
                except ImageError as error:
                    failed[patient] = str(error)
                else:
                    jobs[patient] = PatientJob(pseudonyms.of[patient], patients[patient], wanted, out)
            kept = [patient for patient, job in jobs.items() if job.done()]
            to_read = {patient: job for patient, job in jobs.items() if patient not in kept}
            before = len(failed) + len(kept)
            written, unread = _read(to_read, workers, lambda done: progress(before + done, len(patients)))
            failed |= unread
            there = {patient: pseudonyms.of[patient] for patient in (*kept, *written)}
            labels = next((dict(job.request.regions.structures) for job in jobs.values()), {})
            todo = _write_table(out, joined, there, cards, labels) if joined is not None and there else None
            secret = secrets() if joined is None else secrets(cells=joined.secret, allowed=joined.cells)
            causes = [
                (pseudonyms.of.get(p, "a patient without a pseudonym"), secret.without(why))
                for p, why in failed.items()
            ]
            findings = write_report(out, causes, workers=workers, timeout_s=PATIENT_S)
            return Ingested(
                contents=contents,
                refused=unpacked.refused,
                written=tuple(sorted(pseudonyms.of[p] for p in written)),
                kept=tuple(sorted(pseudonyms.of[p] for p in kept)),
                leftover=tuple(sorted({*read_records(out)} - {*there.values()})),
                failed=dict(sorted(failed.items())),
                notes={patient: jobs[patient].notes() for patient in sorted(written)},
                unused=tuple(sorted({*(overrides or {})} - {plain(patient) for patient in patients})),
                findings=findings,
                leaks=leaks(out, secret, workers=workers),
                joined=joined,
                todo=todo,
            )


def _read(
    jobs: Mapping[str, PatientJob], workers: int, on_end: Callable[[int], None]
) -> tuple[list[str], dict[str, str]]:
    """Read and write patients; return the ids of those that were written, and what is wrong with the others."""
    tasks = [Task(patient, write_patient_apart, (job, FILE_S), timeout_s=PATIENT_S) for patient, job in jobs.items()]
    written: list[str] = []
    failed: dict[str, str] = {}
    for ended in execute(tasks, place=ThisMachine(workers)):
        if ended.status == Status.OK:
            written.append(ended.task.key)
        else:
            failed[ended.task.key] = why_unread(ended)
        on_end(len(written) + len(failed))
    return written, failed


def _joined(clinical: Clinical, identities: Mapping[str, Identity], secrets: SecretValues) -> JoinedTable:
    values = [value for identity in identities.values() for value in identity.values if value.person]
    words = {word for value in values for word in (value.text, *value.parts)}
    return join(clinical.table, clinical.id_column, identities, words, clinical.keep, secrets.holds)


def _request_of(
    patient: str,
    request: Request,
    regions: Mapping[str, Wish] | None,
    joined: JoinedTable | None,
    rowless: Mapping[str, str],
) -> Request:
    if not patient:
        raise ImageError("Files have no PatientID.", "Add it, so that it is known whose they are.")
    if plain(patient) in rowless:
        raise ImageError(rowless[plain(patient)], "Correct the clinical table, or go on without the patient.")
    if joined is not None and patient not in joined.rows:
        alike = joined.alike(patient)
        but = f", but one of {alike!r}, which differs in leading zeros" if alike else ""
        raise ImageError(
            f"The clinical table has no row of the patient{but}.", "Add it, or correct the id in the table."
        )
    if regions is None:
        return request
    wish = regions.get(plain(patient), Wish())
    if not wish.patterns:
        raise ImageError("The table of regions names none for the patient.", "Add the names, or correct the id.")
    return replace(request, regions=replace(wish, unite=request.regions.unite))


def why_unread(ended: Ended) -> str:
    """Return what is wrong with a patient. Only messages of ours are passed on: others may hold values of headers."""
    error = ended.error
    if error is not None and error.type == ImageError.__name__:
        return error.message
    if error is not None and error.type == PIECE_TIMEOUT:
        return _lost(Lost.TIME)
    if ended.status == Status.TIMEOUT:
        return f"Reading took longer than {PATIENT_S:.0f} s."
    if ended.status == Status.OOM:
        return _lost(Lost.MEMORY)
    return f"Reading failed ({'unknown' if error is None else error.type})."


def _lost(why: Lost) -> str:
    if why == Lost.TIME:
        return f"Reading one of the files took longer than {FILE_S:.0f} s: it is damaged. Copy or export it again."
    if why == Lost.MEMORY:
        return "Reading took more memory than files of their size may. Copy or export them again."
    return "Reading the headers failed. Copy or export the files again."


def _write_table(
    out: Path,
    joined: JoinedTable,
    pseudonyms: Mapping[str, str],
    cards: Mapping[str, CohortCard] | None,
    labels: Mapping[str, int],
) -> tuple[str, ...]:
    """Write the clinical table, and the cards or a draft of one unless there is a card; return what is to do on it."""
    write_clinical(out, joined, pseudonyms)
    if cards is not None:
        write_cards(out, cards, labels)
    if (out / CARD_FILE).exists():
        return _labels_to_name(out / CARD_FILE, labels)
    draft = draft_card(out, out / CLINICAL, labels=labels)
    write_text(out / CARD_FILE, draft.text)
    return draft.todo


def _labels_to_name(path: Path, labels: Mapping[str, int]) -> tuple[str, ...]:
    """Return what to change on a card that was there and does not name the structures that the masks have now."""
    try:
        mask = read_card(path).mask
    except BenchError:  # 'bench cohort check' says what is wrong with it
        return ()
    if not labels or (mask is not None and mask.labels == labels):
        return ()
    return (f"mask.labels in {path.name}: {{{', '.join(f'{name}: {label}' for name, label in labels.items())}}}",)
