"""The survival loss of a whole training fold, computed from one batch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.models.engine.losses import SurvivalLoss
from survbench.models.engine.tensors import Labelled, Output
from torch import Tensor


class FoldRisks:
    """The last predicted risk of each patient in the training fold; 0 for patients who were in no batch yet, which is
    the risk that a network started at zero gives to all.

    A batch has few events, and a Cox loss within it compares each event with few patients. With the others' risks
    remembered, an event is compared with everyone at risk, and each patient of the batch gets the derivative of the
    whole fold's loss, the martingale residual.

    Attributes:
        risk: shape (n,), on the device of the fit.
    """

    def __init__(self, train: Labelled, survival: SurvivalLoss, device: torch.device) -> None:
        self.survival = survival
        self.time, self.event = train.time.to(device), train.event.to(device)
        self.risk = torch.zeros(len(self.time), device=device)

    def loss(self, risk: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """Return the fold's loss times (patients in the fold) / (patients in the batch), and remember the batch's
        risks.

        The gradient flows only through the batch. If batches were drawn uniformly, without repeats, the factor would
        make its expectation the gradient of the fold's loss. But half of each batch are events, so with a share p of
        events in the fold an event's derivative counts about 1 / (2 p) times and a censored patient's 1 / (2 (1 - p))
        times: the gradient is biased unless p is 1/2. A patient drawn twice gets the mean of the two risks.

        Args:
            risk: risks of the batch, shape (B,).
            rows: rows of the batch in the fold, shape (B,).

        Returns:
            Scalar.
        """
        index = torch.as_tensor(rows, device=risk.device)
        count = torch.zeros_like(self.risk).index_add(0, index, torch.ones_like(risk))
        total = torch.zeros_like(self.risk).index_add(0, index, risk)
        known = torch.where(count > 0, total / count.clamp_min(1), self.risk)
        self.risk = known.detach()
        return self.survival(Output(risk=known), self.time, self.event) * (len(self.risk) / len(risk))
