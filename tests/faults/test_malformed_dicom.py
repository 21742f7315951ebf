"""Row 18: DICOM files that make their reader hang, eat memory or fail cost their patient, and are noticed soon."""

from __future__ import annotations

import re
import struct
import time

import numpy as np
import pytest
from dicom_files import CLASSES, write_image, write_patient
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from survbench.actions import foreign, ingest
from survbench.datasets.dicom.patient import Request
from survbench.datasets.ingest import patient_files
from survbench.datasets.ingest.pseudonyms import by_key, pseudonym

pytestmark = pytest.mark.faults

KEY = bytes(32)
UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)


def dicom(path, body):
    """Write a DICOM file that goes on, after a good start, with these bytes."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = CLASSES["CT"], "1.2.3.4"
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = CLASSES["CT"]
    header.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes() + body)


def sequence(group, element, items):
    """Return a sequence of a given length."""
    return struct.pack("<HH2sHI", group, element, b"SQ", 0, len(items)) + items


def ended(tmp_path):
    """Ingest, and return what came of it; the parent lives and is told within seconds."""
    start = time.monotonic()
    done = ingest.ingest(tmp_path / "dicom", tmp_path / "cohort", request=Request(), naming=by_key(KEY), workers=2)
    assert time.monotonic() - start < 90  # of safety: processes have to start on a busy machine
    return done


BOMBS = {
    "hangs": struct.pack("<HH2sH", 0x0009, 0x1001, b"LO", 0) * 6_000_000,
    "eats memory": sequence(0x3006, 0x0010, ITEM * 3_000_000),
    "nests": (
        struct.pack("<HH2sHI", 0x3006, 0x0010, b"SQ", 0, UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
    )
    * 50_000,
    "declares 4 GB": struct.pack("<HH2sHI", 0x0008, 0x1140, b"UN", 0, 0xFFFFFFF0),
    "is noise": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_row_18_a_header_that_cannot_be_read_costs_its_file_and_nothing_else(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(foreign, "HEADER_S", 2.0)
    monkeypatch.setattr(foreign, "HEADER_BYTES", 2**28)
    write_patient(tmp_path / "dicom", "HN-7001")
    dicom(tmp_path / "dicom/a", BOMBS[kind])
    dicom(tmp_path / "dicom/z", BOMBS[kind])
    done = ended(tmp_path)
    assert done.written == (pseudonym("HN-7001", KEY),)
    assert [path.name for path in done.contents.unreadable] == ["a", "z"]


def test_row_18_a_header_is_given_up_within_ten_seconds():
    assert foreign.HEADER_S < 10
    assert ingest.FILE_S < 10


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"FILE_S": 0.5}, "took longer than"),
        # pydicom tries a value in other ways where memory is short, and may do so until its time is up
        (
            {"FILE_S": 8.0, "_BASE_BYTES": 2**27, "_BYTES_PER_PIXEL": 0, "_BYTES_PER_BYTE": 0},
            "more memory than|took longer than",
        ),
    ],
    ids=["time", "memory"],
)
def test_row_18_what_shows_when_a_patient_is_read_costs_the_patient(tmp_path, monkeypatch, limits, said):
    """Contours are not looked at when files are sorted into series."""
    for name, value in limits.items():
        monkeypatch.setattr(ingest if name == "FILE_S" else patient_files, name, value)
    write_patient(tmp_path / "dicom", "HN-7001")
    write_patient(tmp_path / "dicom", "HN-7002")
    with (tmp_path / "dicom/Quillfeather 7002/rs").open("ab") as stream:
        stream.write(sequence(0x3006, 0x0039, ITEM * 1_000_000))
    done = ended(tmp_path)
    assert done.written == (pseudonym("HN-7001", KEY),)
    assert [*done.failed] == ["HN-7002"]
    assert re.search(said, done.failed["HN-7002"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Rows": 65535, "Columns": 65535}, "at most"),
        ({"BitsAllocated": 64}, "truncated"),
        ({"NumberOfFrames": 2**31 - 1}, "several images"),
    ],
    ids=["grid", "bits", "frames"],
)
def test_row_18_pixels_that_a_header_only_declares_are_not_allocated(tmp_path, change, said):
    write_patient(tmp_path / "dicom", "HN-7001")
    write_patient(tmp_path / "dicom", "HN-7002")
    for path in (tmp_path / "dicom/Quillfeather 7002/pet").iterdir():
        header = dcmread(path)
        for keyword, value in change.items():
            setattr(header, keyword, value)
        header.save_as(path)
    done = ended(tmp_path)
    assert done.written == (pseudonym("HN-7001", KEY),)
    assert said in done.failed["HN-7002"]


def test_row_18_memory_for_a_patient_follows_what_the_headers_declare(tmp_path):
    from survbench.datasets.dicom.series import find_series

    write_patient(tmp_path / "dicom", "HN-7001")
    series = find_series(tmp_path / "dicom").series
    job = patient_files.PatientJob("P", series, Request(), tmp_path)
    small = job.memory()
    for path in (tmp_path / "dicom/Quillfeather 7001/ct").iterdir():
        header = dcmread(path)
        header.Rows = header.Columns = 512
        header.save_as(path)
    larger = patient_files.PatientJob("P", find_series(tmp_path / "dicom").series, Request(), tmp_path).memory()
    assert larger - small == 16 * 8 * (512 * 512 - 12 * 10)


def test_row_18_memory_for_slices_that_are_resampled_follows_their_grid(tmp_path):
    from survbench.datasets.dicom.series import find_series

    voxels = np.zeros((64, 64, 20), np.int16)
    write_image(tmp_path / "straight", "CT", voxels, spacing=(1, 1, 5))
    write_image(tmp_path / "tilted", "CT", voxels, spacing=(1, 1, 5), step=(0, 3, 5))
    memory = [
        patient_files.PatientJob("P", find_series(tmp_path / name).series, Request(), tmp_path).memory()
        for name in ("straight", "tilted")
    ]
    assert memory[1] - memory[0] == 16 * 64 * 20 * 57  # 19 slices on, the last one lies 57 rows aside
