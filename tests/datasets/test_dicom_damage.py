"""Damaged DICOM files: an error in words, never another exception, and never a value of the header."""

import numpy as np
import pytest
from dicom_files import write_patient
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian
from survbench.datasets.dicom.patient import Request, read_patient
from survbench.datasets.dicom.series import find_series
from survbench.datasets.readers.errors import ImageError

TRIALS = 60


@pytest.mark.faults  # row 18
def test_files_with_flipped_or_missing_bytes_are_read_or_refused_in_words(tmp_path):
    write_patient(tmp_path)
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    whole = {path: path.read_bytes() for path in files}
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(TRIALS):
        hit = rng.choice(len(files), 2, replace=False)
        for path in (files[n] for n in hit):
            content = bytearray(whole[path])
            if rng.random() < 0.2:
                del content[rng.integers(132, len(content)) :]
            for place in rng.integers(132, min(len(content), 2500), 4) if len(content) > 132 else ():
                content[place] = rng.integers(0, 256)
            path.write_bytes(bytes(content))
        try:
            for series in find_series(tmp_path).by_patient().values():
                read_patient(series, Request())
        except ImageError as error:
            messages.append(str(error))
        for path in (files[n] for n in hit):
            path.write_bytes(whole[path])
    assert len(messages) > TRIALS / 2
    assert not any("Ada" in message or "1951" in message for message in messages)


def test_a_file_that_is_deflated_as_a_whole_is_not_unpacked(tmp_path):
    write_patient(tmp_path)
    path = next(p for p in tmp_path.rglob("*") if p.is_file())
    header = dcmread(path)
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path)
    assert find_series(tmp_path).unreadable == (path,)


def test_errors_of_the_machine_are_not_taken_for_damage(tmp_path, monkeypatch):
    write_patient(tmp_path)

    def gone(*_args, **_kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("survbench.datasets.dicom.headers.dcmread", gone)
    with pytest.raises(OSError, match="Input/output error"):
        find_series(tmp_path)
