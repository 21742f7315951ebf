"""Find the series in a folder by the headers alone; names of files and folders mean nothing."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from pydicom.dataset import Dataset
from survbench.datasets.dicom.headers import is_dicom, is_marked, items, numbers, read_header, text, texts
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, which lists the files of a disc; the files themselves are read instead."""
SPLIT_BY = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "FrameReferenceTime",
    "AcquisitionTime",
)
"""Attributes that may distinguish images in the same place: acquisitions, times of a dynamic scan, gates."""
_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID"),
    *("Modality", "SeriesNumber", "SeriesDescription", "ImageType", "CorrectedImage", "SpecificCharacterSet"),
    "InstanceNumber",
    *("Rows", "Columns", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("ReferencedFrameOfReferenceSequence", "ReferencedSeriesSequence"),
    *SPLIT_BY,
)
_NEEDED = ("SOPInstanceUID", "SeriesInstanceUID", "Modality")
_REFERS = ("RTSTRUCT", "SEG")


@dataclass(frozen=True, slots=True)
class Instance:
    """One file of a series.

    Attributes:
        path: the file.
        uid: its SOP instance UID.
        size: numbers of rows and columns.
        frames: number of images in the file.
        position: centre of the first pixel, mm (LPS); None if missing.
        orientation: direction of the rows, then of the columns; None if missing.
        spacing: mm between rows, then between columns; None if missing.
        scout: whether it is a planning overview instead of a slice of the volume.
        marks: the values of :data:`SPLIT_BY`.
        number: InstanceNumber; NaN if missing.
    """

    path: Path
    uid: str
    size: tuple[int, int]
    frames: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    scout: bool
    marks: tuple[str, ...]
    number: float = math.nan


