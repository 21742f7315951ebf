"""Unpack archives of DICOM files (zip, tar, tar.gz) without trusting them.

Names inside an archive mean nothing to ingest, so no path is ever built from one: files are written as ``000001``,
``000002``. Names and links that lead outside, and devices, are refused all the same, because such an archive is an
attack or damaged.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from survbench.errors import BenchError
from survbench.io.files import files_below
from survbench.io.zip_entries import EntryKind, kind_of, leads_outside

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_ENTRIES = 50_000
MOST_BYTES = 100 * 2**30
MOST_RATIO = 100
"""Largest ratio of unpacked to packed bytes. CT packs about 2 : 1, empty PET slices 20 : 1, a zip bomb 1000 : 1."""
SMALL_BYTES = 2**26
"""Unpacked bytes that are allowed at any ratio, because segmentations pack well."""
_PIECE = 2**20
_LARGEST_PIECE = 2**24
"""Most bytes read at once: tarfile reads an extended header as a whole, whatever size it claims."""
_YOURSELF = "If you trust it, unpack it yourself and give ingest the folder."
_AGAIN = "Copy it again, or unpack it yourself and give ingest the folder."
_SHOWN = 80


class ArchiveError(BenchError):
    """An archive was not unpacked, or not completely."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive and the folder that it is unpacked to."""

    path: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in an archive, as the archive describes it.

    Attributes:
        name: the stored name.
        size: unpacked size in bytes.
        kind: ``file``, ``folder``, ``link`` or ``other``.
        modified: seconds since 1970.
        target: target of a link.
        open: opens the content.
    """

    name: str
    size: int
    kind: EntryKind
    modified: float
    target: str
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Return whether a file is named like an archive that can be unpacked."""
    return path.name.lower().endswith(SUFFIXES)


def archives_in(source: Path) -> list[Path]:
    """Return the archives below a folder, or the source itself if it is an archive.

    Raises:
        BenchError: the source is another kind of file.
    """
    if source.is_dir():
        return [path for path in files_below(source) if is_archive(path) and path.is_file()]
    if is_archive(source):
        return [source]
    raise BenchError(f"{source} is neither a folder nor an archive. Give a folder, or a {', '.join(SUFFIXES)} file.")


def unpack(archive: Archive) -> str | None:
    """Unpack an archive. If this fails, remove its folder and return the reason. Archives inside are not unpacked.

    Raises:
        OSError: the disk is full or has gone.
    """
    archive.folder.mkdir(parents=True)
    try:
        _unpack(archive)
    except ArchiveError as error:
        reason = str(error)
    except OSError as error:
        if error.errno is not None:  # gzip's errors about damage have no errno
            raise
        reason = f"It is damaged. {_AGAIN}"
    except NotImplementedError:
        reason = f"It uses a compression method that cannot be read. {_AGAIN}"
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError):
        reason = f"It is damaged. {_AGAIN}"
    else:
        return None
    shutil.rmtree(archive.folder)
    return reason


def _unpack(archive: Archive) -> None:
    entries = _in_zip if archive.path.suffix.lower() == ".zip" else _in_tar
    packed = archive.path.stat().st_size
    room = min(MOST_BYTES, max(SMALL_BYTES, MOST_RATIO * packed), shutil.disk_usage(archive.folder).free)
    for number, entry in enumerate(entries(archive.path, room), start=1):
        _refuse_many(number)
        _refuse_unsafe(entry)
        if entry.kind != "file":
            continue
        _refuse_large(entry.size, room)
        target = archive.folder / f"{number:06d}"
        with entry.open() as stream, target.open("xb") as out:
            room -= _copy(stream, out, room)
        os.utime(target, (entry.modified, entry.modified))


def _copy(stream: IO[bytes], out: IO[bytes], room: int) -> int:
    """Copy a file and return its actual size, which may differ from the size that the archive states."""
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        _refuse_large(size, room)
        out.write(piece)
    return size


def _refuse_many(entries: int) -> None:
    if entries > MOST_ENTRIES:
        raise ArchiveError(f"It contains more than {MOST_ENTRIES:,} files. {_YOURSELF}")


def _refuse_large(size: int, room: int) -> None:
    if size > room:
        what = (
            f"It unpacks to more than {MOST_RATIO} times its size, {MOST_BYTES // 2**30} GiB, or the free disk space."
        )
        raise ArchiveError(f"{what} {_YOURSELF}")


def _refuse_unsafe(entry: _Entry) -> None:
    if leads_outside(entry.name) or (entry.kind == "link" and leads_outside(entry.target, entry.name)):
        shown = ascii(entry.name[:_SHOWN])
        raise ArchiveError(f"Its entry {shown} leads outside the archive. Do not use it; ask for another copy.")
    if entry.kind == "other":
        raise ArchiveError(f"Its entry {entry.name[:_SHOWN]!a} is a device. Do not use it; ask for another copy.")


def _in_zip(path: Path, room: int) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        _refuse_many(len(infos))
        _refuse_large(sum(info.file_size for info in infos), room)
        for info in infos:
            if info.flag_bits & 1:
                raise ArchiveError(f"It is encrypted. {_YOURSELF}")
            kind = kind_of(info)
            target = ""
            if kind == "link":
                with archive.open(info) as stream:
                    target = stream.read(4096).decode("utf-8", "replace")
            modified = time.mktime((*info.date_time, 0, 0, -1)) if info.date_time[0] >= 1980 else 0.0
            yield _Entry(info.filename, info.file_size, kind, modified, target, partial(archive.open, info))


def _in_tar(path: Path, room: int) -> Iterator[_Entry]:
    packed = path.suffix.lower() != ".tar"
    raw = gzip.open(path, "rb") if packed else path.open("rb")  # noqa: SIM115  # closed below, with what reads it
    with raw, _Guarded(raw, room) as stream, tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as archive:
        for member in archive:
            kind: EntryKind = _kinds().get(member.type, "other")
            target = member.linkname
            if member.islnk():  # the target of a hard link is a name in the archive
                kind, target = "link", "/" if leads_outside(member.linkname) else ""
            modified = float(min(max(member.mtime, 0), 2**32))
            yield _Entry(member.name, member.size, kind, modified, target, partial(_content, archive, member))
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends without an end-of-archive block")
        while stream.read(_PIECE):  # reading to the end makes gzip verify its checksum
            pass


def _kinds() -> dict[bytes, EntryKind]:
    files: dict[bytes, EntryKind] = dict.fromkeys((*tarfile.REGULAR_TYPES,), "file")
    return {**files, tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "link"}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    return io.BytesIO() if content is None else content


class _Guarded(io.RawIOBase):
    """A stream that refuses reads of excessive size or beyond the allowed number of bytes."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, room: int) -> None:
        self._stream = stream
        self._end = room + _ROOM_FOR_HEADERS

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            _refuse_large(offset, self._end)
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_PIECE:
            raise ArchiveError(f"It has a header of {size:,} bytes. {_AGAIN}")
        _refuse_large(self._stream.tell() + size, self._end)
        return self._stream.read(size)


_ROOM_FOR_HEADERS = MOST_ENTRIES * 4 * tarfile.BLOCKSIZE
"""Bytes allowed for the headers of a tar archive, besides its files."""
