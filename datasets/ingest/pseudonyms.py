"""Pseudonyms of patients: a hash with a key that stays with the hospital, or a table that does.

Without the key nobody can compute the pseudonym of a known id; with it, the same id has the same pseudonym in every
cohort, so that a patient who is in two of them is recognised.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.ingest.hospital_table import plain, require_columns
from survbench.datasets.readers.errors import ImageError
from survbench.errors import BenchError
from survbench.io.tables import Table

PSEUDONYM = "Pseudonym"
"""Column of a table of pseudonyms, beside that of the ids."""
_DIGITS = 12
_KEY_BYTES = 32
_ALLOWED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
"""What is a name of a file on every system, and no formula in a spreadsheet."""
_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the first dot."""

Naming = Callable[[str], str]
"""Gives the pseudonym of an id, or raises an :class:`ImageError` that says why there is none."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Who is called what, and who cannot be.

    Attributes:
        of: pseudonyms, by the ids of the images.
        refused: why there is none, by the other ids.
    """

    of: Mapping[str, str]
    refused: Mapping[str, str]


def pseudonyms_of(patients: Collection[str], naming: Naming) -> Pseudonyms:
    """Return the pseudonyms of patients. Those who would share one get none, for they would share their files.

    Args:
        patients: ids of the images.
        naming: see :data:`Naming`.
    """
    names: dict[str, str] = {}
    refused: dict[str, str] = {}
    for patient in patients:
        try:
            names[patient] = naming(patient)
        except ImageError as error:
            refused[patient] = str(error)
    counts = Counter(name.casefold() for name in names.values())
    ids = Counter(plain(patient) for patient in patients)
    for patient, name in names.items():
        if ids[plain(patient)] > 1:
            refused[patient] = "Another patient's id differs in case alone. Correct the PatientID in the files."
        elif name.casefold() in ids:
            refused[patient] = "The pseudonym is an id of the images. Choose one that tells nothing."
        elif counts[name.casefold()] > 1:
            refused[patient] = "Another patient gets the same pseudonym. Give pseudonyms in a table (--pseudonyms)."
    return Pseudonyms({p: name for p, name in names.items() if p not in refused}, refused)


def by_key(key: bytes) -> Naming:
    """Return the naming by a keyed hash; see :func:`pseudonym`."""
    return lambda patient: pseudonym(patient, key)


def by_table(table: Table, id_column: str) -> Naming:
    """Return the naming by a table of ids and pseudonyms; ids are compared without regard to case.

    Args:
        table: a row per patient.
        id_column: the column of the ids that the images have, beside :data:`PSEUDONYM`.

    Raises:
        BenchError: a column is missing; an id or a pseudonym stands twice; a pseudonym cannot be a file's name, or is
            an id. Lines are named, not ids.
    """
    require_columns(table, (id_column, PSEUDONYM), called="The table of pseudonyms")
    ids = [plain(row.cells[id_column]) for row in table.rows]
    names = [row.cells[PSEUDONYM].strip() for row in table.rows]
    id_counts, name_counts = Counter(ids), Counter(name.casefold() for name in names)
    for row, own, name in zip(table.rows, ids, names, strict=True):
        wrong = ""
        if not own:
            wrong = "has no id. Fill it in, or remove the row."
        elif not _ALLOWED.fullmatch(name) or _DEVICES.fullmatch(name):
            wrong = "has a pseudonym that cannot be a file's name. Use up to 64 letters (a to z), digits, '-' and '_'."
        elif id_counts[own] > 1:
            wrong = "has an id that another row has. Keep one row per patient."
        elif name_counts[name.casefold()] > 1:
            wrong = "has a pseudonym that another row has. Give each patient one of its own."
        elif name.casefold() in id_counts:
            wrong = "has a pseudonym that is an id. Choose names that tell nothing."
        if wrong:
            raise BenchError(f"Line {row.line} of the table of pseudonyms {wrong}")
    known = dict(zip(ids, names, strict=True))

    def name_of(patient: str) -> str:
        if plain(patient) not in known:
            raise ImageError("The table of pseudonyms has no row of the patient.", "Add it, or correct the id.")
        return known[plain(patient)]

    return name_of


def refuse_inside(path: Path, folder: Path) -> None:
    """Refuse a file of who is who that lies in a folder that is passed on.

    Raises:
        BenchError: it does.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        raise BenchError(f"{path} lies in {folder}. Keep it elsewhere: whoever has it can find ids.")


def read_or_make_key(path: Path, *, outside: Path) -> bytes:
    """Return the key in a file; a file that does not exist is made, readable by its owner alone.

    Args:
        path: of the key.
        outside: a folder that is passed on, so the key must not lie in it.

    Raises:
        BenchError: the key lies in that folder, or the file holds no key.
    """
    refuse_inside(path, outside)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES // 2:
        raise BenchError(f"{path} holds no key. Give a file that an earlier call has made.")
    return key


def pseudonym(patient: str, key: bytes) -> str:
    """Return the pseudonym of an id, ``P`` and 12 hexadecimal digits.

    >>> pseudonym("HN-001", bytes(32))
    'P1ee7d0409439'
    """
    return "P" + hmac.new(key, patient.encode(), "sha256").hexdigest()[:_DIGITS]
