"""Adam over all weights of a network as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA1, BETA2 = 0.9, 0.999
EPS = 1e-7
"""Keras' defaults; torch's last is 1e-8."""


class Adam:
    """Adam (Kingma and Ba, 2015) for a network, whose weights become parts of one vector, and so do their gradients.

    A network here has hundreds of small weights. One vector makes one call of each operation instead of hundreds: the
    step, its norm, its bound. ``torch.optim.Adam`` would do, too, but loads torch's compiler, which takes longer than
    many a fit of a small budget.

    Args:
        network: changed in place; its weights must not be replaced or moved to another device afterwards.
        beta2: how long squared gradients are remembered.

    Attributes:
        gradient: of all weights, in the order of the network's parameters and of their memory; backward adds to it.
    """

    def __init__(self, network: nn.Module, beta2: float = BETA2) -> None:
        parameters = [*network.parameters()]
        self.beta2 = beta2
        self.weights = torch.cat([_in_memory_order(p.detach()) for p in parameters])
        self.gradient, self.mean, self.square = (torch.zeros_like(self.weights) for _ in range(3))
        self.steps = torch.zeros((), device=self.weights.device)
        start = 0
        for parameter in parameters:
            place = parameter.shape, parameter.stride(), start
            parameter.data = self.weights.as_strided(*place)
            parameter.grad = self.gradient.as_strided(*place)
            start += parameter.numel()

    def bound(self, norm: Tensor, largest: float) -> None:
        """Scale a gradient of this norm down to ``largest``, where it is longer."""
        self.gradient.mul_((largest / (norm + 1e-6)).clamp(max=1.0))

    def step(self, learning_rate: float) -> None:
        """Follow the gradient."""
        adam(
            [self.weights],
            [self.gradient],
            [self.mean],
            [self.square],
            [],
            [self.steps],
            fused=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=self.beta2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=EPS,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold beside the weights."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a :meth:`state`."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _in_memory_order(tensor: Tensor) -> Tensor:
    """Return the values of a tensor without gaps as a vector, in the order in which they lie in memory."""
    return tensor.as_strided((tensor.numel(),), (1,))
