"""Discrete-time survival (Gensheimer and Narasimhan, PeerJ 7, 2019): intervals, likelihood, curves, and risk."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.models.engine.tensors import Output
from torch import Tensor

BREAKS_MONTHS = (0.0, 12.0, 24.0, 36.0, 60.0, 84.0, 120.0)
"""DeepMTS, section 4.4: the six intervals used for CNN-Survival and DLPM."""
INTERVALS = len(BREAKS_MONTHS) - 1
HORIZON = 3
"""Number of intervals up to 36 months; the published risk is 1 - S(36 months)."""
SMALLEST = 1e-7


def targets(time: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
    """Return which intervals each patient survived, and in which interval the event occurred.

    A censored patient counts as having survived an interval if followed beyond its middle. An event after the last
    break does not count in any interval.

    Args:
        time: months, shape (N,).
        event: boolean, shape (N,).

    Returns:
        Two tensors of 0 and 1, shape (N, intervals).
    """
    breaks = torch.tensor(BREAKS_MONTHS, dtype=time.dtype, device=time.device)
    lower, upper = breaks[:-1], breaks[1:]
    t, e = time[:, None], event[:, None]
    survived = torch.where(e, t >= upper, t >= (lower + upper) / 2)
    failed = e & (t >= lower) & (t < upper)
    return survived.to(time.dtype), failed.to(time.dtype)


def discrete_time_loss(conditional: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return the mean over patients of the negative log likelihood.

    Args:
        conditional: probability of surviving each interval given that it was reached, shape (N, intervals).
        time: months, shape (N,).
        event: boolean, shape (N,).

    Returns:
        Scalar.
    """
    survived, failed = (x.to(conditional.dtype) for x in targets(time, event))
    alive = 1 + survived * (conditional - 1)
    dead = 1 - failed * conditional
    return -(alive.clamp_min(SMALLEST).log() + dead.clamp_min(SMALLEST).log()).sum(dim=1).mean()


def discrete_time_term(output: Output, time: Tensor, event: Tensor) -> Tensor:
    """Return :func:`discrete_time_loss` of a network's output."""
    if output.conditional is None:
        raise ValueError("a discrete-time loss needs conditional survival")
    return discrete_time_loss(output.conditional, time, event)


def risk_at_horizon(conditional: Tensor) -> Tensor:
    """Return 1 - S(36 months), shape (N,)."""
    return 1 - conditional[:, :HORIZON].prod(dim=1)


def survival_curve(conditional: NDArray[np.float64], months: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return survival at ``months``, shape (n, len(months)); the hazard is constant within an interval.

    After the last break the curve stays level, because nothing is known beyond it.
    """
    log_survival = np.log(np.clip(conditional, SMALLEST, 1.0)).cumsum(axis=1)
    at_breaks = np.hstack([np.zeros((len(conditional), 1)), log_survival])
    rows = [np.interp(months, BREAKS_MONTHS, row) for row in at_breaks]
    curve: NDArray[np.float64] = np.exp(np.array(rows).reshape(len(conditional), len(months)))
    return curve
