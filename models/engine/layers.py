"""Layers that the networks share, with the defaults of the published Keras programs, and functions to count them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from survbench.models.engine.norm import BatchNorm
from survbench.models.engine.tensors import Output
from torch import Tensor, nn
from torch.nn import functional

Grid = tuple[int, ...]
Sides = int | tuple[int, int, int]


class Convolution(nn.Conv3d):
    """3-D convolution that is fast on a CPU at every batch size (:func:`convolve`)."""

    padding: Grid
    stride: Grid

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, outputs, X, Y, Z)."""
        return convolve(maps, self.weight, self.bias, stride=self.stride, padding=self.padding)


def convolve(
    maps: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: Grid = (1, 1, 1), padding: Grid = (0, 0, 0)
) -> Tensor:
    """Return the convolution of maps (N, inputs, X, Y, Z) with a kernel (outputs, inputs, x, y, z).

    On a CPU, torch uses a fallback for single patients and for kernels of one voxel. It is several times slower and
    returns another memory layout, which slows down every later layer. Here a kernel of one voxel is therefore a single
    matrix product over all voxels, and single patients are passed to oneDNN explicitly.
    """
    if weight.shape[2:] == (1, 1, 1) and stride == (1, 1, 1):
        return functional.linear(maps.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)
    single = maps.device.type == "cpu" and maps.dtype == torch.float32 and len(maps) == 1
    if single and not torch.is_grad_enabled() and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        result: Tensor = torch.ops.aten.mkldnn_convolution(maps, weight, bias, padding, stride, (1, 1, 1), 1)
        return result
    return functional.conv3d(maps, weight, bias, stride=stride, padding=padding)


def convolution(
    inputs: int, outputs: int, kernel: Sides, *, stride: Sides = 1, valid: bool = False, bias: bool = True
) -> Convolution:
    """Return a 3-D convolution with He-uniform kernel and zero bias.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        kernel: sides of the kernel, odd.
        stride: step along each axis.
        valid: use no padding; otherwise the grid keeps its size (at stride 1).
        bias: whether the layer has a bias.
    """
    x, y, z = (kernel,) * 3 if isinstance(kernel, int) else kernel
    padding = (0, 0, 0) if valid else (x // 2, y // 2, z // 2)
    layer = Convolution(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
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


class JoiningConvolution(nn.Module):
    """Convolution over the concatenation of a nearest-upsampled map at half resolution and a map at full resolution.

    Neither the upsampled map nor the concatenation is built. Because convolution is linear, each map is convolved with
    its part of the kernel, and nearest upsampling by 2 followed by a kernel of side k equals one transposed convolution
    with stride 2 and a kernel of side k + 1. At k = 3 this takes 8 instead of 27 products per voxel and makes a
    training step of DeepMTS on a CPU a fifth faster (speed/training_step.py).
    """

    def __init__(self, deep: int, skip: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.deep = deep
        self.convolution = convolution(deep + skip, outputs, kernel)

    def forward(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """Map (N, deep, X/2, Y/2, Z/2) and (N, skip, X, Y, Z) to (N, outputs, X, Y, Z)."""
        deep, skip = maps
        if not torch.is_grad_enabled():  # for a single prediction, building the kernel below costs more than it saves
            upsampled = functional.interpolate(deep, scale_factor=2.0)
            joined: Tensor = self.convolution(torch.cat([upsampled, skip], dim=1))
            return joined
        weight, padding = self.convolution.weight, self.convolution.padding
        from_deep, from_skip = weight[:, : self.deep], weight[:, self.deep :]
        result = convolve(skip, from_skip, self.convolution.bias, padding=padding)
        if weight.shape[-1] == 1:
            return result + functional.interpolate(convolve(deep, from_deep), scale_factor=2.0)
        from_deep = from_deep.flip((2, 3, 4)).transpose(0, 1)
        for axis in range(3):  # add the kernel to itself, shifted by one voxel: upsampling repeats each voxel
            before, after = [0] * 6, [0] * 6
            before[2 * axis], after[2 * axis + 1] = 1, 1
            from_deep = functional.pad(from_deep, before) + functional.pad(from_deep, after)
        return result.add_(functional.conv_transpose3d(deep, from_deep, stride=2, padding=padding))


class ConvBNReLU(nn.Module):
    """Convolution that keeps the grid size, batch normalisation, ReLU.

    ``inputs`` is the number of channels, or the pair (deep, skip) if a decoder joins two maps.
    """

    def __init__(self, inputs: int | tuple[int, int], outputs: int, kernel: int) -> None:
        super().__init__()
        self.convolution = (
            JoiningConvolution(*inputs, outputs, kernel)
            if isinstance(inputs, tuple)
            else convolution(inputs, outputs, kernel)
        )
        self.norm = BatchNorm(outputs)

    def forward(self, maps: Tensor | tuple[Tensor, Tensor], added: Tensor | None = None) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, outputs, X, Y, Z), plus ``added``."""
        result: Tensor = self.norm(self.convolution(maps), added)
        return result


def global_average(maps: Tensor) -> Tensor:
    """Average maps of shape (N, C, X, Y, Z) over the grid; return shape (N, C)."""
    return maps.mean(dim=(2, 3, 4))


class ImageNetwork(nn.Module, ABC):
    """Base class of the networks that the engine trains.

    Attributes:
        features: number of deep features.
    """

    features: int

    def survival_output(self) -> nn.Linear | None:
        """Return the last layer before risk or conditional survival, or None if there is none."""
        return None

    def start_at_zero(self) -> None:
        """Set the weights of the last survival layer to 0, so that all patients start with the same prediction."""
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
    """Count the values in the running means and variances of all batch normalisations."""
    return sum(b.numel() for b in network.buffers() if b.is_floating_point())


def count_convolutions(network: nn.Module) -> int:
    """Count the convolutional layers, including those with kernel 1."""
    return sum(isinstance(m, nn.Conv2d | nn.Conv3d) for m in network.modules())