@dataclass(frozen=True, slots=True)
class Series:
    """A series, or one of several volumes in a series.

    Attributes:
        patient: PatientID as in the files.
        study, uid, frame: UIDs of study, series and frame of reference ("" if missing).
        modality: ``CT``, ``PT``, ``RTSTRUCT``, ``SEG`` or another.
        number, description: as shown in the scanner's list.
        corrected: the corrections applied to a PET, such as ``ATTN``.
        refers: UIDs of the series on which an RTSTRUCT or SEG was drawn.
        instances: the files, each SOP instance once.
        part: 0 for a whole series, otherwise the number of the volume in the series.
        copies: number of files left out because they repeat an instance.
    """

    patient: str
    study: str
    uid: str
    frame: str
    modality: str
    number: str
    description: str
    corrected: tuple[str, ...]
    refers: tuple[str, ...]
    instances: tuple[Instance, ...]
    part: int = 0
    copies: int = 0

    @property
    def name(self) -> str:
        """The name used in overrides: its number, and the part if the series has several volumes."""
        return f"{self.number or '?'}{f'.{self.part}' if self.part else ''}"

    @property
    def label(self) -> str:
        """The series in words."""
        described = f" {self.description!r}" if self.description else ""
        return f"{self.modality} series {self.name}{described} ({things(len(self.instances), 'file')})"


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a folder.

    Attributes:
        series: all series, by patient, study, number and UID.
        others: number of files that are not DICOM.
        directories: number of DICOMDIR files skipped.
        unreadable: DICOM files that are damaged, or end before they say what they are; empty files; files and folders
            that the current user may not read.
    """

    series: tuple[Series, ...]
    others: int
    directories: int
    unreadable: tuple[Path, ...]

    def by_patient(self) -> Mapping[str, tuple[Series, ...]]:
        """Return the series of each patient, by PatientID."""
        patients: dict[str, list[Series]] = {}
        for one in self.series:
            patients.setdefault(one.patient, []).append(one)
        return {patient: tuple(found) for patient, found in patients.items()}


class Skipped(StrEnum):
    """A file that belongs to no series, and why."""

    OTHER = "not DICOM"
    DIRECTORY = "a DICOMDIR"
    UNREADABLE = "cannot be read"


@dataclass(slots=True)
class _Collected:
    series: Series
    instances: dict[str, Instance] = field(default_factory=dict)
    copies: int = 0


def read_instance(path: Path) -> Series | Skipped:
    """Return a file's series with the file as its only instance, or why it belongs to none. Pixels are not read.

    Raises:
        OSError: an error of the machine, such as a disk that has gone.
    """
    try:
        if not path.stat().st_size:
            return Skipped.UNREADABLE
        if not is_dicom(path):
            return Skipped.OTHER
        marked = is_marked(path)
        header = read_header(path, _KEYWORDS)
        if text(header.file_meta, "MediaStorageSOPClassUID") == DIRECTORY:
            return Skipped.DIRECTORY
        if not all(text(header, keyword) for keyword in _NEEDED):
            return Skipped.UNREADABLE if marked else Skipped.OTHER
        return _series(path, header)
    except (ImageError, PermissionError):
        return Skipped.UNREADABLE


def in_this_process(paths: Sequence[Path]) -> Iterator[Series | Skipped]:
    """Read files one after another, without limits."""
    return map(read_instance, paths)


def find_series(
    *folders: Path, read: Callable[[Sequence[Path]], Iterable[Series | Skipped]] = in_this_process
) -> Contents:
    """Return the series in folders and in all folders below them.

    Args:
        folders: where to look.
        read: returns the result of :func:`read_instance` for each file.
    """
    collected: dict[tuple[str, str, str], _Collected] = {}
    passed: Counter[Skipped] = Counter()
    unreadable: list[Path] = []
    paths = [path for folder in folders for path in _files(folder, unreadable)]
    for path, one in zip(paths, read(paths), strict=True):
        if isinstance(one, Skipped):
            passed[one] += 1
            unreadable += [path] if one == Skipped.UNREADABLE else []
            continue
        series = collected.setdefault((one.patient, one.study, one.uid), _Collected(one))
        (instance,) = one.instances
        if instance.uid in series.instances:
            series.copies += 1
        else:
            series.instances[instance.uid] = instance
    found = [
        replace(one.series, instances=tuple(one.instances.values()), copies=one.copies) for one in collected.values()
    ]
    ordered = sorted(found, key=lambda s: (s.patient, s.study, _as_number(s.number), s.uid))
    return Contents(tuple(ordered), passed[Skipped.OTHER], passed[Skipped.DIRECTORY], tuple(unreadable))


def volumes_of(series: Series) -> tuple[Series, ...]:
    """Return the volumes in an image series: usually one, the series itself without its scouts.

    Slices that differ in orientation, size or spacing are different volumes. If several slices are in the same place,
    they are separated by the first of :data:`SPLIT_BY` that leaves each place once in each volume. If none does, the
    series stays one, and the check of its geometry names the duplicated slices.
    """
    slices = [i for i in series.instances if not i.scout] or list(series.instances)
    groups: dict[tuple[object, ...], list[Instance]] = {}
    for one in slices:
        groups.setdefault((_rounded(one.orientation), one.size, _rounded(one.spacing)), []).append(one)
    volumes = [volume for group in groups.values() for volume in _separated(group)]
    if len(volumes) == 1:
        return (replace(series, instances=tuple(volumes[0])),)
    return tuple(replace(series, instances=tuple(volume), part=n) for n, volume in enumerate(volumes, start=1))


def _separated(slices: Sequence[Instance]) -> list[list[Instance]]:
    if not _repeated(slices):
        return [list(slices)]
    for mark in range(len(SPLIT_BY)):
        volumes: dict[str, list[Instance]] = {}
        for one in slices:
            volumes.setdefault(one.marks[mark], []).append(one)
        if len(volumes) > 1 and not any(_repeated(v) or len(v) < 2 for v in volumes.values()):
            return [volumes[value] for value in sorted(volumes, key=_as_number)]
    return [list(slices)]


def _repeated(slices: Sequence[Instance]) -> bool:
    places = Counter(_rounded(one.position, 2) for one in slices)
    return max(places.values()) > 1


def _files(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    """Yield the files below a folder; folders that cannot be listed are added to ``unreadable``."""
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path


def _instance(path: Path, header: Dataset) -> Instance:
    size = numbers(header, "Rows", 1), numbers(header, "Columns", 1)
    frames = numbers(header, "NumberOfFrames", 1)
    return Instance(
        path=path,
        uid=text(header, "SOPInstanceUID"),
        size=(int(size[0][0]) if size[0] else 0, int(size[1][0]) if size[1] else 0),
        frames=int(frames[0]) if frames else 1,
        position=numbers(header, "ImagePositionPatient", 3),
        orientation=numbers(header, "ImageOrientationPatient", 6),
        spacing=numbers(header, "PixelSpacing", 2),
        scout="LOCALIZER" in texts(header, "ImageType"),
        marks=tuple(text(header, keyword) for keyword in SPLIT_BY),
        number=(numbers(header, "InstanceNumber", 1) or (math.nan,))[0],
    )


def _series(path: Path, header: Dataset) -> Series:
    return Series(
        patient=text(header, "PatientID"),
        study=text(header, "StudyInstanceUID"),
        uid=text(header, "SeriesInstanceUID"),
        frame=_frame_of(header),
        modality=text(header, "Modality"),
        number=text(header, "SeriesNumber"),
        description=text(header, "SeriesDescription"),
        corrected=texts(header, "CorrectedImage"),
        refers=tuple(_referred_to(header)),
        instances=(_instance(path, header),),
    )


def _frame_of(header: Dataset) -> str:
    """Return the frame of reference; for a structure set without one, that of the image on which it was drawn."""
    referred = items(header, "ReferencedFrameOfReferenceSequence")
    return text(header, "FrameOfReferenceUID") or (text(referred[0], "FrameOfReferenceUID") if referred else "")


def _referred_to(header: Dataset) -> Iterator[str]:
    if text(header, "Modality") not in _REFERS:
        return
    for frame in items(header, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                yield text(series, "SeriesInstanceUID")
    for series in items(header, "ReferencedSeriesSequence"):
        yield text(series, "SeriesInstanceUID")


def _rounded(values: tuple[float, ...] | None, digits: int = 3) -> tuple[float, ...] | None:
    return None if values is None else tuple(round(value, digits) + 0.0 for value in values)


def _as_number(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value
