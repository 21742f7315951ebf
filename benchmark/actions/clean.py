"""What lies in an output folder that no study refers to, and its removal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from survbench.errors import BenchError
from survbench.io.layout import CACHE, RUNS, SCRATCH
from survbench.io.packs import read_manifest
from survbench.io.study_files import STUDIES
from survbench.plan.job import Job
from survbench.plan.registry import registry
from survbench.plan.study import Study, read_study
from survbench.runs.store import PART, Store, read_job, remove

KEY = re.compile(r"[0-9a-f]{32}")
"""What the key of a job looks like; a folder of another name is not ours unless it holds a job."""
HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")
"""What the key of a job of any version looks like, which is enough in the folder of what unfinished jobs keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A removed folder: its path below the output folder, what it held in words, and its size."""

    path: str
    what: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes below an output folder.

    Attributes:
        unreferenced: of the runs that no study refers to; None where a study does not say which runs it needs.
        left_over: of scratch folders of no job of a study, and of files that are half written; None alike.
    """

    runs: int
    cache: int
    scratch: int
    unreferenced: int | None
    left_over: int | None


@dataclass(frozen=True, slots=True)
class _Output:
    """The runs of an output folder and which of them studies need.

    Attributes:
        jobs: of the stored runs, by key; None for one that cannot be read.
        needed: keys of the jobs that studies refer to, and of those that these need.
        unsure: jobs that have not run yet may need others, and only stored jobs say which.
    """

    jobs: Mapping[str, Job | None]
    needed: frozenset[str]
    unsure: bool


def disk_use(store: Store) -> DiskUse:
    """Measure an output folder."""
    unreferenced = left_over = None
    with suppress(BenchError):
        output = _read(store)
        unreferenced = sum(_size(folder) for folder, _ in _runs(store, output))
        left_over = sum(_size(path) for path, _ in (*_parts(store), *_scratch(store, output)))
    runs, cache, scratch = (_size(store.root / name) for name in (RUNS, CACHE, SCRATCH))
    return DiskUse(runs=runs, cache=cache, scratch=scratch, unreferenced=unreferenced, left_over=left_over)


def clean(store: Store) -> tuple[Removed, ...]:
    """Remove the runs and scratch folders that no study refers to, and what killed processes left half written.

    A study refers to the jobs of its methods and to those that these need. Prepared cohorts and the cache stay.

    Raises:
        BenchError: the folder is that of a pack, there is no study, a study does not say which runs it needs, or the
            output folder is in use.
    """
    if read_manifest(store.root) is not None:
        raise BenchError(f"{store.root} is the content of a pack, from which nothing is removed.")
    if not _study_folders(store):
        raise BenchError(
            f"There is no study under {store.root}, so everything would be removed. Give the folder of "
            "'bench run' with --out."
        )
    with store.lock():
        output = _read(store)
        found = [*_parts(store), *_runs(store, output), *_scratch(store, output)]
        return tuple(_remove(store, folder, what) for folder, what in found)


def _read(store: Store) -> _Output:
    jobs = {folder.name: read_job(folder) for folder in _folders(store.root / RUNS) if PART not in folder.name}
    needed: set[str] = set()
    upstream: set[str] = set()
    for study in _studies(store):
        needed.update(study.run_keys())
        upstream |= _upstream_of_unstarted(study, jobs)
    needed |= {key for key, job in jobs.items() if job is not None and job.method in upstream}
    waiting = list(needed)
    while waiting:
        job = jobs.get(waiting.pop())
        more = (job.required_keys if job is not None else frozenset()) - needed
        needed |= more
        waiting += more
    return _Output(jobs, frozenset(needed), unsure=bool(upstream))


def _study_folders(store: Store) -> list[Path]:
    """Return the folders of all studies, also of those that cannot be reached now: behind a dangling link, or of
    somebody else.
    """
    studies = store.root / STUDIES
    return sorted(path for path in studies.iterdir() if path.is_dir() or path.is_symlink()) if studies.is_dir() else []


def _studies(store: Store) -> Iterator[Study]:
    for folder in _study_folders(store):
        try:
            yield read_study(folder)
        except (OSError, BenchError) as error:
            raise BenchError(
                f"It is not known which runs {folder.name} refers to: {error}. Nothing was removed; make that study "
                f"readable, or remove {folder} if you do not need it."
            ) from error


def _upstream_of_unstarted(study: Study, jobs: Mapping[str, Job | None]) -> set[str]:
    """Return the methods on which those methods of a study build that have a job without a stored run."""
    methods, upstream = registry().methods, set()
    for entry in study.entries:
        keys = [key for seeds in (entry.tunes, entry.fits) for seed in seeds for key in seed]
        if all(jobs.get(key) is not None for key in keys):
            continue
        if entry.name not in methods:
            raise BenchError(
                f"{entry.name} of study {study.name} is not complete and not installed, so it is not known on which "
                "runs it builds. Install its plugin, or run the study again, which drops it."
            )
        upstream.add(methods[entry.name].upstream)
    return upstream - {""}


def _runs(store: Store, output: _Output) -> Iterator[tuple[Path, str]]:
    for key, job in output.jobs.items():
        if key not in output.needed and (job is not None or KEY.fullmatch(key)):
            yield store.folder(key), "a run that cannot be read" if job is None else job.label


def _scratch(store: Store, output: _Output) -> Iterator[tuple[Path, str]]:
    for folder in _folders(store.root / SCRATCH):
        known = output.jobs.get(folder.name) is not None
        ours = known or (not output.unsure and HEXADECIMAL.fullmatch(folder.name))
        if folder.name not in output.needed and ours:
            yield folder, "what an unfinished job kept"


def _parts(store: Store) -> Iterator[tuple[Path, str]]:
    for folder in _folders(store.root / RUNS):
        if PART in folder.name:
            yield folder, "half-written files"
    yield from ((path, "a half-written file") for path in store.half_written())


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())


def _size(folder: Path) -> int:
    """Return the bytes of a file or of the files below a folder, which a run may be changing."""
    total = folder.lstat().st_size if folder.is_file() else 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total


def _remove(store: Store, folder: Path, what: str) -> Removed:
    removed = Removed(path=folder.relative_to(store.root).as_posix(), what=what, bytes=_size(folder))
    if folder.parent.name == RUNS and PART not in folder.name:
        # in one step, so that a run which is cut off here is never taken for whole
        folder = folder.rename(folder.with_name(f"{folder.name}{PART}clean"))
    remove(folder)
    return removed
