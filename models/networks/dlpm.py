"""DLPM, the deep learning model of Kim et al. (Radiology, 2020), for PET/CT."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from survbench.models.engine.layers import ImageNetwork, convolution, dense, global_average
from survbench.models.engine.losses import Objective, l2_penalty
from survbench.models.engine.norm import BatchNorm
from survbench.models.engine.tensors import Output
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_term, risk_at_horizon
from survbench.models.networks.discrete_time_method import DiscreteTimeMethod
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 32
"""Number of channels of the stem and of every layer in a dense block."""
BLOCKS = (2, 2, 1)
TRANSITION = 48
DROPOUT = 0.2
L2 = 1e-4


class DenseLayer(nn.Module):
    """BN-conv3-ReLU; its maps are concatenated with its input."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(BatchNorm(inputs, relu=False), convolution(inputs, WIDTH, 3), nn.ReLU(inplace=True))

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, inputs + WIDTH, X, Y, Z)."""
        return torch.cat([maps, self.layers(maps)], dim=1)


class Reduction(nn.Module):
    """BN-ReLU-conv1-dropout-average pooling."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm = BatchNorm(inputs)
        self.convolution = convolution(inputs, TRANSITION, 1, bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, X, Y, Z) to (N, TRANSITION, X/2, Y/2, Z/2)."""
        return functional.avg_pool3d(self.dropout(self.convolution(self.norm(maps))), 2)

    def penalised(self) -> Iterator[Tensor]:
        """Yield the weights under the L2 penalty: the kernel, and the normalisation's scale and shift."""
        yield self.convolution.weight
        yield self.norm.weight
        yield self.norm.bias


class DLPMNetwork(ImageNetwork):
    """Normalised input, stem, three dense blocks with transitions, global average, and, joined with the clinical
    values, one sigmoid neuron per interval, whose kernel and bias start at zero.
    """

    def __init__(self, channels: int, clinical: int) -> None:
        super().__init__()
        self.input = BatchNorm(channels, relu=False)
        self.stem = convolution(channels, WIDTH, 3, valid=True, bias=False)
        trunk: list[nn.Module] = []
        self.reductions: list[Reduction] = []
        inputs = WIDTH
        for number, layers in enumerate(BLOCKS):
            trunk += [DenseLayer(inputs + WIDTH * n) for n in range(layers)]
            inputs += WIDTH * layers
            if number < len(BLOCKS) - 1:
                self.reductions.append(Reduction(inputs))
                trunk.append(self.reductions[-1])
                inputs = TRANSITION
        self.trunk = nn.Sequential(*trunk, BatchNorm(inputs))
        self.output = dense(inputs + clinical, INTERVALS)
        nn.init.zeros_(self.output.weight)
        self.features = inputs

    def survival_output(self) -> nn.Linear:
        """Return the layer of sigmoid neurons."""
        return self.output

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map images (N, C, X, Y, Z) and clinical values (N, columns) to conditional survival and risk."""
        features = global_average(self.trunk(self.stem(self.input(images))))
        conditional = torch.sigmoid(self.output(torch.cat([features, clinical], dim=1)))
        return Output(risk=risk_at_horizon(conditional), features=features, conditional=conditional)

    def penalised(self) -> Iterator[Tensor]:
        """Yield the weights that the published program penalises: the stem's kernel, and the reductions."""
        yield self.stem.weight
        for reduction in self.reductions:
            yield from reduction.penalised()


class DLPM(DiscreteTimeMethod[DLPMNetwork]):
    """DLPM on the whole image, trained with DeepMTS's schedule and augmentation, as in the paper's comparison."""

    def build(self, channels: int, clinical: int) -> DLPMNetwork:
        """Return the network."""
        return DLPMNetwork(channels, clinical)

    def objective(self, network: DLPMNetwork) -> Objective:
        """Return the discrete-time likelihood with the published penalty."""
        return Objective(survival=discrete_time_term, penalty=lambda: l2_penalty(network.penalised(), L2))
