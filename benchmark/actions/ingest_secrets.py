"""What identifies the patients of an ingest: collected from their headers, and looked for in all that was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from survbench.actions.foreign import headers_apart
from survbench.datasets.dicom.identifying import IdentifyingValue, Identity, identity_apart, of_files
from survbench.datasets.dicom.series import Series
from survbench.datasets.ingest.leaks import Leak, SecretValues, leaks_in, ordinary_words
from survbench.datasets.ingest.patient_files import IMAGES, PICTURES, RECORDS
from survbench.errors import BenchError
from survbench.io.layout import Status
from survbench.jobs.apart import Lost
from survbench.jobs.executor import execute
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine

_WRITERS = ("datasets.dicom", "datasets.ingest", "datasets.drafting", "datasets.checks", "datasets.cards")
_PAGE = ("templates/cohort.html.j2", "static/board.css", "static/cohort.css")
"""What writes into a cohort: its words stand there whoever the patients are."""
_BATCH_S = 3600.0


def read_identities(
    patients: Mapping[str, Sequence[Series]], *, workers: int, seconds: float, file_seconds: float
) -> dict[str, Identity | Lost]:
    """Return what the headers of each patient hold that identifies, or why they could not be read.

    Args:
        patients: their series, by id.
        workers: patients at once.
        seconds: the longest that one patient may take.
        file_seconds: the longest that one file may take, or one part of it.
    """
    paths = [[i.path for one in series for i in one.instances] for series in patients.values()]
    read = headers_apart(partial(identity_apart, seconds=file_seconds), paths, workers=workers, seconds=seconds)
    return dict(zip(patients, read, strict=True))


def secret_values(
    identities: Iterable[Identity],
    paths: Iterable[Path],
    source: Path,
    *,
    cells: Iterable[IdentifyingValue] = (),
    allowed: Iterable[str] = (),
) -> SecretValues:
    """Return what to look for.

    Args:
        identities: of the patients.
        paths: of their files.
        source: the folder of the files.
        cells: of the clinical table that are not passed on.
        allowed: texts that are passed on, besides the names of regions.
    """
    identities = list(identities)
    values = {value for identity in identities for value in identity.values}
    stated = {name for identity in identities for name in identity.stated}
    return SecretValues.of(
        [*values, *of_files(paths, source), *cells], ordinary=_own_words(), allowed={*allowed, *stated}
    )


def leaks(cohort: Path, values: SecretValues, *, workers: int) -> tuple[Leak, ...]:
    """Return where identifying values stand in the files of a cohort.

    Raises:
        BenchError: it cannot be known.
    """
    folders = [cohort, *(cohort / name for name in (IMAGES, PICTURES, RECORDS))]
    paths = sorted(path for folder in folders for path in folder.glob("*") if path.is_file())
    large_first = sorted(paths, key=lambda path: -path.stat().st_size)
    batches = [batch for n in range(workers) if (batch := large_first[n::workers])]
    tasks = [Task(f"search-{n}", leaks_in, (cohort, b, values), timeout_s=_BATCH_S) for n, b in enumerate(batches)]
    found: set[Leak] = set()
    for ended in execute(tasks, place=ThisMachine(workers)):
        if ended.status != Status.OK:
            raise BenchError(
                f"Looking for identifying values in {cohort} ended as {ended.status}, so it is not known whether it "
                "holds any. Run the same command again; what is done is kept."
            )
        found |= {*ended.value}
    return tuple(sorted(found))


@cache
def _own_words() -> frozenset[str]:
    """Return the words that our own code and pages write; an ingest asks for them twice."""
    return frozenset(ordinary_words(_own_texts()))


def _own_texts() -> Iterable[str]:
    for writer in _WRITERS:
        for file in files(f"survbench.{writer}").iterdir():
            if file.name.endswith(".py"):
                yield file.read_text(encoding="utf-8")
    for name in _PAGE:
        yield (files("survbench.leaderboard.site") / name).read_text(encoding="utf-8")
