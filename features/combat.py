"""ComBat: features of several centres on one scale, learned from the training fold (Johnson et al., Biostatistics 8(1),
2007).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import FeatureTable, UnlabelledCohort

Floats = NDArray[np.float64]
LEAST = 2
"""Patients of a centre, and values of a feature in a centre, from which a variance can be estimated."""
TOLERANCE = 1e-4
"""Relative change of shift and variance at which their estimates count as converged."""
MOST_STEPS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Combat:
    """Shift and scale of every feature in every centre, as ``x = mean + sd * (shift + scale * e)``.

    Attributes:
        names: the p features that are changed; all others stay as they are.
        mean, sd: over all centres, or of the reference centre, shape (p,).
        shift, scale: by centre, in units of ``sd``, shape (p,); without the reference centre, which stays as it is.
        reference: the centre whose scale is taken, or "". With one, patients of centres that are not known stay as they
            are, too; without one they are refused.
    """

    names: tuple[str, ...]
    mean: Floats
    sd: Floats
    shift: Mapping[str, Floats]
    scale: Mapping[str, Floats]
    reference: str = ""

    @classmethod
    def fit(cls, train: UnlabelledCohort) -> Self:
        """Learn from a training fold's features and centres, without covariates and without outcomes.

        Missing values are left out of every mean and variance. A feature that in some centre has fewer than two values,
        or the same value for all patients, is not changed.

        Raises:
            ValueError: there are no features, fewer than two centres have two patients, or a centre that cannot be
                estimated has no reference centre to go to.
        """
        if train.features is None:
            raise ValueError("ComBat changes features, and the cohort has none")
        reference, of = train.reference_centre, np.array(train.centres)
        centres = _estimable(Counter(map(str, of)), reference)
        x = np.where(np.isfinite(train.features.values), train.features.values, np.nan)
        varies = np.all([_varies(x[of == centre]) for centre in centres], axis=0)
        names = tuple(name for name, kept in zip(train.features.names, varies, strict=True) if kept)
        if len(names) < len(varies):
            message = "ComBat leaves %d of %d features as they are: they do not vary, or are missing, in a centre"
            log.warning(message, len(varies) - len(names), len(varies))
        blocks = {centre: x[of == centre][:, varies] for centre in centres}
        mean, sd = _overall(list(blocks.values()) if not reference else [blocks[reference]])
        estimates = {c: _shift_and_scale((block - mean) / sd) for c, block in blocks.items() if c != reference}
        return cls(
            names=names,
            mean=mean,
            sd=sd,
            shift={centre: shift for centre, (shift, _) in estimates.items()},
            scale={centre: scale for centre, (_, scale) in estimates.items()},
            reference=reference,
        )

    def applied(self, features: FeatureTable, centres: Sequence[str]) -> FeatureTable:
        """Return the features of patients of these centres on one scale; what is missing stays missing.

        Raises:
            ValueError: a patient's centre is not known and there is no reference centre.
        """
        unknown = sorted(set(centres) - self.shift.keys())
        if unknown and not self.reference:
            raise ValueError(
                f"ComBat knows the centres {', '.join(self.shift)} and not {', '.join(unknown)}. Train on patients of "
                "all centres, or name a 'reference_centre' in the cohort's card: patients of centres that are not "
                "known then keep their values."
            )
        of = np.array(centres)
        position = {name: n for n, name in enumerate(features.names)}
        columns = [position[name] for name in self.names]
        values = np.array(features.values, dtype=np.float64)
        for centre, shift in self.shift.items():
            rows = np.ix_(of == centre, columns)
            standard = (values[rows] - self.mean) / self.sd
            values[rows] = self.mean + self.sd * (standard - shift) / self.scale[centre]
        return FeatureTable(features.names, values)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "names": list(self.names),
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "shift": {centre: values.tolist() for centre, values in self.shift.items()},
            "scale": {centre: values.tolist() for centre, values in self.scale.items()},
            "reference": self.reference,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Restore the output of :meth:`to_json`."""

        def arrays(of: str) -> dict[str, Floats]:
            return {centre: np.array(values, dtype=np.float64) for centre, values in raw[of].items()}

        mean, sd = (np.array(raw[name], dtype=np.float64) for name in ("mean", "sd"))
        return cls(tuple(raw["names"]), mean, sd, arrays("shift"), arrays("scale"), raw["reference"])


