"""Collect header values that may identify the patient. They are kept only in memory, to search for them in what is
written: see :mod:`survbench.datasets.ingest.leaks`.

All text counts, in standard and private attributes and in sequences: names, ids, dates, addresses, request numbers,
institutions, devices, UIDs, descriptions and comments. Left out are coded values (VR ``CS``, code sequences), numbers,
times of day, UIDs defined by DICOM itself, and region names, which a patient's record states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName
from survbench.datasets.dicom.headers import damage_named, limit_seconds, read_header
from survbench.datasets.readers.errors import ImageError

_TEXT = frozenset({"PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE", "UI", "DA", "DT"})
_PRIVATE = _TEXT | {"CS", "UN", "OB"}
"""VRs of private values that may be text; values of unknown type are bytes."""
_IDS = frozenset({"PatientID", "OtherPatientIDs", "PatientBirthDate", "AccessionNumber", "AdmissionID"})
"""Attributes that identify a person as a name does."""
_STATED = frozenset({"ROIName", "SegmentLabel"})
_CONTOURS = "ROIContourSequence"
"""Holds points and image UIDs, and is most of a structure set."""
_CREATORS = 0x100
"""Elements of a private group below this number name the program that created the group."""
_OF_DICOM = "1.2.840.10008."
_MOST_BYTES = 65536
"""Longer values are data, not text."""


@dataclass(frozen=True, slots=True)
class IdentifyingValue:
    """A value that may identify a person.

    Attributes:
        kind: what the value is, in words that may be printed.
        text: the value.
        person: whether it is a name, an id or a date of birth, which no file may contain whatever the user wants to
            keep.
    """

    kind: str
    text: str
    person: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a person's name, each of which may identify the person; an id has none."""
        if not self.person:
            return ()
        return tuple(part for part in re.split(r"[\^=,;\s]+", self.text) if part and not re.search(r"\d", part))


@dataclass(frozen=True, slots=True)
class Identity:
    """Values from a patient's headers.

    Attributes:
        values: values that may identify the patient.
        stated: region names, which are not secret.
    """

    values: frozenset[IdentifyingValue]
    stated: frozenset[str]


def identity_apart(paths: Iterable[Path], *, seconds: float) -> Identity:
    """Run :func:`identity_of` in the process started for it, which is killed if pydicom takes longer than ``seconds``
    for one file, or one part of it.
    """
    limit_seconds(seconds)
    return identity_of(paths)


def identity_of(paths: Iterable[Path]) -> Identity:
    """Return the identifying values in the headers of a patient's files and in the file names.

    Args:
        paths: the patient's files; unreadable files contribute nothing.
    """
    values: set[IdentifyingValue] = set()
    stated: set[str] = set()
    seen: set[tuple[int, bytes]] = set()
    for path in paths:
        try:
            header = read_header(path)
        except ImageError:
            continue
        for value in _values(header, seen):
            if value.kind in _STATED:
                stated.add(value.text)
            else:
                values.add(value)
    return Identity(frozenset(values), frozenset(stated))


def of_files(paths: Iterable[Path], source: Path) -> frozenset[IdentifyingValue]:
    """Return the names of files and of their folders below the source, and the words in these names."""
    below = {path.relative_to(source) if path.is_relative_to(source) else Path(path.name) for path in paths}
    parts = {part for path in below for part in path.parts}
    texts = {text for part in parts for text in (part, Path(part).stem, *re.split(r"[\W_]+", part))}
    return frozenset(IdentifyingValue("the name of a file or folder", text) for text in texts)


def _values(header: Dataset, seen: set[tuple[int, bytes]]) -> Iterator[IdentifyingValue]:
    """Yield the values of a header that have not been seen before."""
    if "CodeMeaning" in header:
        return
    for tag in tuple(header.keys()):  # iterating over the header itself would read all values
        try:
            with damage_named("A value cannot be read."):
                yield from _of_element(header, tag, seen)
        except ImageError:
            continue


def _of_element(header: Dataset, tag: BaseTag, seen: set[tuple[int, bytes]]) -> Iterator[IdentifyingValue]:
    keyword = keyword_for_tag(tag)
    if keyword == _CONTOURS:  # only coordinates, by the million, which accessing the element would already read
        return
    raw: Any = header.get_item(tag)
    vr = _vr(tag, raw)
    if vr == "SQ":
        for item in header[tag].value:
            yield from _values(item, seen)
        return
    if vr not in (_PRIVATE if tag.is_private else _TEXT) or (tag.is_private and tag.element < _CREATORS):
        return
    if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
        if len(raw.value) > _MOST_BYTES or (tag, raw.value) in seen:
            return
        seen.add((tag, raw.value))
    kind = "a private attribute" if tag.is_private else keyword or f"attribute {tag}"
    for text in _strings(header[tag].value):
        if text and not text.startswith(_OF_DICOM):
            yield IdentifyingValue(kind, text, person=vr == "PN" or keyword in _IDS)


def _vr(tag: BaseTag, raw: Any) -> str:
    if raw is not None and raw.VR is not None:
        return str(raw.VR)
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace").strip("\0 ")
        if text.isprintable():
            yield text
    elif isinstance(value, str | PersonName):
        yield str(value).strip("\0 ")
    elif isinstance(value, Iterable):
        for one in value:
            yield from _strings(one)
    elif value is not None:
        yield str(value).strip("\0 ")
