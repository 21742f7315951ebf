"""The segmentation backbone of DeepMTS (section 3.2, figure 3), as residual or plain 3-D U-net, and its taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from survbench.models.engine.layers import ConvBNReLU, convolution, global_average
from torch import Tensor, nn
from torch.nn import functional

BackboneName = Literal["residual", "unet"]

WIDTHS = (8, 16, 32, 64, 128)
"""Channels of the five levels, finest first."""

DEPTHS: dict[BackboneName, tuple[int, ...]] = {"residual": (2, 2, 3, 3, 4), "unet": (2, 2, 2, 2, 2)}
"""3x3x3 convolutions per level, the same in encoder and decoder."""


class ResidualBlock(nn.Module):
    """``n x m`` in figure 3: y = CBR3(x) + CBR1(x), then n - 1 times y = CBR3(y) + y; no activation after a sum."""

    def __init__(self, inputs: int | tuple[int, int], width: int, depth: int) -> None:
        super().__init__()
        self.first = ConvBNReLU(inputs, width, 3)
        self.shortcut = ConvBNReLU(inputs, width, 1)
        self.rest = nn.ModuleList(ConvBNReLU(width, width, 3) for _ in range(depth - 1))

    def forward(self, maps: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Map (N, inputs, X, Y, Z), or the two maps that a decoder joins, to (N, width, X, Y, Z)."""
        result: Tensor = self.first(maps, added=self.shortcut(maps))
        for layer in self.rest:
            result = layer(result, added=result)
        return result


class PlainBlock(nn.Sequential):
    """The block of the 3-D U-net that the paper compares with: n times CBR3."""

    def __init__(self, inputs: int | tuple[int, int], width: int, depth: int) -> None:
        super().__init__(ConvBNReLU(inputs, width, 3), *(ConvBNReLU(width, width, 3) for _ in range(depth - 1)))


def _block(backbone: BackboneName, inputs: int | tuple[int, int], level: int) -> nn.Module:
    kind = ResidualBlock if backbone == "residual" else PlainBlock
    return kind(inputs, WIDTHS[level], DEPTHS[backbone][level])


class Encoder(nn.Module):
    """The hard-sharing branch: five blocks with max-pooling between them."""

    def __init__(self, channels: int, backbone: BackboneName) -> None:
        super().__init__()
        inputs = (channels, *WIDTHS[:-1])
        self.blocks = nn.ModuleList(_block(backbone, n, level) for level, n in enumerate(inputs))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, channels, X, Y, Z) to the maps of the five levels, finest first."""
        maps = [self.blocks[0](images)]
        for block in self.blocks[1:]:
            maps.append(block(functional.max_pool3d(maps[-1], 2)))
        return maps


class Decoder(nn.Module):
    """The segmentation branch: blocks that join the upsampled map with the encoder's map, then the probability."""

    def __init__(self, backbone: BackboneName) -> None:
        super().__init__()
        levels = reversed(range(len(WIDTHS) - 1))
        self.blocks = nn.ModuleList(_block(backbone, (WIDTHS[n + 1], WIDTHS[n]), n) for n in levels)
        self.output = convolution(WIDTHS[0], 2, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the five levels to the tumour probability, shape (N, 1, X, Y, Z)."""
        *skips, deepest = maps
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            deepest = block((deepest, skip))
        tumour, background = self.output(deepest).split(1, dim=1)
        return torch.sigmoid(tumour - background)  # channel 0 of the softmax over the two


class HardSharing(nn.Module):
    """Deep features of the encoder: per level a 1x1x1 convolution to half the channels, BN, ReLU, global average.

    Without ``taps``, the encoder's own maps are averaged (the baseline in table V).
    """

    def __init__(self, *, taps: bool = True) -> None:
        super().__init__()
        self.taps = nn.ModuleList(ConvBNReLU(width, width // 2, 1) if taps else nn.Identity() for width in WIDTHS)
        self.features = sum(WIDTHS) // 2 if taps else sum(WIDTHS)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the five levels to (N, features)."""
        return torch.cat([global_average(tap(m)) for tap, m in zip(self.taps, maps, strict=True)], dim=1)
