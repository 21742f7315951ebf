"""Files of hospitals, read in processes of their own with limits on memory and time (:mod:`~survbench.jobs.apart`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from survbench.datasets.dicom.series import Found, Passed, Series, find_series, read_instance
from survbench.datasets.ingest.archives import Archive, archives_in, unpack
from survbench.errors import BenchError
from survbench.jobs.apart import Lost, each_apart

HEADER_S = 8.0
"""The longest that one header may take."""
HEADER_BYTES = 2**30
"""The most memory that the process may take that reads headers."""
UNPACK_S = 3600.0
UNPACK_BYTES = 2**29

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Opened:
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
def opened(source: Path, workers: int) -> Iterator[Opened]:
    """Unpack the archives of a source into a temporary folder, which is removed at the end.

    Args:
        source: an archive, or a folder that may hold some.
        workers: archives at once.

    Raises:
        BenchError: the source is an archive that is refused, or another file.
    """
    archives = archives_in(source)
    if not archives:
        yield Opened((source,))
        return
    with TemporaryDirectory(prefix="survbench-ingest-") as scratch:
        jobs = [Archive(path, Path(scratch, str(number))) for number, path in enumerate(archives)]
        ended = each_apart(unpack, jobs, workers=workers, seconds=UNPACK_S, memory=UNPACK_BYTES)
        reasons = [_LOST[reason] if isinstance(reason, Lost) else reason for reason in ended]
        refused = {str(job.path.relative_to(source)): why for job, why in zip(jobs, reasons, strict=True) if why}
        if source.is_file() and refused:
            raise BenchError(f"{source} is not unpacked. {reasons[0]}")
        unpacked = [job.folder for job, why in zip(jobs, reasons, strict=True) if not why]
        yield Opened((*([source] if source.is_dir() else []), *unpacked), tuple(archives), refused)


def series_in(source: Opened, workers: int) -> Found:
    """Return the series in a source; a file whose header takes too long or too much memory counts as damaged."""

    def read(paths: Sequence[Path]) -> Iterator[Series | Passed]:
        for one in headers_apart(read_instance, paths, workers=workers):
            yield Passed.DAMAGED if isinstance(one, Lost) else one

    found = find_series(*source.folders, read=read)
    return replace(found, others=found.others - len(source.archives))


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


_LOST = {
    Lost.TIME: f"Unpacking it took longer than {UNPACK_S / 60:.0f} minutes. Unpack it yourself, and give the folder.",
    Lost.MEMORY: "Unpacking it takes more memory than it may. Unpack it yourself, and give the folder.",
    Lost.FAILED: "It is damaged, or of a kind that cannot be read. Copy it again, or unpack it yourself.",
}
