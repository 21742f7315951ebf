"""Adam over all weights of a network, held in one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA1, BETA2 = 0.9, 0.999
EPS = 1e-7
"""Keras' default; torch's default is 1e-8."""


class Adam:
    """Adam (Kingma and Ba, 2015) for a network whose weights become views of one vector, and their gradients of
    another.

    The networks here have hundreds of small weight tensors. With one vector, the step, the norm and the bound take one
    call each instead of hundreds. ``torch.optim.Adam`` would also work, but loads torch's compiler, which takes longer
    than many fits with a small budget.

    Args:
        network: changed in place; its weights must not be replaced or moved to another device afterwards.
        beta2: decay rate of the mean squared gradient.

    Attributes:
        gradient: gradient of all weights, in the order of the network's parameters and of their memory; backward adds
            to it.
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
        """Scale a gradient with this norm down to norm ``largest`` if it is longer."""
        self.gradient.mul_((largest / (norm + 1e-6)).clamp(max=1.0))

    def step(self, learning_rate: float) -> None:
        """Take one step along the gradient."""
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
        """Return what a checkpoint must store in addition to the weights."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state returned by :meth:`state`."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _in_memory_order(tensor: Tensor) -> Tensor:
    """Return the values of a gap-free tensor as a vector, in memory order."""
    return tensor.as_strided((tensor.numel(),), (1,))
