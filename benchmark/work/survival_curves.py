"""Survival curves of a method that gives risks alone, calibrated on patients that its model has not seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.io.files import write_json
from survbench.io.layout import CurveSource
from survbench.runs.follow_up import FollowUp
from survbench.work.inputs import JobPatients
from survbench.work.predictions import Predicted, predict

if TYPE_CHECKING:
    from survbench.plan.job import FitJob

FILE = "calibration.json"
RIDGE = 1e-3
"""Per patient; keeps the slope finite where the risks of a few patients order them without a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCalibration:
    """A Cox model with one coefficient on the standardised risk, and Breslow's baseline hazard.

    Attributes:
        mean, sd: of the risks that it was fitted on.
        slope: log hazard ratio per standard deviation of risk; near 0 where the risk says nothing about new patients.
        months, cumulative: the baseline's cumulative hazard as steps.
        patients, events: that it was fitted on.
    """

    mean: float
    sd: float
    slope: float
    months: tuple[float, ...]
    cumulative: tuple[float, ...]
    patients: int
    events: int

    @classmethod
    def fit(cls, risk: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_]) -> Self | None:
        """Fit on patients that the model did not train on; None where their risks are all equal, or nobody
        has an event.

        Args:
            risk: shape (n,).
            time: months, shape (n,).
            event: shape (n,).
        """
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv

        if np.ptp(risk) == 0 or not event.any():
            return None
        mean, sd = float(risk.mean()), float(risk.std())
        cox = CoxPHSurvivalAnalysis(alpha=RIDGE * len(risk), ties="breslow")
        cox.fit(((risk - mean) / sd)[:, None], Surv.from_arrays(event, time))
        baseline = cox.cum_baseline_hazard_
        return cls(
            mean=mean,
            sd=sd,
            slope=float(cox.coef_[0]),
            months=tuple(map(float, baseline.x)),
            cumulative=tuple(map(float, baseline.y)),
            patients=len(risk),
            events=int(event.sum()),
        )

    def survival(self, risk: NDArray[np.float64], months: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``months``, shape (n, len(months)); after the last known time it stays level."""
        position = np.searchsorted(self.months, months, side="right")
        hazard = np.concatenate([[0.0], self.cumulative])[position]
        # clip the log hazard ratio: exp() would overflow, and infinity times a hazard of 0 is not a number
        relative = np.exp(np.clip(self.slope * (risk - self.mean) / self.sd, -100, 100))
        survival: NDArray[np.float64] = np.exp(-relative[:, None] * hazard)
        return survival

    def write(self, folder: Path) -> None:
        """Write ``calibration.json``."""
        write_json(folder / FILE, asdict(self))


def read_calibration(folder: Path) -> RiskCalibration | None:
    """Return the calibration that a fit has kept, or None."""
    if not (folder / FILE).is_file():
        return None
    raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    raw |= {name: tuple(raw[name]) for name in ("months", "cumulative")}
    return RiskCalibration(**raw)


def calibrate(
    method: Any, unseen: Sequence[str], job: FitJob, patients: JobPatients, follow_up: FollowUp, folder: Path
) -> None:
    """Keep what turns risks into survival curves, where the method gives none and there are patients whom it has not
    seen: those held out to select, or, of a method that learns nothing, the training fold.
    """
    if "survival" in job.gives or "risk" not in job.gives or not unseen:
        return
    risk = predict(method, patients.inputs(unseen, job.needs_predict), ("risk",)).risk
    calibration = None if risk is None else RiskCalibration.fit(risk, *follow_up.of(unseen))
    if calibration is not None:
        calibration.write(folder)


def with_curves(predicted: Predicted, fit: Path) -> CurveSource:
    """Add calibrated curves to risks without curves, where the fit in ``fit`` has kept how; say where they are from."""
    if predicted.survival is not None:
        return CurveSource.PREDICTED
    calibration = read_calibration(fit)
    if calibration is None or predicted.risk is None:
        return CurveSource.NONE
    predicted.survival = calibration.survival(predicted.risk, SURVIVAL_MONTHS)
    return CurveSource.CALIBRATED
