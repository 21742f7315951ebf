"""Survival curves of a proportional hazards model: Breslow's baseline hazard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Baseline:
    """Cumulative baseline hazard as a step function: ``cumulative[i]`` from ``times[i]`` (months) on, 0 before."""

    times: NDArray[np.float64]
    cumulative: NDArray[np.float64]

    @classmethod
    def fit(cls, time: NDArray[np.float64], event: NDArray[np.bool_], risk: NDArray[np.float64]) -> Self:
        """Estimate the hazard at each event time as events / sum of exp(risk) over the patients at risk.

        Args:
            time: months, shape (n,).
            event: shape (n,).
            risk: linear predictor, shape (n,).
        """
        times = np.unique(time[event])
        relative = np.exp(risk)
        steps = [float((event & (time == t)).sum()) / float(relative[time >= t].sum()) for t in times]
        return cls(times, np.cumsum(steps))

    def to_json(self) -> dict[str, list[float]]:
        """Return the steps as JSON."""
        return {"months": self.times.tolist(), "hazard": self.cumulative.tolist()}

    @classmethod
    def from_json(cls, raw: dict[str, list[float]]) -> Self:
        """Restore what :meth:`to_json` gave."""
        return cls(np.array(raw["months"], dtype=np.float64), np.array(raw["hazard"], dtype=np.float64))

    def survival(self, risk: NDArray[np.float64], months: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return S(t) = exp(-H0(t) exp(risk)), shape (n, len(months)); after the last event it stays level."""
        position = np.searchsorted(self.times, months, side="right")
        hazard = np.concatenate([[0.0], self.cumulative])[position]
        survival: NDArray[np.float64] = np.exp(-np.exp(risk)[:, None] * hazard)
        return survival
