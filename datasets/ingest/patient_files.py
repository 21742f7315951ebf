"""Write one patient's files in a cohort: images and mask as NIfTI, and a record of how they were made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.dicom.choice import Choice
from survbench.datasets.dicom.geometry import Grid, stack_of
from survbench.datasets.dicom.headers import limit_seconds
from survbench.datasets.dicom.patient import STRUCTURES, PatientImages, Request, read_images, read_patient
from survbench.datasets.dicom.regions import asked_for
from survbench.datasets.dicom.series import Series, volumes_of
from survbench.datasets.ingest.montage import montage
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.manifest import FileState
from survbench.io.files import rounded, write_bytes, write_json
from survbench.io.hashing import digest
from survbench.io.limits import limited_memory
from survbench.io.nifti_file import nifti_bytes

IMAGES, RECORDS, PICTURES = "images", "records", "pictures"
_VERSION = 2
"""Part of the digest of a patient's source: raise it when the format of the written files changes."""


_BASE_BYTES = 2**30
_BYTES_PER_PIXEL, _BYTES_PER_BYTE = 16, 24
"""Bytes of memory allowed per pixel declared in headers, and per byte of a structure set. A PET of 200 x 200 x 200, a
CT of 512 x 512 x 200 and an RTSTRUCT of 49 MB needed 0.74 GB; 3.1 GB are allowed.
"""
_MOST_BYTES = 2**34


@dataclass(frozen=True, slots=True)
class PatientJob:
    """The files to write for a patient.

    Attributes:
        pseudonym: the id in the cohort.
        series: all series of the patient.
        request: which of them to use, and how.
        cohort: the cohort's folder.
    """

    pseudonym: str
    series: Sequence[Series]
    request: Request
    cohort: Path

    @property
    def record(self) -> Path:
        """Path of the record; it is written last, so its existence means that the images are complete."""
        return self.cohort / RECORDS / f"{self.pseudonym}.json"

    def image(self, kind: str) -> Path:
        """Return the path of the PET, the CT or the mask."""
        return self.cohort / IMAGES / f"{self.pseudonym}_{kind}.nii.gz"

    def source(self) -> str:
        """Return a hash of what determines the patient's files: the request, and size and time of the source files."""
        states = [i.path.stat() for one in self.series for i in one.instances]
        files = sorted((state.st_size, state.st_mtime_ns) for state in states)
        return digest([_VERSION, files, asdict(self.request)])

    def memory(self) -> int:
        """Return the number of bytes of memory that reading the patient may use, judged by the headers."""
        pixels = sum(_pixels(one) for one in self.series)
        sets = [i for one in self.series if one.modality in STRUCTURES for i in one.instances]
        structures = sum(i.path.stat().st_size for i in sets)
        return min(_BASE_BYTES + _BYTES_PER_PIXEL * pixels + _BYTES_PER_BYTE * structures, _MOST_BYTES)

    def done(self) -> bool:
        """Return whether the patient's files exist, unchanged, and were written from the same source."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            states = _states(record)
            intact = not any(state.difference(self.cohort / name) for name, state in states.items())
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return intact and bool(states) and bool(record["source"] == self.source())

    def notes(self) -> tuple[str, ...]:
        """Return the notes recorded for a patient whose files exist."""
        return tuple(json.loads(self.record.read_text(encoding="utf-8"))["notes"])


def write_patient_apart(job: PatientJob, seconds: float, *, masked: bool = True) -> None:
    """Run :func:`write_patient` in the process started for it, with a memory limit.

    Args:
        job: what to write.
        seconds: longest time in seconds that pydicom may take for one file, or one part of it.
        masked: False to write PET and CT alone, of a patient in whom no tumour needs to be drawn.

    Raises:
        ImageError: the patient cannot be read, or files cannot be read or written.
    """
    limit_seconds(seconds)
    try:
        with limited_memory(job.memory()):
            if masked:
                write_patient(job)
            else:
                write_images(job)
    except OSError as error:
        what = f"Files could not be read or written ({error.strerror})."
        raise ImageError(what, "Free disk space or fix the file access, and run the command again.") from error


def write_patient(job: PatientJob) -> None:
    """Read a patient and write PET (float32, SUV), CT (int16, HU), mask (0 and the number of each structure), a montage
    and the record.

    Raises:
        ImageError: the patient cannot be read; no files of the patient remain.
    """
    job.record.unlink(missing_ok=True)
    for kind in ("PET", "CT", "mask"):
        job.image(kind).unlink(missing_ok=True)
    found = read_patient(job.series, job.request)
    (job.cohort / IMAGES).mkdir(parents=True, exist_ok=True)
    job.record.parent.mkdir(exist_ok=True)
    picture_of(job.cohort, job.pseudonym).parent.mkdir(exist_ok=True)
    written = [_write(job, "PET", found.pet.voxels, found.pet.grid)]
    mask_on = found.pet
    if found.ct is not None:
        written.append(_write(job, "CT", found.ct.voxels, found.ct.grid))
        mask_on = found.ct if found.mask_on == "ct" else found.pet
    written.append(_write(job, "mask", found.labels, mask_on.grid))
    write_bytes(picture_of(job.cohort, job.pseudonym), montage(found, mask_on.grid))
    files = {name: asdict(state) for name, state in written}
    write_json(
        job.record, rounded(_record(found, job.request)) | {"id": job.pseudonym, "source": job.source(), "files": files}
    )


def write_images(job: PatientJob) -> None:
    """Read a patient and write PET (float32, SUV) and, if there is one, CT (int16, HU).

    Raises:
        ImageError: the patient cannot be read.
    """
    pet, ct = read_images(job.series, job.request)
    (job.cohort / IMAGES).mkdir(parents=True, exist_ok=True)
    _write(job, "PET", pet.voxels, pet.grid)
    if ct is not None:
        _write(job, "CT", ct.voxels, ct.grid)


def picture_of(cohort: Path, pseudonym: str) -> Path:
    """Return the path of a patient's picture."""
    return cohort / PICTURES / f"{pseudonym}.jpg"


