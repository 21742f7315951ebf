"""Folds inside a training fold, for choices that a learner makes while it is fitted, such as that of a penalty."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def dealt(event: NDArray[np.bool_], groups: Sequence[Hashable], *, folds: int) -> NDArray[np.intp]:
    """Deal groups, those with and without an event separately, to folds in turn.

    Args:
        event: of each row, shape (n,).
        groups: of each row; rows of one group, such as those of one patient, stay in one fold. Their order of
            appearance is that of dealing.
        folds: how many.

    Returns:
        The fold of each row, shape (n,); fold 0 has an event if there is one.
    """
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    result = np.zeros(len(event), dtype=np.intp)
    so_far = {True: 0, False: 0}
    for of_group in rows.values():
        happened = bool(event[of_group].any())
        result[of_group] = so_far[happened] % folds
        so_far[happened] += 1
    return result


def selection_folds(event: NDArray[np.bool_], groups: Sequence[Hashable], *, most: int) -> NDArray[np.intp]:
    """Return the fold of each row as :func:`dealt` does, with fewer than ``most`` folds if fewer groups have an event.

    Args:
        event: shape (n,), with events of at least two groups, so that no part of the folds is without one.
        groups: of each row.
        most: number of folds.
    """
    with_event = {group for group, happened in zip(groups, event, strict=True) if happened}
    return dealt(event, groups, folds=min(most, len(with_event)))
