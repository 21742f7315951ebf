"""Recognise a file that is not the NIfTI image its name promises by its first bytes, and say what to do."""

from __future__ import annotations

from typing import NamedTuple

NEEDED_BYTES = 540
"""Bytes needed to recognise a file: the length of the longest NIfTI header."""
GZIP = b"\x1f\x8b"


class Kind(NamedTuple):
    """What a file is (to follow "it is"), and what to do."""

    name: str
    remedy: str


_CONVERT = "Convert it to NIfTI, for example with SimpleITK or 3D Slicer."
_UNPACK = "Unpack it and provide the image inside as .nii or .nii.gz."
_ANALYZE = Kind("an ANALYZE header, whose orientation is not defined", "Convert it to NIfTI.")
_MARKS = (
    (0, b"version https://git-lfs", Kind("a Git LFS pointer, not the image itself", "Run 'git lfs pull'.")),
    (0, b"/annex/objects/", Kind("a git-annex pointer, not the image itself", "Run 'git annex get'.")),
    (0, b"NRRD", Kind("an NRRD file", _CONVERT)),
    (0, b"PK\x03\x04", Kind("a zip archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (0, b"Rar!", Kind("a RAR archive", _UNPACK)),
    (0, b"BZh", Kind("packed with bzip2, not with gzip", _UNPACK)),
    (0, b"\xfd7zXZ\0", Kind("packed with xz, not with gzip", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("packed with zstd, not with gzip", _UNPACK)),
    (0, b"\x89HDF", Kind("an HDF5 file (MINC 2 or another)", _CONVERT)),
    (0, b"CDF", Kind("a MINC file", _CONVERT)),
    (0, b"\x93NUMPY", Kind("a NumPy array, which has no position in space", "Save it as NIfTI with its affine.")),
    (0, b"\x89PNG", Kind("a PNG picture", "Provide the 3-D image itself.")),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture", "Provide the 3-D image itself.")),
    (0, b"II*\0", Kind("a TIFF file", _CONVERT)),
    (0, b"MM\0*", Kind("a TIFF file", _CONVERT)),
    (0, b"%PDF", Kind("a PDF", "Provide the image itself.")),
    (128, b"DICM", Kind("a DICOM file", "Read its folder with 'bench cohort ingest'.")),
    (257, b"ustar", Kind("a tar archive", _UNPACK)),
    (0, b"\x5c\x01\0\0", _ANALYZE),
    (0, b"\0\0\x01\x5c", _ANALYZE),
)
"""Offset, the bytes found there, and what such a file is. An ANALYZE header begins with its own size, 348, in either
byte order, as a NIfTI header does; but it has no magic number.
"""
_META_IMAGE = (b"ObjectType", b"NDims", b"DimSize")


def is_nifti(block: bytes) -> bool:
    """Return whether a file begins with a NIfTI header, for a single file or for a header-image pair."""
    return block[344:348] in {b"n+1\0", b"ni1\0"} or block[4:8] in {b"n+2\0", b"ni2\0"}


def kind_of(block: bytes) -> Kind | None:
    """Return what a file that begins with these bytes is if it is not NIfTI, or None if the bytes do not say."""
    for position, mark, kind in _MARKS:
        if block[position:].startswith(mark):
            return kind
    if not any(block):
        empty = "nothing but zeros, as after an interrupted copy" if block else "empty"
        return Kind(empty, "Copy or export it again.")
    return _kind_of_text(block)


def _kind_of_text(block: bytes) -> Kind | None:
    start = block.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] == b"<" and any(word in start.lower() for word in (b"<html", b"<!doctype html", b"<head")):
        return Kind("a web page: the download failed or needs a login", "Download the file again.")
    if any(start.startswith(word) for word in _META_IMAGE):
        return Kind("a MetaImage file (.mha, .mhd)", _CONVERT)
    if all(byte in b"\t\r\n" or byte >= 32 for byte in block):
        try:
            text = block.decode("utf-8", errors="strict" if len(block) < NEEDED_BYTES else "ignore")
        except UnicodeDecodeError:
            return None
        return Kind(f"text ({text[:30].strip()!r})", "Copy or export the image again.")
    return None