def read_records(cohort: Path) -> dict[str, dict[str, Any]]:
    """Return the records of a cohort by pseudonym; unreadable ones are left out."""
    records = {}
    for path in sorted((cohort / RECORDS).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            _states(record)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        records[path.stem] = record
    return records


def states_of(records: Mapping[str, dict[str, Any]]) -> dict[str, FileState]:
    """Return the states of all image files listed in records, by path in the cohort."""
    return {name: state for record in records.values() for name, state in _states(record).items()}


def _pixels(series: Series) -> int:
    """Return the number of pixels that a series declares, or that its grids need if that is more, as with a tilted
    gantry or irregular slice distances.
    """
    declared = sum(i.size[0] * i.size[1] * i.frames for i in series.instances)
    if series.modality in STRUCTURES:
        return declared
    try:
        return max(declared, sum(math.prod(stack_of(volume).grid.shape) for volume in volumes_of(series)))
    except ImageError:  # an unreadable series matters only if it is chosen
        return declared


def _states(record: dict[str, Any]) -> dict[str, FileState]:
    return {name: FileState(**state) for name, state in record["files"].items()}


def _write(job: PatientJob, kind: str, voxels: NDArray[Any], grid: Grid) -> tuple[str, FileState]:
    content = nifti_bytes(voxels, grid.affine)
    path = job.image(kind)
    write_bytes(path, content)
    return path.relative_to(job.cohort).as_posix(), FileState.of(content)


def _record(found: PatientImages, request: Request) -> dict[str, Any]:
    """Return a record of how a patient's files were made. Descriptions, UIDs and names of regions are left out, because
    they may name the patient; regions are listed by the user's own patterns.
    """
    images = {"pet": found.pet} if found.ct is None else {"pet": found.pet, "ct": found.ct}
    suv = asdict(found.suv)
    lowest, highest = min(suv["factors"]), max(suv["factors"])
    suv |= {"factors": [lowest] if lowest == highest else [lowest, highest]}
    suv |= {"delay_s": sorted({*suv["delay_s"]})}
    grid = images[found.mask_on].grid
    voxels = int(np.count_nonzero(found.mask.voxels))
    ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000
    structures = {
        name: {"label": number, "ml": int(np.count_nonzero(found.labels == number)) * ml}
        for name, number in request.regions.structures
    }
    return {
        **{
            name: {
                **_choice_record(image.choice),
                "shape": list(image.grid.shape),
                "spacing_mm": [float(mm) for mm in np.linalg.norm(image.grid.affine[:3, :3], axis=0)],
                "range": [float(image.voxels.min()), float(image.voxels.max())],
            }
            for name, image in images.items()
        },
        "suv": suv,
        "mask": {
            **_choice_record(found.structures),
            "on": found.mask_on,
            "regions": list(asked_for(found.regions, request.regions)),
            "voxels": voxels,
            "ml": voxels * ml,
            **({"structures": structures} if structures else {}),
        },
        "notes": list(found.notes),
    }


def _choice_record(choice: Choice) -> dict[str, Any]:
    return {"series": choice.series.name, "why": choice.reason, "others": len(choice.others)}
