"""Pseudonyms of patients: a hash with a key that stays with the hospital.

Without the key nobody can compute the pseudonym of a known id; with it, the same id has the same pseudonym in every
cohort, so that a patient who is in two of them is recognised.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from survbench.errors import BenchError

_DIGITS = 12
_KEY_BYTES = 32


def read_or_make_key(path: Path, *, outside: Path) -> bytes:
    """Return the key in a file; a file that does not exist is made, readable by its owner alone.

    Args:
        path: of the key.
        outside: the cohort's folder, which is passed on, so the key must not lie in it.

    Raises:
        BenchError: the key lies in the cohort, or the file holds no key.
    """
    if path.resolve().is_relative_to(outside.resolve()):
        raise BenchError(f"The key {path} lies in the cohort's folder. Keep it elsewhere: whoever has it can find ids.")
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES // 2:
        raise BenchError(f"{path} holds no key. Give the file that an earlier 'bench cohort ingest' made.")
    return key


def pseudonym(patient: str, key: bytes) -> str:
    """Return the pseudonym of an id, ``P`` and 12 hexadecimal digits.

    >>> pseudonym("HN-001", bytes(32))
    'P1ee7d0409439'
    """
    return "P" + hmac.new(key, patient.encode(), "sha256").hexdigest()[:_DIGITS]
