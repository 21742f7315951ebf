"""Read NIfTI files without trusting them: header and file size are checked against each other before allocation.

nibabel parses the header. The voxels are read here, because common readers silently load truncated or damaged files
and allocate whatever a header declares.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.readers.axis_order import AxisOrder, corners
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.file_kind import GZIP, NEEDED_BYTES, is_nifti, kind_of
from survbench.datasets.readers.intensities import ImageReading, read_intensities
from survbench.datasets.readers.labels import MaskReading, read_labels
from survbench.io.hashing import digest, file_digest
from survbench.volume import Modality, Volume

MAX_BYTES = 2**31
"""Largest size in bytes that an image may declare: 1024 x 1024 x 1024 voxels of 16 bits."""
MAX_DEFLATE_RATIO = 1032
"""Largest ratio that DEFLATE can reach (258 bytes in 2 bits); beyond it the header must be wrong."""
LARGE_BYTES, LARGE_RATIO = 2**28, 100
"""A file that unpacks to more than ``LARGE_BYTES`` at more than ``LARGE_RATIO`` is refused: zip bombs reach ratios of
200 to 1000. Masks of one tumour do, too, but as 8-bit integers even 512 x 512 x 1023 voxels stay below this size.
"""
TRAILING_BYTES = 4096
"""Largest padding in bytes that may follow the voxels."""
READING_VERSION = 1
"""Part of the fingerprint: raise it when the way a file's voxels are read changes."""
_LARGEST_OFFSET = 2**24
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
"""Errors caused by a file's content. Any other ``OSError`` is the machine's, such as a disk that has gone."""


@dataclass(frozen=True, slots=True)
class Header:
    """A NIfTI header, checked for plausibility.

    ``affine`` maps array indices to world millimetres (RAS+). ``oriented`` is False if the file states no orientation,
    so that nibabel's default was used. ``forms_apart_mm`` is the distance between the positions of the same corner by
    the sform (which is used) and the qform, 0 unless the file states both. ``axes`` are the directions of the voxel
    axes by sform and by qform. ``offset`` and ``bytes`` locate the voxels in the unpacked file.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    oriented: bool
    forms_apart_mm: float
    axes: tuple[str, str]
    dtype: np.dtype[Any]
    offset: int
    bytes: int
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class NiftiFile:
    """The loader of a file's volume: calling it returns the voxels; :meth:`read` also returns what the file stores.

    Attributes:
        path: the file.
        modality: determines how the numbers are read.
        labels: the numbers that mean tumour in a mask; None for any number above 0.
        order: how the array's axes are reordered; None to keep them as stored.
    """

    path: Path
    modality: Modality
    labels: tuple[int, ...] | None = None
    order: AxisOrder | None = None

    def __call__(self) -> NDArray[Any]:
        """Read the voxels."""
        return self.read().voxels

    def read(self) -> ImageReading | MaskReading:
        """Read the file.

        Raises:
            ImageError: see :func:`read_header`; also damaged data, and infinite voxels or NaN where there was a scan.
        """
        values = read_image(self.path)
        image = read_intensities(
            values if self.order is None else self.order.turn(values), self.modality, self.path.name
        )
        return read_labels(image.voxels, self.labels, image.absent) if self.modality == "MASK" else image

    def fingerprint(self) -> str:
        """Return a hash of the file's bytes and of everything that determines how they are read."""
        content = content_digest(self.path)
        # one label as a number: so it was before there could be several, and keys stay
        labels = self.labels[0] if self.labels is not None and len(self.labels) == 1 else self.labels
        return digest([content, READING_VERSION, self.modality, labels, self.order and self.order.axes])


def nifti_volume(path: Path, modality: Modality, *, labels: tuple[int, ...] | None = None) -> Volume:
    """Return a file as a lazy volume; ``labels`` are the numbers that mean tumour in a mask (None: any above 0).

    Raises:
        ImageError: the header or the file size is wrong. Damage to the voxels is detected when they are read.
    """
    header, file = read_header(path), NiftiFile(path, modality, labels)
    return Volume(modality, header.shape, header.affine, loader=file, fingerprint=file.fingerprint)


def in_order(volume: Volume, order: AxisOrder, affine: NDArray[np.float64]) -> Volume:
    """Return a file's volume with its axes reordered and the affine ``affine``."""
    if not isinstance(volume.loader, NiftiFile):
        message = f"only the volume of a file can be reordered, not {volume!r}"
        raise TypeError(message)
    file = replace(volume.loader, order=order)
    shape = order.shape(volume.shape)
    return replace(volume, shape=shape, affine=affine, loader=file, fingerprint=file.fingerprint)


