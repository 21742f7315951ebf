"""Inner folds of a training fold, for choices that a learner makes while it is fitted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def inner_folds(event: NDArray[np.bool_], patients: Sequence[Hashable], folds: int) -> NDArray[np.intp]:
    """Deal patients, with and without an event separately, to folds in turn; rows of one patient stay together.

    Args:
        event: of each row, shape (n,).
        patients: of each row; their order of appearance is that of dealing.
        folds: number of folds.

    Returns:
        The fold of each row, shape (n,); fold 0 has an event if there is one.
    """
    rows: dict[Hashable, list[int]] = {}
    for row, patient in enumerate(patients):
        rows.setdefault(patient, []).append(row)
    found = np.zeros(len(event), dtype=np.intp)
    dealt = {True: 0, False: 0}
    for of_patient in rows.values():
        happened = bool(event[of_patient].any())
        found[of_patient] = dealt[happened] % folds
        dealt[happened] += 1
    return found
