"""An ensemble: the mean of other rows' standardised risks, made from their stored predictions.

A risk is standardised by the mean and standard deviation (divisor n) of the out-of-fold risks of the model that gave
it. The patients of an external cohort are therefore scaled by what the model said of its own test fold, and the risk
of one of them does not depend on the others. That holds whatever standardises the external risks of the members' own
rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.evaluation.standardised import standardised

Array = NDArray[np.float64]
Models = Sequence[Sequence[Array]]
"""By seed and fold, the standardised risks that a fold's model gives an external cohort, shape (m,). A method without
seeds has one, and a single outside model one fold.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A row of an ensemble.

    Attributes:
        risk: out-of-fold risks, shape (seeds, n).
        outside: of the external cohort; None where the row does not predict it.
    """

    risk: Array
    outside: Models | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The risks of an ensemble.

    Attributes:
        risk: out-of-fold risks, shape (seeds, n).
        external: risks of the external cohort, shape (seeds, m); None unless all members predict it.
        constant: by name, the number of a member's fits that were left out, because they gave their whole test fold
            the same risk.
    """

    risk: Array
    external: Array | None
    constant: Mapping[str, int]


def mean_risk(standardised_risks: Sequence[Array]) -> Array:
    """Return the mean over the members that rank patients, shape (n,); 0 if none does."""
    risks = np.stack(standardised_risks)
    known = ~np.isnan(risks)
    mean: Array = np.where(known, risks, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def combine(members: Mapping[str, Member], fold: NDArray[np.int64]) -> Ensemble:
    """Return the ensemble of some rows.

    Args:
        members: by name, with out-of-fold risks of the same n patients.
        fold: that tests each patient, shape (n,).
    """
    seeds, folds = max(len(m.risk) for m in members.values()), np.unique(fold)
    risk, constant = np.empty((seeds, len(fold))), Counter[str]()
    for seed in range(seeds):
        for tested in (fold == k for k in folds):
            own = {name: _of(m.risk, seed)[tested] for name, m in members.items()}
            scaled = {name: standardised(values, values) for name, values in own.items()}
            risk[seed, tested] = mean_risk(list(scaled.values()))
            fitted = [name for name, m in members.items() if seed < len(m.risk)]
            constant.update(name for name in fitted if np.isnan(scaled[name]).any())
    outside = [m.outside for m in members.values() if m.outside is not None]
    external = None
    if len(outside) == len(members):
        of_folds = [
            [mean_risk([_of(_of(models, seed), k) for models in outside]) for k in range(len(folds))]
            for seed in range(seeds)
        ]
        external = np.mean(of_folds, axis=1)
    return Ensemble(risk=risk, external=external, constant=constant)


def _of(values: Sequence[Any] | Array, number: int) -> Any:
    """Return what belongs to a seed or fold; where there is one for all, that."""
    return values[number if len(values) > 1 else 0]
