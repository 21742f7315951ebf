"""Radiomics and Lasso-Cox, the paper's traditional benchmark (DeepMTS, section 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, MethodInfo, Published
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.linear import LinearHazard, Scaled

if TYPE_CHECKING:
    from sksurv.linear_model import CoxnetSurvivalAnalysis

INNER_FOLDS = 10
"""As cv.glmnet; fewer where there are fewer events."""
PENALTIES = 100
SMALLEST_PENALTY = 0.05
"""The path ends at this share of the penalty that leaves no feature: further down the fit of few events explodes."""


class RadiomicsLassoCox:
    """Drops redundant features, then fits a Lasso-Cox on the others and the clinical columns.

    The penalty is the one with the highest cross-validated partial likelihood (Verweij and van Houwelingen 1993, as
    cv.glmnet's deviance and ``lambda.min``).

    Args:
        redundancy: largest ``|Spearman's rho|`` that two features may have; clinical columns are exempt.
    """

    def __init__(self, *, redundancy: float = 0.7) -> None:
        self.redundancy = redundancy
        self._model = LinearHazard()

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and fit, on the training fold alone."""
        from survbench.features.clinical import ClinicalEncoder
        from survbench.features.selection import spearman_redundancy, univariate_cox

        if train.features is None:
            raise ValueError("radiomics-lasso-cox needs a cohort with features")
        table = train.features
        scaled = [Scaled.fit(name, table.values[:, i]) for i, name in enumerate(table.names)]
        values = np.column_stack([scale(table.values[:, i]) for i, scale in enumerate(scaled)])
        strength = univariate_cox(values, train.time, train.event)
        kept = spearman_redundancy(values, strength, threshold=self.redundancy)
        encoder = ClinicalEncoder.fit(train)
        design = np.hstack([values[:, kept], encoder.transform(train)])
        spread = np.where(design.std(axis=0) > 0, design.std(axis=0), 1.0)
        coefficients = lasso(design / spread, train.time, train.event) / spread
        # features that the Lasso left out need no place in the model
        chosen = [n for n in range(len(kept)) if coefficients[n] != 0]
        columns = [*chosen, *range(len(kept), len(coefficients))]
        features = [scaled[kept[n]] for n in chosen]
        self._model = LinearHazard.fit(encoder, features, coefficients[columns], train)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,); equal for all where the Lasso kept nothing."""
        return self._model.risk(cohort)

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times))."""
        return self._model.survival(cohort, times)

    def save(self, folder: Path) -> None:
        """Write the model, with the chosen features and their coefficients by name, as JSON."""
        self._model.save(folder)

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        self._model = LinearHazard.load(folder)
        return self


def lasso(design: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Lasso-Cox coefficients at the penalty with the highest cross-validated partial likelihood.

    Args:
        design: standardised columns, shape (n, p).
        time: months, shape (n,).
        event: shape (n,), at least two true.
    """
    from survbench.metrics import cox_loss

    varying = np.ptp(design, axis=0) > 0
    x = design[:, varying]
    coefficients = np.zeros(design.shape[1])
    if not varying.any():
        return coefficients
    whole = _path(x, time, event)
    penalties = whole.alphas_
    likelihood = np.zeros(len(penalties))
    folds = _inner_folds(event, min(INNER_FOLDS, int(event.sum())))
    for fold in np.unique(folds):
        kept = folds != fold
        path = _path(x[kept], time[kept], event[kept], penalties)
        for i, beta in enumerate(path.coef_.T):
            risk = x @ beta
            on_all = -cox_loss(time, event, risk) * event.sum()
            on_kept = -cox_loss(time[kept], event[kept], risk[kept]) * event[kept].sum()
            likelihood[i] += on_all - on_kept
    # ties go to the largest penalty, which comes first
    coefficients[varying] = whole.coef_[:, int(np.argmax(likelihood))]
    return coefficients


def _path(
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    penalties: NDArray[np.float64] | None = None,
) -> CoxnetSurvivalAnalysis:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    settings: dict[str, Any] = {"n_alphas": PENALTIES, "alpha_min_ratio": SMALLEST_PENALTY}
    if penalties is not None:
        settings = {"alphas": penalties}
    return CoxnetSurvivalAnalysis(l1_ratio=1.0, max_iter=1_000_000, **settings).fit(x, Surv.from_arrays(event, time))


def _inner_folds(event: NDArray[np.bool_], folds: int) -> NDArray[np.intp]:
    """Deal patients into folds in their order (by id), events and censored apart."""
    result = np.zeros(len(event), dtype=np.intp)
    for rows in (np.flatnonzero(event), np.flatnonzero(~event)):
        result[rows] = np.arange(len(rows)) % folds
    return result


INFO = MethodInfo(
    name="radiomics-lasso-cox",
    title="Radiomics + Lasso-Cox",
    family="radiomics",
    target="survbench.models.radiomics_lasso_cox:RadiomicsLassoCox",
    needs_fit=frozenset({"radiomics", "clinical"}),
    needs_predict=frozenset({"radiomics", "clinical"}),
    gives=frozenset({"risk", "survival"}),
    tags=frozenset({"paper", "table-2"}),
    published=Published(source="Meng et al., IEEE JBHI 26(9), 2022, Table II", c_index=0.696, external_c_index=0.675),
    reference="Tibshirani, Stat Med 16(4), 1997; van Griethuysen et al., Cancer Res 77(21), 2017",
)
