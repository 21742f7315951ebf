"""The pattern of patients' files on a card: ``{id}`` stands for the id, ``{id:03d}`` adds leading zeros to a number."""

from __future__ import annotations

import re

PLACE = r"\{id(:0[1-9]d)?\}"
"""The placeholder that a pattern must contain at least once."""


def file_of(pattern: str, patient: str) -> str:
    """Return the path of a patient's file; only ids that are whole numbers are padded with zeros.

    >>> file_of("images/{id:03d}_CT.nii.gz", "7"), file_of("{id}/CT.nii.gz", "P007")
    ('images/007_CT.nii.gz', 'P007/CT.nii.gz')
    """
    return re.sub(
        PLACE, lambda place: patient.zfill(int(place[1][2:-1])) if _padded(place, patient) else patient, pattern
    )


def _padded(place: re.Match[str], patient: str) -> bool:
    return place[1] is not None and patient.isdecimal()