def _estimable(sizes: Mapping[str, int], reference: str) -> list[str]:
    """Return the centres with enough patients, sorted."""
    enough = sorted(centre for centre, size in sizes.items() if size >= LEAST)
    few = sorted(sizes.keys() - set(enough))
    if reference and reference not in enough:
        raise ValueError(
            f"ComBat: the reference centre {reference!r} has {sizes.get(reference, 0)} patients in the training fold; "
            f"at least {LEAST} are needed. Correct 'reference_centre' in the cohort's card."
        )
    if few and not reference:
        raise ValueError(
            f"ComBat: of {', '.join(few)} the training fold has a single patient, from whom no variance can be "
            "estimated. Leave these patients out ('patients: without' in the card), or name a 'reference_centre': "
            "patients of other centres then keep their values."
        )
    if len(enough) < LEAST:
        raise ValueError("ComBat: at least two centres with two patients each are needed in the training fold.")
    return enough


def _varies(block: Floats) -> NDArray[np.bool_]:
    """Return which features have two different values, shape (p,)."""
    known = np.isfinite(block)
    lowest = np.where(known, block, np.inf).min(axis=0)
    highest = np.where(known, block, -np.inf).max(axis=0)
    varies: NDArray[np.bool_] = highest > lowest
    return varies


def _overall(blocks: list[Floats]) -> tuple[Floats, Floats]:
    """Return the mean of all patients, and the standard deviation (divisor n) about the means of their centres."""
    count = np.sum([np.isfinite(block).sum(axis=0) for block in blocks], axis=0)
    mean = np.sum([np.nansum(block, axis=0) for block in blocks], axis=0) / count
    squares = np.sum([np.nansum((block - np.nanmean(block, axis=0)) ** 2, axis=0) for block in blocks], axis=0)
    return mean, np.sqrt(squares / count)


def _shift_and_scale(z: Floats) -> tuple[Floats, Floats]:
    """Return a centre's shift and scale by parametric empirical Bayes over the features, or the centre's own mean and
    standard deviation where there is a single feature to learn from.

    Args:
        z: standardised features of the centre's patients, shape (n, p), NaN where missing.
    """
    count = np.isfinite(z).sum(axis=0)
    own_shift, own_variance = np.nanmean(z, axis=0), np.nanvar(z, axis=0, ddof=1)
    if z.shape[1] < LEAST:
        return own_shift, np.sqrt(own_variance)
    prior_mean, prior_variance = own_shift.mean(), own_shift.var(ddof=1)
    middle, spread = own_variance.mean(), own_variance.var(ddof=1)
    if spread == 0:  # the prior of the variances is one point
        shift = (prior_variance * count * own_shift + middle * prior_mean) / (prior_variance * count + middle)
        return shift, np.full_like(own_variance, np.sqrt(middle))
    a, b = (2 * spread + middle**2) / spread, (middle * spread + middle**3) / spread
    shift, variance = own_shift, own_variance
    for _ in range(MOST_STEPS):
        before = np.concatenate([shift, variance])
        shift = (prior_variance * count * own_shift + variance * prior_mean) / (prior_variance * count + variance)
        variance = (0.5 * np.nansum((z - shift) ** 2, axis=0) + b) / (count / 2 + a - 1)
        if np.all(np.abs(np.concatenate([shift, variance]) - before) <= TOLERANCE * np.abs(before)):
            break
    return shift, np.sqrt(variance)
