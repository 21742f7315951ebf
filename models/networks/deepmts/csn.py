"""The cascaded survival network of DeepMTS (section 3.3 and figure 4): a small 3-D DenseNet with a tap per block."""

from __future__ import annotations

import torch
from survbench.models.engine.layers import convolution, global_average
from survbench.models.engine.norm import BatchNorm
from survbench.models.networks.dense import DenseBlock, Transition
from torch import Tensor, nn
from torch.nn import functional

STEM = 24
GROWTH = 16
BOTTLENECK = 64
BLOCKS = ((4, 16), (8, 32), (16, 64))
"""Bottlenecks of each dense block, and channels of the transition that follows it."""


class Tap(nn.Sequential):
    """BN-ReLU; the caller averages. The trunk continues from the tap's input, not from its output."""

    def __init__(self, channels: int) -> None:
        super().__init__(BatchNorm(channels))


class CascadedSurvivalNetwork(nn.Module):
    """Stem, three dense blocks with transitions, and the global averages of the three transitions.

    Stem and pools have no padding, as in the published program: 128 -> 63 -> 31 -> 15 -> 7 voxels. Each side of the
    grid must have at least 19 voxels.
    """

    def __init__(self, channels: int, *, dropout: float = 0.05) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(channels, STEM, 3, stride=2, valid=True), nn.Dropout(dropout))
        self.blocks, self.transitions, self.taps = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = STEM
        for bottlenecks, outputs in BLOCKS:
            block = DenseBlock(inputs, bottlenecks, growth=GROWTH, width=BOTTLENECK, dropout=dropout)
            self.blocks.append(block)
            self.transitions.append(Transition(block.channels, outputs, dropout=dropout))
            self.taps.append(Tap(outputs))
            inputs = outputs
        self.features = sum(outputs for _, outputs in BLOCKS)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, X, Y, Z) to (N, features)."""
        maps = functional.max_pool3d(self.stem(images), 3, stride=2)
        features = []
        for level, (block, transition, tap) in enumerate(zip(self.blocks, self.transitions, self.taps, strict=True)):
            maps = transition(block(maps if level == 0 else functional.avg_pool3d(maps, 2)))
            features.append(global_average(tap(maps)))
        return torch.cat(features, dim=1)
