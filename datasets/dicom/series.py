"""The series in a folder, by what the headers say: names of files and folders mean nothing."""

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
"""SOP class of a DICOMDIR, which lists the files of a disc; the files themselves are looked at instead."""
SPLIT_BY = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "FrameReferenceTime",
    "AcquisitionTime",
)
"""What may tell images of one place apart: acquisitions, times of a dynamic scan, gates."""
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
        size: rows and columns.
        frames: images in the file.
        position: centre of the first pixel, mm (LPS); None where the header has none.
        orientation: direction of the rows, then of the columns; None where the header has none.
        spacing: mm between rows, then between columns; None where the header has none.
        scout: a planning overview, not a slice of the volume.
        marks: the values of :data:`SPLIT_BY`.
        number: InstanceNumber; NaN where the header has none.
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
    """A series, or one of the volumes that lie in a series.

    Attributes:
        patient: PatientID, as the files have it.
        study, uid, frame: UIDs of study, series and frame of reference ("" where the header has none).
        modality: ``CT``, ``PT``, ``RTSTRUCT``, ``SEG`` or another.
        number, description: as the scanner's list shows them.
        corrected: what a PET is corrected for, such as ``ATTN``.
        refers: UIDs of the series that an RTSTRUCT or SEG was drawn on.
        instances: the files, each SOP instance once.
        part: 0 for a whole series, else which of its volumes this is.
        copies: files left out because they hold an instance that is already there.
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
        """What overrides call it: its number, and the part where a series holds several volumes."""
        return f"{self.number or '?'}{f'.{self.part}' if self.part else ''}"

    @property
    def label(self) -> str:
        """The series in words."""
        described = f" {self.description!r}" if self.description else ""
        return f"{self.modality} series {self.name}{described} ({things(len(self.instances), 'file')})"


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder.

    Attributes:
        series: all series, by patient, study, number and UID.
        others: how many files are not DICOM.
        directories: how many DICOMDIR files were passed over.
        unreadable: DICOM files that are damaged, or end before they say what they are; files without content; files and
            folders that this user may not read.
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
    """Return the series of a file with the file as its only instance, or why it belongs to none. Pixels are not read.

    Raises:
        OSError: the machine's, such as a disk that is gone.
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
    """Read files one after the other, without limits."""
    return map(read_instance, paths)


def find_series(
    *folders: Path, read: Callable[[Sequence[Path]], Iterable[Series | Skipped]] = in_this_process
) -> Contents:
    """Return the series in folders and all folders below them.

    Args:
        folders: where to look.
        read: gives what :func:`read_instance` does, for each file.
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
    """Return the volumes that lie in a series of images: usually one, the series itself without its scouts.

    Slices of different orientation, size or spacing are different volumes. Where several slices lie in one place,
    they are told apart by the first of :data:`SPLIT_BY` that leaves every place once in each volume; where none does,
    the series stays one, and its geometry names the duplicated slices.
    """
    slices = [i for i in series.instances if not i.scout] or list(series.instances)
    groups: dict[tuple[object, ...], list[Instance]] = {}
    for one in slices:
        groups.setdefault((_rounded(one.orientation), one.size, _rounded(one.spacing)), []).append(one)
    volumes = [volume for group in groups.values() for volume in _apart(group)]
    if len(volumes) == 1:
        return (replace(series, instances=tuple(volumes[0])),)
    return tuple(replace(series, instances=tuple(volume), part=n) for n, volume in enumerate(volumes, start=1))


def _apart(slices: Sequence[Instance]) -> list[list[Instance]]:
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
    """Return the frame of reference; of a structure set without one, that of the image that it was drawn on."""
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
