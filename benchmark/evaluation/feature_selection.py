"""Which features the fits of a method kept, with what weight, and how stable that is: a pure function of runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.errors import BenchError, UnknownNameError
from survbench.io.files import finite
from survbench.io.layout import SELECTED, Status
from survbench.plan.job import FitJob
from survbench.plan.study import Entry, Study
from survbench.runs.store import Run, Store

TOP = 20
"""Columns that tables and plots show; CSV and JSON hold all."""


class NoSelectionError(BenchError):
    """A method has nothing to show: it does not tell, is not complete, or its folds have no columns in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptColumn:
    """A feature or clinical column that at least one fit kept.

    Attributes:
        kept: fits that kept it.
        mean_weight: mean over those fits of its coefficient or importance.
        sign_agreement: share of those fits whose weight has the more frequent sign.
        weights: one per fit, 0 where it was left out.
    """

    name: str
    kept: int
    mean_weight: float
    sign_agreement: float
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSelection:
    """What the fits of a method kept.

    Attributes:
        fits: (seed, fold) of each fit, in the order of ``KeptColumn.weights``.
        candidates: features and clinical columns that a fit could keep.
        mean_kept: columns kept, a mean over fits.
        stability: :func:`stability_index` over the folds of a seed (seeds of one fold see the same patients), averaged
            over seeds; None where all fits of a seed keep nothing, or everything.
        columns: the most often kept first, then the largest mean weight.
    """

    method: str
    title: str
    fits: tuple[tuple[int, int], ...]
    candidates: int
    mean_kept: float
    stability: float | None
    columns: tuple[KeptColumn, ...]


def stability_index(kept: NDArray[np.bool_]) -> float:
    """Return how alike several selections are (Nogueira, Sechidis and Brown, JMLR 18(174), 2018).

    With p_f the share of the M selections that keep column f, s_f^2 = M / (M - 1) p_f (1 - p_f), d columns and k of
    them kept on average, it is 1 - mean_f(s_f^2) / (k/d (1 - k/d)): 1 if all selections are the same, about 0 if each
    keeps as many columns at random, however many they are; never below -1 / (M - 1).

    Args:
        kept: shape (M, d), M at least 2.

    Returns:
        NaN where nothing, or everything, is kept throughout.

    >>> round(stability_index(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)), 4)
    0.3333
    """
    share = kept.mean()
    if share in {0.0, 1.0}:
        return np.nan
    return float(1 - kept.var(axis=0, ddof=1).mean() / (share * (1 - share)))


def selection(study: Study, store: Store, method: str) -> FeatureSelection:
    """Return what a method of a study kept.

    Raises:
        UnknownNameError: the method is not in the study.
        NoSelectionError: there is nothing to show; the message says why.
    """
    entries = {entry.name: entry for entry in study.entries}
    if method not in entries:
        raise UnknownNameError("method of this study", method, entries, see="'bench status'")
    return _selection(entries[method], store)


def selections(study: Study, store: Store) -> tuple[FeatureSelection, ...]:
    """Return what the methods of a study kept, without those that have nothing to show."""
    found = []
    for entry in study.entries:
        with suppress(NoSelectionError):
            found.append(_selection(entry, store))
    return tuple(found)


def _selection(entry: Entry, store: Store) -> FeatureSelection:
    runs = _runs(entry, store)
    told = [run.selected() or {} for run in runs]
    names = sorted({name for weights in told for name in weights})
    table = np.array([[weights.get(name, 0.0) for name in names] for weights in told]).reshape(len(told), len(names))
    kept = table != 0
    seeds = len(entry.fits)
    stability = np.mean([stability_index(of_seed) for of_seed in kept.reshape(seeds, -1, len(names))])
    columns = [_column(name, table[:, i]) for i, name in enumerate(names) if kept[:, i].any()]
    return FeatureSelection(
        method=entry.name,
        title=entry.title,
        fits=tuple((seed, fold) for seed, keys in enumerate(entry.fits) for fold in range(len(keys))),
        candidates=len(names),
        mean_kept=float(kept.sum(axis=1).mean()),
        stability=finite(stability),
        columns=tuple(sorted(columns, key=lambda c: (-c.kept, -abs(c.mean_weight), c.name))),
    )


def _runs(entry: Entry, store: Store) -> Sequence[Run]:
    """Return the fits of a method, in the order of seeds and folds.

    Raises:
        NoSelectionError: as :func:`selection`.
    """
    if entry.members:
        raise NoSelectionError(f"{entry.name} averages the risks of {', '.join(entry.members)}; ask for one of them.")
    keys = [key for seed in entry.fits for key in seed]
    runs = [run for key in keys if (run := store.read(key)) is not None and run.status == Status.OK]
    if runs and not (runs[0].folder / SELECTED).is_file():
        raise NoSelectionError(f"{entry.name} does not say which features it keeps: its class has no 'selected'.")
    done = [run for run in runs if store.is_done(run.key)]
    if not keys or len(done) < len(keys):
        why = entry.skipped or f"{len(done)} of {len(keys)} fits are done"
        raise NoSelectionError(f"{entry.name} is not complete: {why}. 'bench status' shows what is missing.")
    if isinstance(done[0].job, FitJob) and done[0].job.upstream:
        raise NoSelectionError(
            f"{entry.name} takes its features from another network in every fold, so that no two folds have one in "
            f"common. What each fit kept is in its run folder, in {SELECTED}."
        )
    return done


def _column(name: str, weights: NDArray[np.float64]) -> KeptColumn:
    kept = weights[weights != 0]
    positive = float((kept > 0).mean())
    return KeptColumn(
        name=name,
        kept=len(kept),
        mean_weight=float(kept.mean()),
        sign_agreement=max(positive, 1 - positive),
        weights=tuple(float(weight) for weight in weights),
    )
