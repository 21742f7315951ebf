"""Damaged DICOM files: an error in words, never another exception, and never a value of the header."""

import os
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_patient
from pydicom import dcmread
from pydicom.dataset import Dataset
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


@pytest.mark.parametrize("meta", [True, False], ids=["explicit, with group 0002", "implicit, without it"])
def test_files_without_a_preamble_are_read_as_those_with_one(tmp_path, meta):
    where = write_patient(tmp_path)
    (before,) = find_series(tmp_path).by_patient().values()
    expected = read_patient(before, Request())
    for path in [p for p in where.rglob("*") if p.is_file()]:
        if meta:
            path.write_bytes(path.read_bytes()[132:])
        else:
            header = dcmread(path)
            bare = Dataset({tag: header[tag] for tag in header.keys()})  # noqa: SIM118  # its values, not its keywords
            bare.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    contents = find_series(tmp_path)
    assert (contents.others, contents.unreadable) == (0, ())
    found = read_patient(*contents.by_patient().values(), Request())
    for image in ("pet", "ct", "mask"):
        assert (getattr(found, image).voxels == getattr(expected, image).voxels).all()


@pytest.mark.parametrize(
    "start", [b"\x08\0\x05\0CS\n\0ISO_IR 100", b"\x08\0\0\0UL\4\0", b"\x02\0\0\0UL\4\0\0\0\0\0text"]
)
def test_what_only_begins_like_dicom_without_a_preamble_is_another_file(tmp_path, start):
    (tmp_path / "a").write_bytes(start)
    contents = find_series(tmp_path)
    assert (contents.others, contents.unreadable) == (1, ())


def test_empty_files_and_what_the_user_may_not_read_are_named_and_stop_nothing(tmp_path, monkeypatch):
    where = write_patient(tmp_path)
    empty, closed, locked = where / "empty", where / "pet/0007.bin", where / "ct"
    empty.touch()
    real_open, real_scan = Path.open, os.scandir

    def opened(path, *args, **kwargs):
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **kwargs)

    def scanned(path):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real_scan(path)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "scandir", scanned)
    contents = find_series(tmp_path)
    assert set(contents.unreadable) == {empty, closed, locked}
    assert [len(one.instances) for one in contents.series if one.modality == "PT"] == [7]
