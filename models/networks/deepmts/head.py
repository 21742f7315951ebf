"""The survival head of DeepMTS (section 3.1 and figure 2): deep features and clinical values to one risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from survbench.models.engine.layers import dense
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 64


class SurvivalHead(nn.Module):
    """Per branch of deep features, dropout and a dense ReLU layer (FC-1, FC-2); joined with the clinical vector,
    dropout and a linear neuron (FC-3).

    Dropout before FC-3 also sets clinical values to 0, each in half of the training steps, as in the published program.
    """

    def __init__(self, branches: Sequence[int], clinical: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.branches = nn.ModuleList(dense(features, WIDTH) for features in branches)
        self.risk = dense(WIDTH * len(branches) + clinical, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Sequence[Tensor], clinical: Tensor) -> Tensor:
        """Map the branches' features (N, features) and the clinical values (N, columns) to risks, shape (N,)."""
        hidden = [functional.relu(fc(self.dropout(x))) for fc, x in zip(self.branches, features, strict=True)]
        joined = self.dropout(torch.cat([*hidden, clinical], dim=1))
        return torch.squeeze(self.risk(joined), dim=1)

    def kernels(self) -> Iterator[Tensor]:
        """Yield the kernels of all dense layers, which the L2 penalty applies to."""
        for layer in (*self.branches, self.risk):
            yield layer.weight
