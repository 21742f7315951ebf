"""Packs: archives of one study in the layout of an output folder, and the only place that writes and opens them.

A pack holds :data:`MANIFEST`, which names every other file with its checksum. It is opened by unpacking it into a cache
folder that is named by the archive's content, and only if every file is as the manifest says. What an archive says of
itself is not trusted: names that lead elsewhere, links, devices, names that differ in case alone, and archives that
unpack to far more than they hold are refused before anything is written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock
from survbench.errors import BenchError
from survbench.io.checksums import altered
from survbench.io.config import Stored
from survbench.io.files import PART, json_text, named_if_full
from survbench.io.hashing import file_digest
from survbench.io.stored import UnreadableError, checked, parsed, read_stored, with_checksum
from survbench.io.study_files import STUDIES
from survbench.io.zip_entries import DAMAGE, kind_of, leads_outside

MANIFEST = "MANIFEST.json"
PACK_SCHEMA = 1
CACHE_VARIABLE = "XDG_CACHE_HOME"
MOST_FILES = 200_000
MOST_BYTES = 100 * 2**30
MOST_RATIO = 100
"""Largest ratio of unpacked to packed bytes; pages pack about 10 : 1, a zip bomb 1000 : 1."""
SMALL_BYTES = 2**26
"""Unpacked bytes that are allowed at any ratio."""
_MOST_MANIFEST = 2**26
_LONGEST_NAME = 1000
_LONGEST_PART = 255
"""Bytes of the name of one file or folder, as usual file systems allow them."""
_PACKED = frozenset({".npz", ".parquet", ".pdf", ".png", ".safetensors"})
"""Files that do not get smaller."""
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_PIECE = 2**20
_AGAIN = "Ask whoever made the pack for another copy."
ALTERED = "is not as it was packed"


class Manifest(Stored):
    """What a pack says of itself.

    Attributes:
        pack_schema: version of the layout.
        study: name of the study.
        survbench, commit: version that packed it, and the commit of a source checkout.
        weights: whether the models of the fits are inside.
        pseudonyms: whether patients have pseudonyms, for which ids, folds, boards and checksums were made again.
        left_out: what of the output folder is not in the pack, in words.
        files: SHA-256 of every other file by its path.
    """

    pack_schema: int
    study: str
    survbench: str | None
    commit: str | None
    weights: bool
    pseudonyms: bool
    left_out: tuple[str, ...]
    files: Mapping[str, str]


class PackError(BenchError):
    """A pack cannot be opened."""


class AlteredPackError(PackError):
    """Files of a pack are not as its manifest says.

    Attributes:
        files: what is wrong with each, by its path in the pack.
    """

    def __init__(self, path: Path, files: Mapping[str, str]) -> None:
        self.files = files
        first, *more = (f"{name} {what}" for name, what in files.items())
        rest = f" ({len(more)} more: 'bench study verify' lists them)" if more else ""
        super().__init__(f"{path} was changed after it was packed: {first}{rest}. {_AGAIN}")


def write_pack(path: Path, files: Mapping[str, Path | bytes], manifest: Manifest) -> Manifest:
    """Write a pack; equal content gives equal bytes. Return the manifest with the checksums of the files.

    Args:
        path: of the archive, which must not exist.
        files: content, or the file that has it, by path in the pack.
        manifest: what else it says.

    Raises:
        OSError: the archive cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    sums: dict[str, str] = {}
    try:
        with named_if_full(path.parent), zipfile.ZipFile(part, "w") as archive:
            for name, content in sorted(files.items()):
                sums[name] = _add(archive, name, content)
            complete = manifest.model_copy(update={"files": sums})
            _add(archive, MANIFEST, json_text(with_checksum(complete.model_dump(mode="json"))).encode())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return complete


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> str:
    info = zipfile.ZipInfo(name)  # of 1980: the time of a file is not its content
    info.create_system, info.external_attr = 3, 0o100644 << 16
    info.compress_type = zipfile.ZIP_STORED if Path(name).suffix in _PACKED else zipfile.ZIP_DEFLATED
    checksum = hashlib.sha256()
    with archive.open(info, "w", force_zip64=True) as out:
        if isinstance(content, bytes):
            checksum.update(content)
            out.write(content)
        else:
            with content.open("rb") as stream:
                while piece := stream.read(_PIECE):
                    checksum.update(piece)
                    out.write(piece)
    return checksum.hexdigest()


def is_pack(path: Path) -> bool:
    """Say whether a file is a pack, also one that is damaged or was changed."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return path.is_file() and path.suffix == ".zip"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name == MANIFEST or name.startswith(f"{STUDIES}/") for name in archive.namelist())
    except (OSError, *DAMAGE):
        return False


def opened(path: Path) -> Path:
    """Return the output folder that is meant: a folder itself, a pack the folder that it is unpacked to.

    Raises:
        PackError: it is a file and not a pack, or a pack that must not be opened.
    """
    return open_pack(path) if path.is_file() else path


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of an unpacked pack, or None for another output folder.

    Raises:
        UnreadableError: it is damaged.
    """
    try:
        return read_stored(folder / MANIFEST, _manifest)
    except FileNotFoundError:
        return None


def open_pack(path: Path) -> Path:
    """Unpack a pack, unless that was done before, and return the folder. A file of the folder that was changed since is
    unpacked again.

    Raises:
        AlteredPackError: files of the pack are not as its manifest says.
        PackError: the file is not a pack, is damaged, or must not be opened.
    """
    folder = _cache() / file_digest(path)[:32]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise PackError(
            f"{folder.parent}, to which packs are unpacked, cannot be made or written ({error.strerror}). Set "
            f"{CACHE_VARIABLE} to a folder that can."
        ) from error
    try:
        with named_if_full(folder.parent):
            if not _is_whole(folder):
                _unpack(path, folder)
    finally:
        lock.release()
    return folder


