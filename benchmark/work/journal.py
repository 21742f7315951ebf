"""The journal of a search: a line for each step of it, with its checksum, so that damage to the file costs the search
at most the steps from there on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.io.hashing import digest

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

log = logging.getLogger(__name__)


def journal_storage(path: Path) -> JournalStorage:
    """Return Optuna's storage on a journal, which one process at a time may use.

    The journal is cut before the first line that is not as it was written: one that a kill or a full disk has cut off,
    or damage. The next record would be written onto it and lost, or a trial get another score.

    Raises:
        OSError: the file cannot be read or written.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    class Backend(BaseJournalBackend):
        def __init__(self, records: list[dict[str, Any]]) -> None:
            self._records = records

        def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
            return self._records[log_number_from:]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            text = "".join(f"{digest(record)} {json.dumps(record)}\n" for record in logs)
            with path.open("ab") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            self._records += logs

    return JournalStorage(Backend(_intact_records(path)))


def _intact_records(path: Path) -> list[dict[str, Any]]:
    """Return the records up to the first line that is not as it was written, and cut the file there."""
    records: list[dict[str, Any]] = []
    intact = 0
    if not path.exists():
        return records
    with path.open("rb") as stream:
        for line in stream:
            record = _record(line)
            if record is None:
                break
            records.append(record)
            intact += len(line)
    if intact < path.stat().st_size:
        log.warning("%s has a torn or damaged line; it and what follows are dropped", path)
        os.truncate(path, intact)
    return records


def _record(line: bytes) -> dict[str, Any] | None:
    """Return what stands in a line, or None if it is not as it was written."""
    checksum, _, text = line.partition(b" ")
    try:
        record: dict[str, Any] = json.loads(text)
        intact = line.endswith(b"\n") and checksum.decode() == digest(record)
    except (ValueError, TypeError, RecursionError):
        return None
    return record if intact else None
