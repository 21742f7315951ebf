"""Blocks of 3-D DenseNets that several networks share."""

from __future__ import annotations

import torch
from survbench.models.engine.layers import convolution
from survbench.models.engine.norm import BatchNorm
from torch import Tensor, nn


class Bottleneck(nn.Sequential):
    """BN-ReLU-conv1-dropout-BN-ReLU-conv3-dropout: the new maps in one step of a dense block."""

    def __init__(self, inputs: int, *, growth: int, width: int, dropout: float, bias: bool) -> None:
        super().__init__(
            BatchNorm(inputs),
            convolution(inputs, width, 1, bias=bias),
            nn.Dropout(dropout),
            BatchNorm(width),
            convolution(width, growth, 3, bias=bias),
            nn.Dropout(dropout),
        )


class DenseBlock(nn.ModuleList):
    """Bottlenecks, each of which gets the block's input and all earlier maps."""

    def __init__(
        self, inputs: int, bottlenecks: int, *, growth: int, width: int, dropout: float, bias: bool = True
    ) -> None:
        super().__init__(
            Bottleneck(inputs + growth * n, growth=growth, width=width, dropout=dropout, bias=bias)
            for n in range(bottlenecks)
        )
        self.channels = inputs + growth * bottlenecks

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, channels, X, Y, Z)."""
        for bottleneck in self:
            maps = torch.cat([maps, bottleneck(maps)], dim=1)
        return maps


class Transition(nn.Sequential):
    """BN-ReLU-conv1-dropout."""

    def __init__(self, inputs: int, outputs: int, *, dropout: float, bias: bool = True) -> None:
        super().__init__(
            BatchNorm(inputs),
            convolution(inputs, outputs, 1, bias=bias),
            nn.Dropout(dropout),
        )
