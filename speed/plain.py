"""The accelerated parts of the training engine, in plain form with torch's own layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from survbench.models.engine import inference, layers, trainer
from survbench.models.engine.adam import BETA1, EPS
from survbench.models.engine.layers import JoiningConvolution
from survbench.models.engine.norm import BatchNorm
from survbench.models.engine.sampler import balanced_rows
from survbench.models.engine.trainer import Trainer
from torch import Tensor, nn
from torch.nn import functional


def _normalise(self: BatchNorm, maps: Tensor, added: Tensor | None = None) -> Tensor:
    maps = nn.BatchNorm3d.forward(self, maps)
    if self.relu:
        maps = functional.relu(maps)
    return maps if added is None else maps + added


def _convolve(maps: Tensor, weight: Tensor, bias: Tensor | None = None, **where: Any) -> Tensor:
    return functional.conv3d(maps, weight, bias, **where)


def _join(self: JoiningConvolution, maps: tuple[Tensor, Tensor]) -> Tensor:
    deep, skip = maps
    joined: Tensor = self.convolution(torch.cat([functional.interpolate(deep, scale_factor=2.0), skip], dim=1))
    return joined


def _adam(network: nn.Module, beta2: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), betas=(BETA1, beta2), eps=EPS)


def _update(self: Any) -> dict[str, float]:
    training = self.ctx.training
    rows = balanced_rows(self.train.event.numpy(), training.batch_size, self._rng("sampler"))
    self.optimizer.zero_grad()
    terms = self._backward(self._batch(rows), rows)
    if training.clip_norm is not None:
        nn.utils.clip_grad_norm_(self.network.parameters(), training.clip_norm)
    self.optimizer.param_groups[0]["lr"] = self.recipe.learning_rate(self.step, training)
    self.optimizer.step()
    losses = {name: term.item() for name, term in terms.items()}
    return {"L": sum(losses.values()), **losses}


PARTS = {
    "normalisation": (patch.object(BatchNorm, "forward", _normalise),),
    "pointwise and single convolutions": (patch.object(layers, "convolve", _convolve),),
    "joining convolution": (patch.object(JoiningConvolution, "forward", _join),),
    "Adam": (patch.object(trainer, "Adam", _adam), patch.object(Trainer, "_update", _update)),
    "memory layout": (patch.dict(inference.LAYOUTS, clear=True),),
}
"""Patches that replace each accelerated part of the engine by torch's own, by name."""


@contextmanager
def plain(*parts: str) -> Iterator[None]:
    """Make the engine use torch's own layers, optimiser or contiguous memory inside the block, for the named
    :data:`PARTS` or for all.
    """
    with ExitStack() as stack:
        for name in parts or PARTS:
            for replacement in PARTS[name]:
                stack.enter_context(replacement)
        yield
