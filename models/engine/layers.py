"""Layers that the networks share, with the defaults of the published Keras programs, and how to count them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from survbench.models.engine.tensors import Output
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPS = 1e-3
"""Keras' default; torch's is 1e-5."""


Sides = int | tuple[int, int, int]


def convolution(
    inputs: int, outputs: int, kernel: Sides, *, stride: Sides = 1, valid: bool = False, bias: bool = True
) -> nn.Conv3d:
    """Return a 3-D convolution with He-uniform kernel and zero bias.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: sides of the kernel, odd.
        stride: step along each axis.
        valid: no padding; otherwise the grid keeps its size (at stride 1).
        bias: whether there is one.
    """
    x, y, z = (kernel,) * 3 if isinstance(kernel, int) else kernel
    padding = (0, 0, 0) if valid else (x // 2, y // 2, z // 2)
    layer = nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def dense(inputs: int, outputs: int) -> nn.Linear:
    """Return a fully connected layer with Glorot-uniform kernel and zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def batch_norm(channels: int) -> nn.BatchNorm3d:
    """Return a batch normalisation over (N, channels, X, Y, Z); the training engine sets its momentum."""
    return nn.BatchNorm3d(channels, eps=BATCH_NORM_EPS)


class JoiningConvolution(nn.Module):
    """Convolution over the concatenation of a map at half resolution, nearest-upsampled, and a map at full resolution.

    Neither the upsampled map nor the concatenation is built. A convolution is linear, so each map takes its share of
    the kernel, and nearest upsampling by 2 followed by a kernel of side k is one transposed convolution with stride 2
    and a kernel of side k + 1. At k = 3 that is 8 instead of 27 products per voxel, and it makes a training step of
    DeepMTS on a CPU a fifth faster (speed/training_step.py).
    """

    def __init__(self, deep: int, skip: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.deep = deep
        self.convolution = convolution(deep + skip, outputs, kernel)

    def forward(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Map (N, deep, X/2, Y/2, Z/2) and (N, skip, X, Y, Z) to (N, outputs, X, Y, Z)."""
        deep, skip = maps
        weight = self.convolution.weight
        from_deep, from_skip = weight[:, : self.deep].flip((2, 3, 4)).transpose(0, 1), weight[:, self.deep :]
        for axis in range(3):  # the kernel with itself, one voxel on: upsampling repeats each voxel
            before, after = [0] * 6, [0] * 6
            before[2 * axis], after[2 * axis + 1] = 1, 1
            from_deep = functional.pad(from_deep, before) + functional.pad(from_deep, after)
        padding = weight.shape[-1] // 2
        upsampled = functional.conv_transpose3d(deep, from_deep, stride=2, padding=padding)
        return upsampled.add_(functional.conv3d(skip, from_skip, self.convolution.bias, padding=padding))


class ConvBNReLU(nn.Sequential):
    """Convolution that keeps the grid, batch normalisation, ReLU.

    ``inputs`` is the number of channels, or the pair (deep, skip) where a decoder joins two maps.
    """

    def __init__(self, inputs: int | tuple[int, int], outputs: int, kernel: int) -> None:
        first = (
            JoiningConvolution(*inputs, outputs, kernel)
            if isinstance(inputs, tuple)
            else convolution(inputs, outputs, kernel)
        )
        super().__init__(first, batch_norm(outputs), nn.ReLU(inplace=True))


def global_average(maps: Tensor) -> Tensor:
    """Average maps of shape (N, C, X, Y, Z) over the grid; returns (N, C)."""
    return maps.mean(dim=(2, 3, 4))


class ImageNetwork(nn.Module, ABC):
    """What the engine trains.

    Attributes:
        features: number of deep features.
    """

    features: int

    def survival_output(self) -> nn.Linear | None:
        """Return the last layer before risk or conditional survival; None where there is none."""
        return None

    def start_at_zero(self) -> None:
        """Set the weights of the last survival layer to 0: all patients start with the same prediction."""
        layer = self.survival_output()
        if layer is not None:
            nn.init.zeros_(layer.weight)

    @abstractmethod
    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map images (N, C, X, Y, Z) and clinical values (N, columns) to predictions."""


def count_parameters(network: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_buffers(network: nn.Module) -> int:
    """Count the values of the running means and variances of all batch normalisations."""
    return sum(b.numel() for b in network.buffers() if b.is_floating_point())


def count_convolutions(network: nn.Module) -> int:
    """Count the convolutional layers, those with kernel 1 included."""
    return sum(isinstance(m, nn.Conv2d | nn.Conv3d) for m in network.modules())
