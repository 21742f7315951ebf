"""One patient's DICOM, read as ``bench cohort ingest`` reads it, as NIfTI files by channel."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from survbench.actions.foreign import series_in, unpacked_archives
from survbench.actions.ingest import FILE_S, PATIENT_S, why_unread
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cohorts.new_patients import MASK
from survbench.datasets.dicom.patient import Request
from survbench.datasets.ingest.patient_files import PatientJob, write_patient_apart
from survbench.errors import BenchError
from survbench.io.layout import Status
from survbench.jobs.executor import execute
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine


def dicom_files(folder: Path, card: CohortCard, out: Path, request: Request) -> dict[str, Path]:
    """Read the PET, CT and, if the card asks for one, tumour mask of the only patient in a folder of DICOM.

    Args:
        folder: of DICOM files, in any layout.
        card: what the method sees of a patient.
        out: an empty folder for the NIfTI files.
        request: which series and regions to take.

    Returns:
        Files by channel and ``mask``; none where the folder holds no DICOM.

    Raises:
        BenchError: there are several patients, or the patient cannot be read.
    """
    with unpacked_archives(folder, 1) as unpacked:
        patients = series_in(unpacked, 1).by_patient()
        if not patients:
            return {}
        if len(patients) > 1:
            raise BenchError(
                f"{folder} holds DICOM of {len(patients)} patients. Give the folder of one, or make NIfTI of all with "
                "'bench cohort ingest', and give that folder."
            )
        (series,) = patients.values()
        job = PatientJob("patient", series, request, out)
        function = partial(write_patient_apart, masked=card.mask is not None)
        task = Task("patient", function, (job, FILE_S), timeout_s=PATIENT_S)
        for ended in execute([task], place=ThisMachine(1)):
            if ended.status != Status.OK:
                raise BenchError(f"The DICOM in {folder} cannot be used. {why_unread(ended)}")
    by_modality = {"PET": job.image("PET"), "CT": job.image("CT")}
    files = {name: by_modality[c.modality] for name, c in card.images.items() if c.modality in by_modality}
    if card.mask is not None:
        files[MASK] = job.image(MASK)
    return {name: path for name, path in files.items() if path.is_file()}
