"""The trials of a search as files, one for each, so that any process may run any of them.

Nothing is shared and nothing is locked: what a trial is follows from the seed of the search, its number and the trials
before its batch, so two processes that run the same one, on two machines even, write the same file.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from survbench.io.files import write_json
from survbench.io.hashing import digest
from survbench.io.layout import SCRATCH
from survbench.io.stored import CHECKSUM, UnreadableError, matching, read_stored
from survbench.work.process_limits import log_tail
from survbench.work.tuned import Trial

_TRIAL = "trial"
log = logging.getLogger(__name__)


class Trials:
    """The trials of one search that have ended.

    Args:
        out: the output folder.
        key: of the search's job, in whose scratch folder they are.
    """

    def __init__(self, out: Path, key: str) -> None:
        self._folder = out / SCRATCH / key / "trials"

    def read(self, number: int) -> Trial | None:
        """Return a trial, or None if it has not ended. A file that is not as it was written is removed, so that the
        trial runs again: what it was follows from the others.

        Raises:
            OSError: the file is there and cannot be read, which says nothing about what it holds.
        """
        path = self._path(number)
        try:
            return read_stored(path, lambda raw: Trial.model_validate(matching(raw, _TRIAL)))
        except FileNotFoundError:
            return None
        except UnreadableError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            log.warning("%s The trial runs again.", error)
            path.unlink(missing_ok=True)
            return None

    def write(self, trial: Trial) -> None:
        """Keep a trial that has ended.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        content = trial.model_dump(mode="json")
        write_json(self._path(trial.number), {_TRIAL: content, CHECKSUM: digest(content)})
        self._attempts(trial.number).unlink(missing_ok=True)

    def begin(self, number: int) -> int:
        """Note an attempt at a trial, and return how many attempts before it were cut off."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._attempts(number).open("ab") as stream:
            before = stream.tell()
            stream.write(b".")
        return before

    def forgive(self, number: int | None = None) -> None:
        """Forget the attempts at a trial, or at all trials, which something else than their params has ended."""
        for path in self._folder.glob("*.attempts") if number is None else [self._attempts(number)]:
            path.unlink(missing_ok=True)

    def count(self) -> int:
        """Return how many trials have ended."""
        return len(list(self._folder.glob("trial-*.json")))

    def clear(self) -> None:
        """Forget all trials."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def log_of(self, number: int) -> Path:
        """Return the path of what a trial printed that had a process of its own."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"trial-{number}.log"

    def taken_log(self, number: int) -> str:
        """Return what such a trial printed, or "", and forget it."""
        path = self.log_of(number)
        text = log_tail(path)
        path.unlink(missing_ok=True)
        return text

    def _path(self, number: int) -> Path:
        return self._folder / f"trial-{number}.json"

    def _attempts(self, number: int) -> Path:
        """Return the file that holds a byte for each attempt at a trial that has not ended."""
        return self._folder / f"trial-{number}.attempts"
