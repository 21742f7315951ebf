"""Addresses of MLflow servers and databases without their secrets: whatever names an address in a file, on the
terminal or in an error names it as :func:`without_secrets` does.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, unquote_plus

SECRET_VARIABLES = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "DATABRICKS_TOKEN",
    "PGPASSWORD",
)
"""Variables of the environment with which MLflow and database drivers log in."""
_HIDDEN = "***"
_ON_DISK = re.compile(r"(sqlite(\+\w+)?:///|file:(///|(?!//)))", re.IGNORECASE)
"""Addresses of files. They name nobody, and an ``@`` in them belongs to a folder's name; but the query may hold a key,
and what stands where others name a host is the passphrase of an encrypted database.
"""


def without_secrets(uri: str) -> str:
    """Return an address without user, password, query and fragment.

    A password with an unescaped ``/``, ``?`` or ``#`` goes, too: all that stands before the last ``@`` does.

    >>> without_secrets("http://alice:s3cret@host:5000/mlflow?token=abc")
    'http://host:5000/mlflow'
    >>> without_secrets("postgresql://u:p/w@host/db"), without_secrets("sqlite:////home/me@work/mlflow.db")
    ('postgresql://host/db', 'sqlite:////home/me@work/mlflow.db')
    """
    scheme, _, rest = _parts(uri)
    return scheme + re.split(r"[?#]", rest, maxsplit=1)[0]


def masked(text: str, uri: str, environment: Mapping[str, str]) -> str:
    """Return text in which ``***`` stands for each secret of an address and of the environment.

    Args:
        text: for example of an error that MLflow raised.
        uri: the address, with its secrets.
        environment: of the process; see :data:`SECRET_VARIABLES`.
    """
    text = text.replace(uri, without_secrets(uri))
    for secret in sorted(set(_secrets(uri, environment)), key=len, reverse=True):
        edge = r"\b" if len(secret) < 4 else ""  # one letter is in every word
        text = re.sub(edge + re.escape(secret) + edge, _HIDDEN, text)
    return text


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite address; None for another address, and for a database in memory."""
    scheme, _, path = uri.partition(":///")
    path = unquote(path.partition("?")[0])
    return Path(path) if scheme.partition("+")[0].lower() == "sqlite" and path not in {"", ":memory:"} else None


def _parts(uri: str) -> tuple[str, str, str]:
    """Return the scheme of an address with its slashes, who logs in, and the rest."""
    on_disk = _ON_DISK.match(uri)
    if on_disk:
        return on_disk[0], "", uri[on_disk.end() :]
    scheme, slashes, rest = uri.partition("://")
    if not slashes:
        scheme, rest = "", uri
    user, _, host = rest.rpartition("@")
    return scheme + slashes, user, host


def _secrets(uri: str, environment: Mapping[str, str]) -> Iterator[str]:
    _, user, rest = _parts(uri)
    name, _, password = user.partition(":")
    query = re.split(r"[?#]", rest, maxsplit=1)[1:]
    values = [part.partition("=")[2] or part for part in re.split(r"[&;#]", query[0])] if query else []
    known = [user, name, password, *values, *(environment.get(variable, "") for variable in SECRET_VARIABLES)]
    for secret in filter(None, known):
        yield from (secret, unquote_plus(secret))
    yield from (base64.b64encode(login.encode()).decode() for login in (user, unquote_plus(user)) if login)
