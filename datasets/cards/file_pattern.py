"""The pattern of a patient's files on a card: ``{id}`` stands for the id, ``{id:03d}`` for one with leading zeros."""

from __future__ import annotations

import re

PLACE = r"\{id(:0[1-9]d)?\}"
"""What a pattern holds at least once."""


def file_of(pattern: str, patient: str) -> str:
    """Return the path of a patient's file; an id that is not a whole number takes no zeros.

    >>> file_of("images/{id:03d}_CT.nii.gz", "7"), file_of("{id}/CT.nii.gz", "P007")
    ('images/007_CT.nii.gz', 'P007/CT.nii.gz')
    """
    return re.sub(
        PLACE, lambda place: patient.zfill(int(place[1][2:-1])) if _padded(place, patient) else patient, pattern
    )


def _padded(place: re.Match[str], patient: str) -> bool:
    return place[1] is not None and patient.isdecimal()
