"""What is told of an ingested cohort: the manifest, the findings of its images, and the page with a picture of each
patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import NotPrepared
from survbench.datasets.cohorts.ingested import findings_of, inspect_patient
from survbench.datasets.ingest.patient_files import picture_of, read_records, states_of
from survbench.datasets.readers.manifest import write_manifest
from survbench.findings import Finding
from survbench.io.files import write_text
from survbench.io.layout import Status
from survbench.jobs.executor import execute
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine
from survbench.leaderboard.site.cohort_page import by_cause, cohort_page

REPORT = "report.html"


def write_report(
    out: Path, failed: Sequence[tuple[str, str]], *, workers: int, timeout_s: float
) -> tuple[Finding, ...]:
    """Write the manifest and the page of a cohort, and return what the checks say of its patients.

    Args:
        out: folder of the cohort.
        failed: pseudonyms of patients who were not written, and why, without a value that identifies.
        workers: patients at once.
        timeout_s: the longest that the checks of one patient may take.
    """
    records = read_records(out)
    if not records and not failed:
        return ()
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out, states_of(records))
    facts: dict[str, PatientFacts] = {}
    findings: list[Finding] = []
    tasks = [Task(patient, inspect_patient, (out, patient), timeout_s=timeout_s) for patient in records]
    for ended in execute(tasks, place=ThisMachine(workers)):
        if ended.status == Status.OK:
            of_patient, found = ended.value
            findings += found
            if of_patient is not None:
                facts[ended.task.key] = of_patient
        else:
            cause = f"The checks of a patient ended as {ended.status}."
            findings.append(NotPrepared.finding(cause, subject=ended.task.key))
    findings += findings_of(out, {patient: facts[patient] for patient in sorted(facts)})
    pictures = {patient: picture_of(out, patient) for patient in records}
    write_text(out / REPORT, cohort_page(records, pictures, findings, by_cause(failed)))
    return tuple(findings)
