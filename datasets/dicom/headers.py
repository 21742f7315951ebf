"""DICOM headers, read without trust: large values and pixels stay on the disk, and odd values are no exceptions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from survbench.datasets.readers.errors import ImageError

# Values that break DICOM's rules are read as far as they can be; pydicom would log them, and with them the patient.
config.settings.reading_validation_mode = config.IGNORE

_MARK_AT, _MARK = 128, b"DICM"
_LARGE_VALUE = "1 MB"
"""Values of more bytes are read only when they are asked for."""


def is_dicom(path: Path) -> bool:
    """Say whether a file has DICOM's mark after its preamble."""
    with path.open("rb") as stream:
        return stream.read(_MARK_AT + len(_MARK))[_MARK_AT:] == _MARK


def read_header(path: Path, keywords: Sequence[str] | None = None) -> Dataset:
    """Return the header of a file, without its pixels.

    Args:
        path: a DICOM file.
        keywords: the attributes to read, by DICOM keyword; None for all.

    Raises:
        ImageError: the file cannot be read as DICOM. The message holds no value of the file.
    """
    tags: list[Any] | None = None if keywords is None else list(keywords)
    return _read(path, stop_before_pixels=True, defer_size=_LARGE_VALUE, specific_tags=tags)


def read_whole(path: Path) -> Dataset:
    """Return a file with its pixels, still as they are stored.

    Raises:
        ImageError: the file cannot be read as DICOM.
    """
    return _read(path)


def _read(path: Path, **options: Any) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they hold values, too
        try:
            return dcmread(path, **options)
        except (InvalidDicomError, EOFError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError,
                MemoryError, OverflowError, RecursionError) as error:  # fmt: skip
            what = f"A DICOM file is damaged ({type(error).__name__})."
            raise ImageError(what, "Copy or export it again.") from error


def text(header: Dataset, keyword: str) -> str:
    """Return a value as text without outer white space; "" where it is missing."""
    values = texts(header, keyword)
    return "\\".join(values)


def texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an attribute as text; none where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = header.get(keyword)
        except (ValueError, TypeError, NotImplementedError, OverflowError):
            return ()
    if value is None or value == "":
        return ()
    several = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return tuple(str(one).strip("\0 ") for one in several)


def number(header: Dataset, keyword: str) -> float | None:
    """Return the number that an attribute holds; None where it is missing or is not one finite number."""
    values = numbers(header, keyword, 1)
    return None if values is None else values[0]


def numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return the ``count`` numbers of an attribute; None where there are not so many finite ones."""
    try:
        values = tuple(float(value) for value in texts(header, keyword))
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def items(header: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence; none where it is missing."""
    value = header.get(keyword)
    return () if value is None else tuple(value)


def private_text(header: Dataset, group: int, creator: str, element: int) -> str:
    """Return a private value as text, wherever its creator has reserved a block; "" where there is none.

    Args:
        header: of a file.
        group: an odd group number.
        creator: the private creator, compared without regard to case.
        element: the last two hexadecimal digits of the element's number.
    """
    for block in range(0x10, 0x100):
        owner = header.get((group, block))
        if owner is not None and str(owner.value).strip().casefold() == creator.casefold():
            return raw_text(header, group, block << 8 | element)
    return ""


def raw_text(header: Dataset, group: int, element: int) -> str:
    """Return the value of an attribute that is named by its number as text, also where its type is not known."""
    found = header.get((group, element))
    if found is None or found.value is None:
        return ""
    value = found.value
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")
