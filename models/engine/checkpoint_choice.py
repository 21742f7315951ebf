"""Choose the weights of a fit on validation patients, if the run asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from survbench.api import Selection
from survbench.errors import BenchError
from survbench.models.engine.losses import Objective
from survbench.models.engine.tensors import Labelled, Output
from torch import Tensor, nn


@dataclass(slots=True)
class Best:
    """The weights with the lowest score so far; the first of equal scores."""

    score: float = np.inf
    weights: Mapping[str, Tensor] | None = None

    def offer(self, network: nn.Module, score: float) -> None:
        """Keep a copy of the network's weights if ``score`` is lower than all before; NaN never is."""
        if score < self.score:
            self.score = score
            self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def restore(self, network: nn.Module) -> None:
        """Restore the best weights in the network.

        Raises:
            BenchError: no score was a number.
        """
        if self.weights is None:
            raise BenchError(
                "No checkpoint could be chosen: the validation patients have no event, or no two of them are "
                "comparable. Use '--selection last', or folds with more events."
            )
        network.load_state_dict(self.weights)


@torch.inference_mode()
def validate(output: Output, validation: Labelled, objective: Objective, selection: Selection) -> dict[str, float]:
    """Return the losses of the validation patients by name, and Harrell's C for ``paper``; NaN without events."""
    terms = replace(objective, penalty=None).terms(output, validation)
    values = {name: term.item() for name, term in terms.items()}
    if output.risk is None:
        return values
    if not validation.event.any():
        values["L_sur"] = np.nan
    if selection == "paper":
        from survbench.statistics.metrics import concordance_index

        risk = output.risk.double().numpy()
        values["C"] = concordance_index(validation.time.numpy(), validation.event.numpy(), risk).value
    return values


def score(values: Mapping[str, float]) -> float:
    """Return the score to minimise: -C if present (``paper``), else L_sur, else (without risk) L_seg."""
    return -values["C"] if "C" in values else values.get("L_sur", values.get("L_seg", np.nan))
