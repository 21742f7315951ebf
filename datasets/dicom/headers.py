"""Read DICOM headers without trusting them: large values and pixels stay on disk; odd values raise no exceptions."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from survbench.datasets.readers.errors import ImageError
from survbench.io.limits import killed_after

# Values that break DICOM's rules are read as far as possible; pydicom would log them, and with them patient data.
config.settings.reading_validation_mode = config.IGNORE

_MARK_AT, _MARK = 128, b"DICM"
_BARE = re.compile(rb"\x02\0[\0-\x02]\0(UL|OB|UI)|\x08\0[\0-\x18]\0(UL|CS|SH|UI|DA|TM|[\0-\xff]\0\0\0)", re.DOTALL)
"""Start of a file that was written without a preamble, as in old archives: an element of group 0002 with explicit type,
or an element of group 0008 with explicit type or a short length.
"""
_START = 1024
"""Number of bytes that contain DICOM's mark and the file's transfer syntax."""
_DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax that pydicom unpacks, whatever its size, before anything can be checked."""
_LARGE_VALUE = "1 MB"
"""Values larger than this are read only on request."""
_seconds: float | None = None


def limit_seconds(seconds: float) -> None:
    """Limit each of pydicom's operations in this process to this time in seconds; beyond it, the process is killed."""
    global _seconds  # noqa: PLW0603  # a limit of the process, like the kernel's limits
    _seconds = seconds


def is_dicom(path: Path) -> bool:
    """Return whether a file has DICOM's mark after its preamble, or begins like a file without preamble."""
    return is_marked(path) or _BARE.match(_start(path)) is not None


def is_marked(path: Path) -> bool:
    """Return whether a file has DICOM's mark after its preamble."""
    return _start(path)[_MARK_AT:].startswith(_MARK)


@contextmanager
def damage_named(what: str, remedy: str = "Copy or export it again.") -> Iterator[None]:
    """Turn any error that pydicom raises inside into an :class:`ImageError`, except for errors of the machine and lack
    of memory. After :func:`limit_seconds`, the process is killed if pydicom takes longer.

    Args:
        what: the sentence that says what cannot be read.
        remedy: what to do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings contain header values
        try:
            with nullcontext() if _seconds is None else killed_after(_seconds):
                yield
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # damaged files make pydicom raise a dozen kinds of exceptions
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ImageError(what, remedy) from error


def read_header(path: Path, keywords: Sequence[str] | None = None) -> Dataset:
    """Return the header of a file, without its pixels.

    Args:
        path: a DICOM file.
        keywords: the attributes to read, by DICOM keyword; None for all.

    Raises:
        ImageError: the file cannot be read as DICOM. The message contains no values from the file.
    """
    tags: list[Any] | None = None if keywords is None else list(keywords)
    return _read(path, stop_before_pixels=True, defer_size=_LARGE_VALUE, specific_tags=tags)


def read_whole(path: Path) -> Dataset:
    """Return a file's dataset with its pixels, still encoded.

    Raises:
        ImageError: the file cannot be read as DICOM.
    """
    return _read(path)


def _read(path: Path, **options: Any) -> Dataset:
    if _DEFLATED in _start(path):
        raise ImageError("A DICOM file is deflated as a whole, which is not supported.", "Export it uncompressed.")
    with damage_named("A DICOM file is damaged."):
        header = dcmread(path, force=True, **options)
        if "TransferSyntaxUID" not in header.file_meta:
            implicit, little = header.original_encoding
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
        return header


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_START)


def text(header: Dataset, keyword: str) -> str:
    """Return a value as text without outer white space; "" if it is missing."""
    values = texts(header, keyword)
    return "\\".join(values)


def texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the values of an attribute as text; empty if it is missing or damaged."""
    try:
        with damage_named(f"{keyword} cannot be read."):
            value = header.get(keyword)
    except ImageError:
        return ()
    if value is None or value == "":
        return ()
    several = value if isinstance(value, (list, tuple, MultiValue)) else [value]
    return tuple(str(one).strip("\0 ") for one in several)


def number(header: Dataset, keyword: str) -> float | None:
    """Return the number in an attribute; None if it is missing or is not exactly one finite number."""
    values = numbers(header, keyword, 1)
    return None if values is None else values[0]


def numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return the ``count`` numbers in an attribute; None if there are not exactly ``count`` finite numbers."""
    try:
        values = tuple(float(value) for value in texts(header, keyword))
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def items(header: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence; empty if it is missing.

    Raises:
        ImageError: the sequence is damaged.
    """
    with damage_named(f"{keyword} is damaged."):
        value = header.get(keyword)
        return () if value is None else tuple(value)


def private_text(header: Dataset, group: int, creator: str, element: int) -> str:
    """Return a private value as text, in whatever block its creator has reserved; "" if there is none.

    Args:
        header: a file's header.
        group: an odd group number.
        creator: the private creator, compared without regard to case.
        element: the last two hexadecimal digits of the element's number.
    """
    for block in range(0x10, 0x100):
        if raw_text(header, group, block).casefold() == creator.casefold():
            return raw_text(header, group, block << 8 | element)
    return ""


def raw_text(header: Dataset, group: int, element: int) -> str:
    """Return the value of an attribute, given by its number, as text, even if its type is unknown; "" if the attribute
    is missing or damaged.
    """
    try:
        with damage_named("A private value cannot be read."):
            found = header.get((group, element))
    except ImageError:
        return ""
    value = None if found is None else found.value
    if value is None:
        return ""
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")


def packing_of(header: Dataset) -> str:
    """Return the name of the method by which a file's pixels are compressed; "" if they are not compressed.

    Raises:
        ImageError: the transfer syntax is missing or invalid.
    """
    with damage_named("A DICOM file does not state its transfer syntax."):
        syntax = header.file_meta.TransferSyntaxUID
        return syntax.name if syntax.is_compressed else ""
