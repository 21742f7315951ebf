"""The losses of DeepMTS (section 3.4): Dice, Cox partial likelihood, and the L2 penalty of the dense layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from survbench.models.engine.tensors import Labelled, Output
from torch import Tensor

DiceDenominator = Literal["squared", "linear"]
SurvivalLoss = Callable[[Output, Tensor, Tensor], Tensor]

EMPTY = 1e-5
"""Smallest Dice denominator: an empty mask with an empty prediction gives loss 0 instead of 0/0."""


def dice_loss(probability: Tensor, mask: Tensor, *, denominator: DiceDenominator = "squared") -> Tensor:
    """Return the negative soft Dice coefficient (equation 2), per patient and then averaged; from -1 (best) to 0.

    Args:
        probability: tumour probability, shape (N, 1, X, Y, Z).
        mask: tumour mask, boolean or 0/1, same shape.
        denominator: ``squared`` as in the paper, sum(p^2) + sum(g^2); ``linear`` as in the published program,
            sum(p) + sum(g).

    Returns:
        Scalar.

    >>> p = torch.full((1, 1, 1, 1, 2), 0.5)
    >>> dice_loss(p, torch.tensor([1, 0]).reshape(p.shape))
    tensor(-0.6667)
    """
    p = probability.flatten(1)
    g = mask.flatten(1).to(p.dtype)
    volumes = (p.square() + g.square()) if denominator == "squared" else (p + g)
    return -(2 * (p * g).sum(1) / volumes.sum(1).clamp_min(EMPTY)).mean()


def cox_loss(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return the Cox negative log partial likelihood (equation 3) with Breslow's ties, averaged over the events.

    The risk set of an event at T contains every patient whose time is not below T, so tied patients (and one patient
    drawn twice into a batch) are in each other's risk sets. Log-cumulative-sum-exp keeps the loss finite for any finite
    risk. Without events, the loss and its gradient are 0.

    Args:
        risk: higher means an earlier event, shape (N,).
        time: shape (N,).
        event: boolean, shape (N,).

    Returns:
        Scalar.

    >>> cox_loss(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    tensor(0.6931)
    """
    order = torch.argsort(time, descending=True, stable=True)
    risk, time, event = risk[order], time[order], event[order]
    last_tied = torch.searchsorted(-time, -time, right=True) - 1
    log_risk_set = torch.logcumsumexp(risk, dim=0)[last_tied]
    return (log_risk_set - risk)[event].sum() / event.sum().clamp_min(1)


def cox_term(output: Output, time: Tensor, event: Tensor) -> Tensor:
    """Return :func:`cox_loss` of a network's risks."""
    if output.risk is None:
        raise ValueError("a survival loss needs a predicted risk")
    return cox_loss(output.risk, time, event)


def l2_penalty(kernels: Iterable[Tensor], coefficient: float = 0.1) -> Tensor:
    """Return ``coefficient`` times the sum of the squared weights in ``kernels`` (without a factor 1/2), a scalar."""
    return coefficient * torch.stack([kernel.square().sum() for kernel in kernels]).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The terms of the loss L = L_seg + L_sur + L_2 (equation 1); None for terms that a method does not use.

    Attributes:
        segmentation: L_seg as a function of (probability, mask), a mean over patients.
        survival: L_sur as a function of (output, time, event).
        over_fold: whether L_sur uses only the risks in the output and compares patients, so that it can be computed
            over the whole training fold (``risk_set: fold`` of a short budget).
        penalty: L_2 of the network's current weights.
    """

    segmentation: Callable[[Tensor, Tensor], Tensor] | None = None
    survival: SurvivalLoss | None = None
    over_fold: bool = False
    penalty: Callable[[], Tensor] | None = None

    def terms(self, output: Output, patients: Labelled) -> dict[str, Tensor]:
        """Return the terms by name, as scalars."""
        terms = {}
        if self.segmentation is not None:
            if output.probability is None or patients.inputs.mask is None:
                raise ValueError("a segmentation loss needs a predicted probability and a mask")
            terms["L_seg"] = self.segmentation(output.probability, patients.inputs.mask)
        if self.survival is not None:
            terms["L_sur"] = self.survival(output, patients.time, patients.event)
        if self.penalty is not None:
            terms["L_2"] = self.penalty()
        return terms