def structures_of(mask: Volume, labels: Mapping[str, int]) -> dict[str, Volume]:
    """Return the structures of a mask's file by name, each where the file has its number; a structure may be absent."""
    if not labels:
        return {}
    if not isinstance(mask.loader, NiftiFile):
        message = f"only the mask of a file has labels, not {mask!r}"
        raise TypeError(message)
    files = {name: replace(mask.loader, labels=(label,)) for name, label in labels.items()}
    return {name: replace(mask, loader=file, fingerprint=file.fingerprint) for name, file in files.items()}


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; a process reads an unchanged file only once."""
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest_of(path: Path, _size: int, _modified_ns: int) -> str:
    return file_digest(path)


def read_header(path: Path) -> Header:
    """Read the header and check it, also against the file's size.

    Raises:
        ImageError: not a single-file NIfTI image, not 3-D, too large, without usable geometry, or truncated.
    """
    if not path.is_file():
        raise ImageError(f"{path.name} is a folder, a pipe or a device, not a file.", "Put the image there.")
    try:
        block = _first_block(path)
    except DAMAGE as error:
        raise _damaged(path, error) from error
    header = _parse(path, block)
    declared, size = header.offset + header.bytes, path.stat().st_size
    if declared > size * (MAX_DEFLATE_RATIO if _is_packed(path) else 1):
        what = (
            f"{path.name} is truncated: its header declares {declared:,} bytes, more than a file of {size:,} can hold."
        )
        raise ImageError(what, "Copy or export it again.")
    if declared > LARGE_BYTES and declared > LARGE_RATIO * size:
        what = f"{path.name} unpacks to {declared:,} bytes, {declared // size} times its size, more than any scan."
        raise ImageError(what, "Save a mask as 8-bit integers; export or crop an image again.")
    return header


def read_image(path: Path) -> NDArray[np.float32]:
    """Read the numbers in a file, with the header's slope and intercept applied.

    Raises:
        ImageError: see :func:`read_header`; also damaged data.
    """
    raw, header = _read(path)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow becomes infinite and is reported later
        values = raw.astype(np.float32)
        if (header.slope, header.intercept) != (1.0, 0.0):
            values = values * np.float32(header.slope) + np.float32(header.intercept)
    return values


def _read(path: Path) -> tuple[NDArray[Any], Header]:
    header = read_header(path)
    declared = header.offset + header.bytes
    try:
        with _open(path) as stream:
            data = stream.read(declared)
            # Reading to the end makes gzip verify length and checksum; the limit keeps a zip bomb small.
            rest = len(stream.read(TRAILING_BYTES + 1))
    except DAMAGE as error:
        raise _damaged(path, error) from error
    if len(data) < declared or rest > TRAILING_BYTES:
        compared = "more" if rest else f"{len(data):,}"
        what = f"{path.name} is damaged: its header declares {declared:,} bytes, the file holds {compared}."
        raise ImageError(what, "Copy or export it again.")
    count = math.prod(header.shape)
    flat = np.frombuffer(data, dtype=header.dtype, count=count, offset=header.offset)
    return flat.reshape(header.shape, order="F"), header


def _damaged(path: Path, error: Exception) -> ImageError:
    return ImageError(f"{path.name} cannot be read ({type(error).__name__}: {error}).", "Copy or export it again.")


def _is_packed(path: Path) -> bool:
    return path.name.endswith(".gz")


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if _is_packed(path) else path.open("rb")


def _first_block(path: Path) -> bytes:
    """Return the unpacked header of a NIfTI file; refuse any other file and say what it is.

    Raises:
        ImageError: the file is something else, or its compression contradicts its name.
        EOFError, zlib.error, gzip.BadGzipFile: the file is damaged.
    """
    with path.open("rb") as stream:
        block = stream.read(NEEDED_BYTES)
    if block.startswith(GZIP):
        if not _is_packed(path):
            what = f"{path.name} is gzipped, but its name does not end in .gz."
            raise ImageError(what, "Rename it so that it ends in .nii.gz, or unpack it.")
        with _open(path) as stream:
            block = stream.read(NEEDED_BYTES)
    elif _is_packed(path) and is_nifti(block):
        what = f"{path.name} is not gzipped; it could be read as {path.name.removesuffix('.gz')}."
        raise ImageError(what, "Rename it so that it ends in .nii, or gzip it.")
    if not is_nifti(block):
        kind = kind_of(block)
        name, remedy = ("not a NIfTI file", "Export it as .nii or .nii.gz.") if kind is None else kind
        raise ImageError(f"{path.name} is {name}.", remedy)
    return block


def _parse(path: Path, block: bytes) -> Header:
    import nibabel as nib

    magic = block[344:348], block[4:8]
    if magic[0] == b"ni1\0" or magic[1] == b"ni2\0":
        what = f"{path.name} is a header whose voxels lie in another file."
        raise ImageError(what, "Export it as one .nii or .nii.gz file.")
    if magic[0] != b"n+1\0" and len(block) < NEEDED_BYTES:
        raise ImageError(f"{path.name} ends within its header.", "Copy or export it again.")
    try:
        if magic[0] == b"n+1\0":
            raw: Any = nib.Nifti1Header(block[:348], check=False)  # type: ignore[no-untyped-call]
        else:
            raw = nib.Nifti2Header(block, check=False)  # type: ignore[no-untyped-call]
        return _checked(path, raw)
    except (nib.spatialimages.HeaderDataError, ValueError, OverflowError) as error:
        raise ImageError(f"{path.name} has an invalid header: {error}.", "Export it again.") from error


def _checked(path: Path, raw: Any) -> Header:
    shape = _shape(path, raw)
    dtype = np.dtype(raw.get_data_dtype())
    if dtype.kind not in "iuf":
        raise ImageError(f"{path.name} holds voxels of type {dtype}.", "Export it with one real number per voxel.")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_BYTES:
        grid = " x ".join(map(str, shape))
        what = f"{path.name} declares {grid} voxels, {size:,} bytes; at most {MAX_BYTES:,} are read."
        raise ImageError(what, "Correct the header, or crop the image.")
    offset = int(raw["vox_offset"])
    if not int(raw["sizeof_hdr"]) <= offset <= _LARGEST_OFFSET:
        raise ImageError(f"{path.name} says that its voxels start at byte {offset}.", "Export it again.")
    slope, intercept = raw.get_slope_inter()
    return Header(
        shape=shape,
        affine=_affine(path, raw),
        oriented=bool(raw["sform_code"] > 0 or raw["qform_code"] > 0),
        forms_apart_mm=_forms_apart(raw, shape),
        axes=(_axes(raw.get_sform()), _axes(raw.get_qform())),
        dtype=dtype,
        offset=offset,
        bytes=size,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


def _shape(path: Path, raw: Any) -> tuple[int, int, int]:
    sides = int(raw["dim"][0])
    shape = tuple(int(n) for n in raw["dim"][1 : sides + 1]) if 0 < sides < 8 else ()
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        what = f"{path.name} is not a 3-D image: its header declares {' x '.join(map(str, shape)) or sides} voxels."
        raise ImageError(what, "Export one 3-D image per file.")
    return shape[0], shape[1], shape[2]


def _affine(path: Path, raw: Any) -> NDArray[np.float64]:
    unit = int(raw["xyzt_units"]) & 7
    if unit in {1, 3}:
        name = {1: "metres", 3: "micrometres"}[unit]
        raise ImageError(f"{path.name} measures in {name}.", "Export it in millimetres.")
    affine = np.asarray(raw.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all():
        raise ImageError(f"{path.name} has an affine that is not finite.", "Export it again.")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    volume = abs(float(np.linalg.det(affine[:3, :3])))
    if spacing.min() < 0.01 or spacing.max() > 100 or volume < 1e-3 * float(np.prod(spacing)):
        shown = " x ".join(f"{mm:.3g}" for mm in spacing)
        what = f"{path.name} has voxels of {shown} mm, or axes that span no volume."
        raise ImageError(what, "Correct the header's affine.")
    return affine


def _axes(affine: NDArray[np.float64]) -> str:
    """Return the directions of the voxel axes, such as RAS (right, anterior, superior); empty for a singular affine."""
    from nibabel.orientations import aff2axcodes

    singular = not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9
    return "" if singular else "".join(str(code) for code in aff2axcodes(affine))  # type: ignore[no-untyped-call]


def _forms_apart(raw: Any, shape: tuple[int, int, int]) -> float:
    """Return the largest distance in mm between a corner's positions by sform and qform; 0 unless both are stated."""
    if raw["sform_code"] <= 0 or raw["qform_code"] <= 0:
        return 0.0
    places = corners(shape, raw.get_sform()) - corners(shape, raw.get_qform())
    return float(np.linalg.norm(places, axis=1).max())
