"""Run folders: the only truth. A run is done when its ``DONE`` file, written last, names every file with its checksum.

Layout of an output folder::

    runs/<key>/       job.json run.json predictions.parquet curves.parquet selected.json learning.json examples.npz
                      model/ log.txt DONE
    scratch/<key>/    what an unfinished job needs to continue: checkpoints of a fit, the trials of a search
    cohorts/<key>/    inputs.json features.npz outcomes.json truth.json of a prepared cohort
    cache/            preprocessed volumes and radiomics by content
    studies/<name>/   study.json (which runs make a board), the board's files, and site/
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.io.checksums import altered, checksums
from survbench.io.files import PART as FILE_PART
from survbench.io.files import flush, named_if_full, write_json
from survbench.io.holding import held
from survbench.io.layout import CACHE, COHORTS, LEARNING, RUNS, SCHEMA, SCRATCH, SELECTED, Ending
from survbench.io.stored import UnreadableError, checked, read_stored, with_checksum
from survbench.io.study_files import STUDIES
from survbench.plan.job import Job, job_from_json
from survbench.runs.predictions import read_predictions
from survbench.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

JOB, RECORD, CURVES, LOG, DONE = "job.json", "run.json", "curves.parquet", "log.txt", "DONE"
MODEL = "model"
"""The folder of a run's model in the run's folder."""
PART = ".part-"
"""Between a run's key and a random word: a folder that is being written, or that a killed process was writing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What is stored of one job."""

    key: str
    folder: Path
    job: Job
    record: RunRecord

    @property
    def status(self) -> Ending:
        """How the job ended."""
        return self.record.status

    @property
    def settings(self) -> Mapping[str, Any]:
        """All arguments that the method was made with; what its training fold decided stands in their place."""
        return {**self.record.params, **self.record.settings}

    def predictions(self) -> pd.DataFrame:
        """Return the predictions; see :func:`survbench.runs.predictions.read_predictions`."""
        return read_predictions(self.folder)

    def curves(self) -> pd.DataFrame:
        """Return the curves: ``step split metric value``, ``split`` being ``train`` or ``test``."""
        import pandas as pd

        return pd.read_parquet(self.folder / CURVES)

    def selected(self) -> Mapping[str, float] | None:
        """Return the weight of every feature and clinical column by name (0 where it was left out), or None."""
        return self._told(SELECTED)

    def learning(self) -> Mapping[str, Any] | None:
        """Return what the fit has made of its training fold, as in ``learning.json``, or None."""
        return self._told(LEARNING)

    def _told(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file that not every method leaves, or None."""
        path = self.folder / name
        if not path.is_file():
            return None
        return read_stored(path, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """What the process of a job has left in a temporary folder, which :meth:`Store.sealing` turns into a run."""

    folder: Path
    record: RunRecord


def write_run(folder: Path, job: Job, record: RunRecord) -> None:
    """Write ``job.json`` and ``run.json``."""
    write_json(folder / JOB, job.model_dump(mode="json"))
    write_json(folder / RECORD, record.to_json())


def read_job(folder: Path) -> Job | None:
    """Return the job of a run's folder, or None where there is none that can be read."""
    try:
        return read_stored(folder / JOB, job_from_json)
    except (FileNotFoundError, UnreadableError):
        return None


class Store:
    """Reads and writes the runs under one output folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Return the folder of a run, which may not exist."""
        return self.root / RUNS / key

    def scratch(self, key: str) -> Path:
        """Return (and make) the folder in which a fit keeps its checkpoints until it is done."""
        folder = self.root / SCRATCH / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def read(self, key: str) -> Run | None:
        """Return a run, done or failed, or None."""
        folder = self.folder(key)
        job = read_job(folder)
        try:
            record = read_stored(folder / RECORD, RunRecord.model_validate)
        except (FileNotFoundError, UnreadableError):
            return None
        return None if job is None else Run(key, folder, job, record)

    def is_done(self, key: str, *, with_model: bool = False) -> bool:
        """Say whether a run is complete and its files are as they were written.

        A damaged file is named in a warning, and the run counts as not done. The model is checked only on demand,
        because it can be large.
        """
        return self._is_intact(key, lambda name: with_model or not is_of_model(name))

    def has_model(self, key: str) -> bool:
        """Say whether the model of a complete run, and what it was made with, are as they were written. No other file
        of the run is opened: one of them holds outcomes.
        """
        return self._is_intact(key, lambda name: name in {JOB, RECORD} or is_of_model(name))

    def _is_intact(self, key: str, concerns: Callable[[str], bool]) -> bool:
        damaged = next(self.damaged(key, concerns), None)
        if damaged is not None:
            log.warning("%s is missing or was changed after it was written; the job runs again", damaged)
        return damaged is None and self.is_sealed(key)

    def is_sealed(self, key: str) -> bool:
        """Say whether a run was completed, without a look at its files."""
        return (self.folder(key) / DONE).exists()

    def sealed_files(self, key: str) -> dict[str, str]:
        """Return the SHA-256 of the files of a complete run by their path in its folder.

        Raises:
            UnreadableError: the seal is damaged.
        """
        return read_stored(self.folder(key) / DONE, _sealed_files)

    def damaged(self, key: str, concerns: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
        """Yield those files of a complete run that are not as they were written; none of a run that is not complete.

        Args:
            key: of the run.
            concerns: says of a file's path below the run's folder whether it is looked at.
        """
        folder = self.folder(key)
        if not self.is_sealed(key):
            return
        try:
            files = self.sealed_files(key)
        except UnreadableError:
            yield folder / DONE
            return
        yield from altered(folder, {name: checksum for name, checksum in files.items() if concerns(name)})

    @contextmanager
    def writing(self, key: str, elsewhere: Mapping[str, str] | None = None) -> Iterator[Path]:
        """Give a temporary folder to fill; without an exception it becomes the run's folder, sealed, in one rename. The
        seal also names files of the run that are kept ``elsewhere``, by path with their SHA-256.
        """
        with self.filling(key) as part, self.sealing(part, key, elsewhere):
            yield part

    @contextmanager
    def filling(self, key: str) -> Iterator[Path]:
        """Give a temporary folder to fill. It stays, to be sealed later by :meth:`sealing`; an exception removes it."""
        (self.root / RUNS).mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{key}{PART}", dir=self.root / RUNS))
        try:
            with named_if_full(part):
                yield part
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    @contextmanager
    def sealing(self, part: Path, key: str, elsewhere: Mapping[str, str] | None = None) -> Iterator[None]:
        """Add to a filled folder. If the block ends without an exception, the folder is sealed and becomes the run's
        folder in one rename, and the job's scratch folder is removed. An exception removes only the filled folder.
        """
        try:
            with named_if_full(part):
                yield
                self._seal(part, elsewhere or {})
                self._replace(part, key)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.root / SCRATCH / key, ignore_errors=True)

    def record_failure(self, job: Job, record: RunRecord, log_text: str) -> None:
        """Store how a job failed. Such a run is never taken for done: the next run tries it again. An earlier result of
        the same job, which equals what this one would have given, is kept.
        """
        if self.is_done(job.key):
            why = "" if record.error is None else f" ({record.error.type}: {record.error.message})"
            log.warning("%s ended as %s%s; its earlier result is kept", job.label, record.status, why)
            return
        with self.filling(job.key) as part:
            write_run(part, job, record)
            (part / LOG).write_text(log_text, encoding="utf-8")
            self._replace(part, job.key)

    def clear_leftovers(self) -> None:
        """Remove what killed writers left behind; call it under :meth:`lock`, which all writers hold."""
        for part in (self.root / RUNS).glob(f"*{PART}*"):
            shutil.rmtree(part, ignore_errors=True)
        for part in self.half_written():
            remove(part)

    def half_written(self) -> list[Path]:
        """Return what of the cache, of prepared cohorts and of studies is being written, or was when its process was
        killed.
        """
        folders = [self.root / name for name in (CACHE, COHORTS, STUDIES)]
        walked = (step for folder in folders for step in os.walk(folder))  # which passes over what is gone meanwhile
        names = (Path(parent, name) for parent, *below in walked for name in chain(*below))
        return sorted(path for path in names if path.name.endswith(FILE_PART))

    def clear_scratch(self, keys: Iterable[str]) -> None:
        """Remove what unfinished jobs have kept to go on from: checkpoints of fits and trials of searches."""
        for key in keys:
            shutil.rmtree(self.root / SCRATCH / key, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the output folder, so that two runs never write into it at once; a dead holder's lock is free.

        Raises:
            BenchError: another process holds it; the message says which.
        """
        with held(self.root):
            yield

    def _seal(self, part: Path, elsewhere: Mapping[str, str]) -> None:
        files = sorted(p for p in part.rglob("*") if p.is_file())
        sums = {**checksums(part, files), **elsewhere}
        for path in files:
            flush(path)
        write_json(part / DONE, with_checksum({"schema": SCHEMA, "files": sums}))
        flush(part / DONE)

    def _replace(self, part: Path, key: str) -> None:
        target = self.folder(key)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{key}{PART}", dir=self.root / RUNS))
            target.rename(old / "replaced")
            part.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            part.rename(target)
        flush(target.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder, which may be gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sealed_files(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums that a seal holds; one that does not name the job and its record is damaged."""
    files = dict[str, str](checked(raw)["files"])
    return {**files, JOB: files[JOB], RECORD: files[RECORD]}


def is_of_model(name: str) -> bool:
    """Return whether a file of a run, by its path in the run's folder, belongs to the model."""
    return name.startswith(f"{MODEL}/")


def no_curves() -> pd.DataFrame:
    """Return the curves of a fit that reports none."""
    import pandas as pd

    kinds = {"step": "int64", "split": "string", "metric": "string", "value": "float64"}
    return pd.DataFrame(columns=list(kinds)).astype(kinds)
