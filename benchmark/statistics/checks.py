"""Survival data as arrays: what every metric and test takes is checked here, in one way.

Wrong data raise a ValueError. What legal data cannot give is for each metric to say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def outcomes(time: ArrayLike, event: ArrayLike) -> tuple[Floats, Flags]:
    """Return times and events of n patients.

    Raises:
        ValueError: there is nobody, lengths differ, a time is not finite, or an event is neither 0 nor 1: R's coding
            of 1 and 2, text and NaN would all pass for events.
    """
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event)
    if t.ndim != 1 or len(t) == 0 or e.shape != t.shape:
        raise ValueError(f"time and event must have the same length, above 0, got {t.shape}, {e.shape}")
    if not np.isfinite(t).all():
        raise ValueError("time must be finite")
    codes = set(e.tolist())
    if not codes <= {0, 1}:
        shown = ", ".join(sorted(map(repr, codes))[:5])
        raise ValueError(f"event must be 0 or False (censored), or 1 or True (event), got {shown}")
    return t, e.astype(bool)


def positive(time: Floats) -> Floats:
    """Return times, of which none is 0 or less.

    Raises:
        ValueError: one is.
    """
    if (time <= 0).any():
        raise ValueError("time must be positive")
    return time


def seeds_of(risk: ArrayLike, patients: int) -> Floats:
    """Return risks of shape (n,) or (seeds, n) as (seeds, n).

    Raises:
        ValueError: another number of patients, or a risk is not finite.
    """
    r = np.atleast_2d(np.asarray(risk, dtype=np.float64))
    if r.ndim != 2 or r.shape[1] != patients:
        raise ValueError(f"risk needs the shape ({patients},) or (seeds, {patients}), got {np.shape(risk)}")
    if not np.isfinite(r).all():
        raise ValueError("risk must be finite: leave such patients out of all columns")
    return r


def one_risk(risk: ArrayLike, patients: int) -> Floats:
    """Return risks of shape (n,).

    Raises:
        ValueError: another shape, or a risk is not finite.
    """
    if np.ndim(risk) != 1:
        raise ValueError(f"risk needs the shape ({patients},), got {np.shape(risk)}")
    r: Floats = seeds_of(risk, patients)[0]
    return r


def rows_of_folds(fold: ArrayLike, patients: int) -> list[NDArray[np.intp]]:
    """Return the rows of each fold, in the order in which the folds appear: what a fold is called plays no part.

    Raises:
        ValueError: another number of patients, or a patient without a fold.
    """
    f = np.asarray(fold)
    if f.shape != (patients,):
        raise ValueError(f"fold needs the shape ({patients},), got {f.shape}")
    rows: dict[object, list[int]] = {}
    for row, name in enumerate(f.tolist()):
        if name is None or name != name:  # noqa: PLR0124  # NaN is not itself
            raise ValueError(f"fold must name the fold of every patient, got {name} in row {row}")
        rows.setdefault(name, []).append(row)
    return [np.array(members, dtype=np.intp) for members in rows.values()]
