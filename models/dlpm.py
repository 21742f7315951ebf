"""DLPM, the deep learning model of Kim et al. (Radiology, 2020), for PET/CT."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from survbench.models.discrete_time import INTERVALS, discrete_time_term, risk_at_horizon
from survbench.models.discrete_time_method import DiscreteTimeMethod
from survbench.models.layers import ImageNetwork, batch_norm, convolution, dense, global_average
from survbench.models.losses import Objective, l2_penalty
from survbench.models.tensors import Output
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 32
"""Channels of the stem and of every layer of a dense block."""
BLOCKS = (2, 2, 1)
TRANSITION = 48
DROPOUT = 0.2
L2 = 1e-4


class DenseLayer(nn.Sequential):
    """BN-conv3-ReLU; its maps are joined to its input."""

    def __init__(self, inputs: int) -> None:
        super().__init__(batch_norm(inputs), convolution(inputs, WIDTH, 3), nn.ReLU(inplace=True))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, inputs + WIDTH, X, Y, Z)."""
        return torch.cat([maps, super().forward(maps)], dim=1)


class DLPMNetwork(ImageNetwork):
    """Normalised input, stem, three dense blocks with transitions, global average, and with the clinical values one
    sigmoid neuron per interval, whose kernel and bias start at zero.
    """

    def __init__(self, channels: int, clinical: int) -> None:
        super().__init__()
        self.input = batch_norm(channels)
        self.stem = convolution(channels, WIDTH, 3, valid=True, bias=False)
        self.blocks, self.norms, self.reductions = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inputs = WIDTH
        for number, layers in enumerate(BLOCKS):
            self.blocks.append(nn.Sequential(*(DenseLayer(inputs + WIDTH * n) for n in range(layers))))
            inputs += WIDTH * layers
            self.norms.append(batch_norm(inputs))
            if number < len(BLOCKS) - 1:
                self.reductions.append(convolution(inputs, TRANSITION, 1, bias=False))
                inputs = TRANSITION
        self.dropout = nn.Dropout(DROPOUT)
        self.output = dense(inputs + clinical, INTERVALS)
        nn.init.zeros_(self.output.weight)
        self.features = inputs

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map images (N, C, X, Y, Z) and clinical values (N, columns) to conditional survival and risk."""
        maps = self.stem(self.input(images))
        for block, norm, reduction in zip(self.blocks, self.norms, self.reductions, strict=False):
            maps = functional.avg_pool3d(self.dropout(reduction(functional.relu(norm(block(maps))))), 2)
        features = global_average(functional.relu(self.norms[-1](self.blocks[-1](maps))))
        conditional = torch.sigmoid(self.output(torch.cat([features, clinical], dim=1)))
        return Output(risk=risk_at_horizon(conditional), features=features, conditional=conditional)

    def penalised(self) -> Iterator[Tensor]:
        """Yield what the published program penalises: stem, and the transitions with their normalisation."""
        yield self.stem.weight
        for norm, reduction in zip(self.norms, self.reductions, strict=False):
            yield reduction.weight
            yield norm.weight
            yield norm.bias


class DLPM(DiscreteTimeMethod[DLPMNetwork]):
    """DLPM on the whole image, trained by DeepMTS's schedule and augmentation, as the paper compares it."""

    def build(self, channels: int, clinical: int) -> DLPMNetwork:
        """Return the network."""
        return DLPMNetwork(channels, clinical)

    def objective(self, network: DLPMNetwork) -> Objective:
        """Return the discrete-time likelihood with the published penalty."""
        return Objective(survival=discrete_time_term, penalty=lambda: l2_penalty(network.penalised(), L2))
