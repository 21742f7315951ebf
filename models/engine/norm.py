"""Batch normalisation, ReLU and the sum of a residual block, combined in one layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

BATCH_NORM_EPS = 1e-3
"""Keras' default; torch's is 1e-5."""
WIDE = 64
"""Numbers per row in the tables passed to the compiled loops, if there are fewer channels than this."""


class BatchNorm(nn.BatchNorm3d):
    """Batch normalisation over (N, channels, X, Y, Z), ReLU, and addition of other maps; the training engine sets the
    momentum.

    In training on a CPU this takes two compiled loops (:mod:`survbench.models.engine.norm_kernels`). They pass over
    memory half as often as torch's layers and sum more accurately: at a million voxels, torch's results are accurate to
    1e-4.

    Args:
        channels: number of channels.
        relu: whether negative values become 0.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, relu: bool = True) -> None:
        super().__init__(channels, eps=BATCH_NORM_EPS)
        self.relu = relu

    def forward(self, maps: Tensor, added: Tensor | None = None) -> Tensor:
        """Map (N, channels, X, Y, Z) to the same shape; ``added`` has the same shape and is added at the end."""
        if self.training and maps.device.type == "cpu" and maps.dtype in (torch.float32, torch.float64):
            return self._train(maps, added)
        maps = super().forward(maps)
        if self.relu:
            maps = functional.relu(maps, inplace=True)
        return maps if added is None else maps + added

    def _train(self, maps: Tensor, added: Tensor | None) -> Tensor:
        floor = 0.0 if self.relu else -np.inf
        normalised: Tensor
        normalised, mean, variance = _Normalise.apply(  # type: ignore[no-untyped-call]
            maps, added, self.weight, self.bias, self.eps, floor
        )
        count = maps.numel() // maps.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return normalised


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor, eps: float, floor: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        from survbench.models.engine.norm_kernels import normalise

        maps = maps.contiguous(memory_format=torch.channels_last_3d)
        normalised = torch.empty_like(maps)
        x = _table(maps)
        to_add = x[:0] if added is None else _table(added.contiguous(memory_format=torch.channels_last_3d))
        ctx.moments = normalise(
            x, to_add, weight.detach().numpy(), bias.detach().numpy(), eps, floor, _table(normalised)
        )
        ctx.save_for_backward(maps)
        ctx.settings = eps, floor, added is not None
        mean, variance = (torch.from_numpy(values).to(maps.dtype) for values in ctx.moments[:2])
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        from survbench.models.engine.norm_kernels import propagate

        (maps,) = ctx.saved_tensors
        eps, floor, added = ctx.settings
        gradient = gradient.contiguous(memory_format=torch.channels_last_3d)
        by_maps = torch.empty_like(maps)
        sums = propagate(_table(gradient), _table(maps), ctx.moments, eps, floor, _table(by_maps))
        by_weight, by_bias = (torch.from_numpy(values).to(maps.dtype) for values in sums)
        return by_maps, gradient if added else None, by_weight, by_bias, None, None


def _table(maps: Tensor) -> Any:
    """Return channels-last maps as a table without copying."""
    channels = maps.shape[1]
    voxels, together = maps.numel() // channels, 1
    while channels * together < WIDE and voxels % (2 * together) == 0:
        together *= 2
    return maps.detach().permute(0, 2, 3, 4, 1).reshape(-1, channels * together).numpy()
