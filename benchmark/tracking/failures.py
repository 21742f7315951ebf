"""Why MLflow cannot be read or written, in a sentence for the user: MLflow and its drivers answer with SQL and URLs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from survbench.tracking.address import masked, without_secrets

LOCK_WAIT_S = 10.0
"""Time that another program gets to finish what it writes into a database."""
_DELETE = "delete it"
_OF_DATABASES = re.compile(r"(postgresql|mysql|mssql)\b")
_SERVER = (
    (r"error code 40[13]\b", "refuses the login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    (r"authentication failed|Access denied", "refuses the login: correct user and password in the address"),
    (r"error code 404\b|valid JSON|JSONDecodeError", "is not an MLflow server: correct the address"),
    (r"nsupported.*URI", "cannot be used: give an address that begins with http://, https:// or sqlite:///"),
    (r"error code 5\d\d\b|too many 5\d\d", "has an error of its own: its log says which"),
    (
        r"API request to|Max retries|ConnectionError|OperationalError",
        "does not answer: start it, or correct the address",
    ),
    (r"Can't locate revision|out-of-date database schema", "is of another version of MLflow: install that"),
)
"""What the text of an error means for a server or a database that others manage; the first that fits."""


class TrackingError(Exception):
    """MLflow cannot be written; nothing else is affected."""


def check_database(path: Path, *, own: bool) -> None:
    """Refuse an SQLite file that MLflow could not write into; one that does not exist is fine.

    Args:
        path: of the file.
        own: whether it is the output folder's own, which can be made again from the runs.

    Raises:
        TrackingError: it is not a database, damaged, locked, or cannot be written.
    """
    if not path.exists():
        return
    if path.is_dir():
        raise TrackingError(f"{path} is a folder, not a database: move it away.")
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=LOCK_WAIT_S)
        try:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise TrackingError(_of_sqlite(path, str(error), own=own)) from None
    if answer != "ok":
        raise TrackingError(_of_sqlite(path, answer, own=own))


def check_connection(uri: str) -> None:
    """Connect once to a database server: MLflow itself would try ten times, which takes minutes."""
    if _OF_DATABASES.match(uri):
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        create_engine(uri, poolclass=NullPool).connect().close()


def explained(error: Exception, uri: str, environment: Mapping[str, str], *, own: bool) -> str:
    """Return what an exception of MLflow means, and what to do, without SQL and without secrets.

    Args:
        error: what MLflow or a database driver raised.
        uri: the address, with its secrets.
        environment: of the process, see :func:`survbench.tracking.address.masked`.
        own: see :func:`check_database`.
    """
    place, text = without_secrets(uri), f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        return f"{place} needs the Python package {error.name}: install it."
    if uri.startswith("sqlite"):
        if re.search(r"is locked|malformed|not a database|readonly|unable to open", text):
            return _of_sqlite(place, text, own=own)
        if own and "Can't locate revision" in text:
            return f"{place} is of another version of MLflow: {_DELETE}."
    else:
        for pattern, meaning in _SERVER:
            if re.search(pattern, text):
                return f"{place} {meaning}."
    first = re.split(r"\n|\[SQL|\(Background on", masked(text, uri, environment), maxsplit=1)[0].strip()
    return f"{place}: {first[:200].rstrip('.')}."


def _of_sqlite(place: Path | str, text: str, *, own: bool) -> str:
    """Return the sentence that goes with SQLite's own words."""
    if "locked" in text:
        return f"{place} is locked by another program: close that."
    if "readonly" in text or "unable to open" in text:
        return f"{place} cannot be opened or written: change its permissions, or those of its folder."
    return f"{place} is damaged: {_DELETE if own else 'restore it, or give another with --tracking-uri'}."