def _cache() -> Path:
    home = os.environ.get(CACHE_VARIABLE)
    return (Path(home) if home else Path.home() / ".cache") / "survbench" / "packs"


def _is_whole(folder: Path) -> bool:
    try:
        manifest = read_manifest(folder)
    except BenchError:
        return False
    return manifest is not None and next(altered(folder, manifest.files), None) is None


def _unpack(path: Path, folder: Path) -> None:
    with _archive(path) as archive:
        entries = _entries(archive, path, folder.parent)
        manifest = _manifest_of(archive, entries, path)
        wrong = {name: "is missing" for name in manifest.files if name not in entries}
        wrong |= {name: "was added" for name in entries if name not in manifest.files and name != MANIFEST}
        part = Path(tempfile.mkdtemp(prefix=f"{folder.name}{PART}", dir=folder.parent))
        try:
            for name, info in entries.items():
                if name not in wrong:
                    checksum = _written(archive, info, part / name)
                    if name != MANIFEST and checksum != manifest.files[name]:
                        wrong[name] = ALTERED
            if wrong:
                raise AlteredPackError(path, dict(sorted(wrong.items())))
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise PackError(f"{path} is not a pack of 'bench study pack', or it is damaged ({error}). {_AGAIN}") from error
    with archive:
        yield archive


def _entries(archive: zipfile.ZipFile, path: Path, target: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by name, all of which may be unpacked.

    Raises:
        PackError: one may not, or they are too many or too large.
    """
    infos = [info for info in archive.infolist() if kind_of(info) != "folder" or leads_outside(info.filename)]
    room = min(MOST_BYTES, max(SMALL_BYTES, MOST_RATIO * path.stat().st_size), shutil.disk_usage(target).free)
    if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > room:
        raise PackError(
            f"{path} would unpack to more than {MOST_FILES:,} files, {MOST_RATIO} times its size, "
            f"{MOST_BYTES // 2**30} GiB or the free space under {target}. It was not opened. {_AGAIN}"
        )
    for info in infos:
        if why := _refused(info):
            raise PackError(f"{path} holds {info.filename[:80]!a}, which {why}. It was not opened. {_AGAIN}")
    if twice := _collision([info.filename for info in infos]):
        raise PackError(f"{path} holds {twice[0]!a} and {twice[1]!a}, which would be one file. It was not opened.")
    return {info.filename: info for info in infos}


def _refused(info: zipfile.ZipInfo) -> str:
    """Return why an entry may not be unpacked, or ""."""
    name = info.filename
    if leads_outside(name):
        return "leads outside of the pack"
    if "\\" in name or not name.isprintable() or len(name) > _LONGEST_NAME or str(PurePosixPath(name)) != name:
        return "is not the name of a file in a pack"
    if any(len(part.encode()) > _LONGEST_PART for part in PurePosixPath(name).parts):
        return f"has a name of more than {_LONGEST_PART} bytes"
    if kind_of(info) != "file":
        return "is a link or a device"
    if info.flag_bits & 1 or info.compress_type not in _METHODS:
        return "is encrypted or packed in another way than packs are"
    return ""


def _collision(names: list[str]) -> tuple[str, str] | None:
    """Return two names that some file system takes for one, or of which one would be a folder and a file."""
    kept: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in kept:
            return kept[key], name
        kept[key] = name
    for key, name in kept.items():
        for parent in map(str, PurePosixPath(key).parents):
            if parent in kept:
                return kept[parent], name
    return None


def _manifest_of(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], path: Path) -> Manifest:
    info = entries.get(MANIFEST)
    if info is None:
        raise PackError(f"{path} is not a pack of 'bench study pack', or {MANIFEST} was removed from it. {_AGAIN}")
    if info.file_size > _MOST_MANIFEST:
        raise PackError(f"{path} has a {MANIFEST} of {info.file_size:,} bytes. It was not opened. {_AGAIN}")
    try:
        return parsed(f"{path}/{MANIFEST}", archive.read(info), _manifest)
    except DAMAGE as error:
        raise AlteredPackError(path, {MANIFEST: ALTERED}) from error
    except UnreadableError as error:
        raise PackError(f"{error} {_AGAIN}") from error
    except PackError as error:
        raise PackError(f"{path}: {error}") from error


def _manifest(raw: dict[str, object]) -> Manifest:
    layout = raw.get("pack_schema")
    if isinstance(layout, int) and layout > PACK_SCHEMA:
        raise PackError(
            f"The pack has layout {layout}, and this survbench reads {PACK_SCHEMA}. Install a newer survbench."
        )
    manifest = Manifest.model_validate(checked(raw))
    if manifest.pack_schema != PACK_SCHEMA:
        raise ValueError(f"layout {manifest.pack_schema} of packs, not {PACK_SCHEMA}")
    return manifest


def _written(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> str | None:
    """Write a file of an archive and return its checksum; None if it is damaged."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(info) as stream, target.open("xb") as out:
            return _copied(stream, out)
    except DAMAGE:
        return None


def _copied(stream: IO[bytes], out: IO[bytes]) -> str:
    checksum = hashlib.sha256()
    while piece := stream.read(_PIECE):  # zipfile reads no more than the size that was checked
        checksum.update(piece)
        out.write(piece)
    return checksum.hexdigest()
