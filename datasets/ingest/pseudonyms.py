"""Pseudonyms of patients: from a hash with a secret key, or from a table; either stays with the hospital.

Without the key nobody can compute the pseudonym of a known id. With it, an id gets the same pseudonym in every cohort,
so that a patient who is in two cohorts is recognised.
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
"""Column with the pseudonyms in a table of pseudonyms."""
_DIGITS = 12
_KEY_BYTES = 32
_ALLOWED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
"""Names that are valid file names on every system, and not formulas in a spreadsheet."""
_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)
"""Names that Windows reserves for devices."""

Naming = Callable[[str], str]
"""Returns the pseudonym of an id, or raises an :class:`ImageError` that says why there is none."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of patients, and the patients who get none.

    Attributes:
        of: pseudonyms by image id.
        refused: why there is no pseudonym, by image id.
    """

    of: Mapping[str, str]
    refused: Mapping[str, str]


def pseudonyms_of(patients: Collection[str], naming: Naming) -> Pseudonyms:
    """Return the pseudonyms of patients. Patients whose pseudonyms coincide get none, because they would share files.

    Args:
        patients: ids in the images.
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
            refused[patient] = "Another patient's id differs only in case. Correct the PatientID in the files."
        elif name.casefold() in ids:
            refused[patient] = "The pseudonym is an id in the images. Choose one that reveals nothing."
        elif counts[name.casefold()] > 1:
            refused[patient] = "Another patient gets the same pseudonym. Provide a table of pseudonyms (--pseudonyms)."
    return Pseudonyms({p: name for p, name in names.items() if p not in refused}, refused)


def by_key(key: bytes) -> Naming:
    """Return a naming function that uses a keyed hash; see :func:`pseudonym`."""
    return lambda patient: pseudonym(patient, key)


def by_table(table: Table, id_column: str) -> Naming:
    """Return a naming function that uses a table of ids and pseudonyms; ids are compared without regard to case.

    Args:
        table: one row per patient.
        id_column: the column with the ids used in the images; :data:`PSEUDONYM` is the other column.

    Raises:
        BenchError: a column is missing; an id or a pseudonym occurs twice; or a pseudonym is an id or cannot be a
            file name. The message names lines, not ids.
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
            wrong = "has a pseudonym that cannot be a file name. Use up to 64 letters (a to z), digits, '-' and '_'."
        elif id_counts[own] > 1:
            wrong = "repeats an id of another row. Keep one row per patient."
        elif name_counts[name.casefold()] > 1:
            wrong = "repeats a pseudonym of another row. Give each patient a different one."
        elif name.casefold() in id_counts:
            wrong = "has a pseudonym that is an id. Choose names that reveal nothing."
        if wrong:
            raise BenchError(f"Line {row.line} of the table of pseudonyms {wrong}")
    known = dict(zip(ids, names, strict=True))

    def name_of(patient: str) -> str:
        if plain(patient) not in known:
            raise ImageError("The table of pseudonyms has no row for the patient.", "Add the row, or correct the id.")
        return known[plain(patient)]

    return name_of


def refuse_inside(path: Path, folder: Path) -> None:
    """Refuse a file that links ids to pseudonyms inside a folder that is passed on.

    Raises:
        BenchError: the file is in the folder.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        raise BenchError(f"{path} is in {folder}. Keep it elsewhere: anyone who has it can recover ids.")


def read_or_make_key(path: Path, *, outside: Path) -> bytes:
    """Return the key in a file; if the file does not exist, create it with a new key, readable only by its owner.

    Args:
        path: the key file.
        outside: a folder that is passed on and therefore must not contain the key.

    Raises:
        BenchError: the key file is in that folder, is not a file, or contains no key.
    """
    refuse_inside(path, outside)
    if path.exists() and not path.is_file():
        raise BenchError(f"{path} is not a file. Give the file of the key, or a name at which to make it.")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES // 2:
        raise BenchError(f"{path} contains no key. Use a file that an earlier call created.")
    return key


def pseudonym(patient: str, key: bytes) -> str:
    """Return the pseudonym of an id, ``P`` and 12 hexadecimal digits.

    >>> pseudonym("HN-001", bytes(32))
    'P1ee7d0409439'
    """
    return "P" + hmac.new(key, patient.encode(), "sha256").hexdigest()[:_DIGITS]
