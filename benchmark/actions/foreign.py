"""Files of hospitals, read in processes of their own with limits on memory and time (:mod:`~survbench.jobs.apart`)."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TypeVar

from survbench.datasets.dicom.series import Contents, Series, Skipped, find_series, read_instance
from survbench.datasets.ingest.archives import Archive, archives_in, unpack
from survbench.errors import BenchError
from survbench.io.holding import held
from survbench.jobs.apart import Lost, each_apart

HEADER_S = 8.0
"""The longest that one header may take."""
HEADER_BYTES = 2**30
"""The most memory that the process may take that reads headers."""
UNPACK_S = 3600.0
UNPACK_BYTES = 2**29
_SCRATCH = "survbench-ingest-"
_TO_START_S = 60.0
"""For so long a new temporary folder may not be held yet by the process that made it."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Where the files of a source lie.

    Attributes:
        folders: the source itself, and what its archives hold.
        archives: in the source.
        refused: those that were not unpacked, by their paths in the source, and why.
    """

    folders: tuple[Path, ...]
    archives: tuple[Path, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def unpacked_archives(source: Path, workers: int) -> Iterator[Unpacked]:
    """Unpack the archives of a source into a temporary folder, which is removed at the end. Folders of calls that were
    killed are removed, too.

    Args:
        source: an archive, or a folder that may hold some.
        workers: archives at once.

    Raises:
        BenchError: the source is an archive that is refused, or another file.
    """
    archives = archives_in(source)
    if not archives:
        yield Unpacked((source,))
        return
    _remove_abandoned()
    with TemporaryDirectory(prefix=_SCRATCH) as scratch, held(Path(scratch)):
        jobs = [Archive(path, Path(scratch, str(number))) for number, path in enumerate(archives)]
        ended = each_apart(unpack, jobs, workers=workers, seconds=UNPACK_S, memory=UNPACK_BYTES)
        reasons = [_LOST[reason] if isinstance(reason, Lost) else reason for reason in ended]
        refused = {str(job.path.relative_to(source)): why for job, why in zip(jobs, reasons, strict=True) if why}
        if source.is_file() and refused:
            raise BenchError(f"{source} is not unpacked. {reasons[0]}")
        unpacked = [job.folder for job, why in zip(jobs, reasons, strict=True) if not why]
        yield Unpacked((*([source] if source.is_dir() else []), *unpacked), tuple(archives), refused)


def series_in(source: Unpacked, workers: int) -> Contents:
    """Return the series in a source; a file whose header takes too long or too much memory is unreadable."""

    def read(paths: Sequence[Path]) -> Iterator[Series | Skipped]:
        for one in headers_apart(read_instance, paths, workers=workers):
            yield Skipped.UNREADABLE if isinstance(one, Lost) else one

    contents = find_series(*source.folders, read=read)
    return replace(contents, others=contents.others - len(source.archives))


def headers_apart(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, seconds: float = HEADER_S
) -> list[Result | Lost]:
    """Return what a function reads from the headers of each item, or why that was not possible.

    Args:
        function: a module-level function.
        items: what it is called with.
        workers: items at once.
        seconds: the longest that one may take.
    """
    return each_apart(function, items, workers=workers, seconds=seconds, memory=HEADER_BYTES)


def _remove_abandoned() -> None:
    """Remove what calls that were killed have unpacked: patients' files, and gigabytes of them."""
    for folder in Path(gettempdir()).glob(f"{_SCRATCH}*"):
        with suppress(BenchError, OSError):  # its process lives, or it is gone
            state = folder.lstat()
            ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
            if ours and time.time() - state.st_mtime > _TO_START_S:
                with held(folder):
                    shutil.rmtree(folder, ignore_errors=True)


_LOST = {
    Lost.TIME: f"Unpacking it took longer than {UNPACK_S / 60:.0f} minutes. Unpack it yourself, and give the folder.",
    Lost.MEMORY: "Unpacking it takes more memory than it may. Unpack it yourself, and give the folder.",
    Lost.FAILED: "It is damaged, or of a kind that cannot be read. Copy it again, or unpack it yourself.",
}
