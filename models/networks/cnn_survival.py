"""CNN-Survival of Zhang et al. (BMC Med Imaging 20, 2020), reconstructed: neither code nor layer widths were published.

The paper describes six convolutions, three poolings, one dense layer, a 2-D slice of the masked tumour, and the
discrete-time loss. Kernels, widths, normalisation and slice size are ours. There is no pre-training, for which the
paper used another cohort.
"""

from __future__ import annotations

import torch
from survbench.models.engine.layers import ImageNetwork, dense
from survbench.models.engine.losses import Objective
from survbench.models.engine.norm import BATCH_NORM_EPS
from survbench.models.engine.tensors import Output
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_term, risk_at_horizon
from survbench.models.networks.discrete_time_method import DiscreteTimeMethod
from torch import Tensor, nn
from torch.nn import functional

SIDE = 128
"""Pixels per side of the slice in every profile, so that a profile never changes the network."""
WIDTH = 32
LEVELS = 3


class CNNSurvivalNetwork(ImageNetwork):
    """Three times (conv3-BN-ReLU) x 2 and max-pool; a dense ReLU layer; joined with the clinical values, one sigmoid
    neuron per interval.
    """

    def __init__(self, channels: int, clinical: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for _ in range(LEVELS):
            for _ in range(2):
                layers += [_convolution(inputs), nn.BatchNorm2d(WIDTH, eps=BATCH_NORM_EPS), nn.ReLU(inplace=True)]
                inputs = WIDTH
            layers.append(nn.MaxPool2d(2))
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.hidden = dense(WIDTH * (SIDE // 2**LEVELS) ** 2, WIDTH)
        self.dropout = nn.Dropout(0.5)
        self.output = dense(WIDTH + clinical, INTERVALS)
        self.features = WIDTH

    def survival_output(self) -> nn.Linear:
        """Return the layer of sigmoid neurons."""
        return self.output

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map masked images (N, C, X, Y, Z) and clinical values (N, columns) to conditional survival and risk."""
        features = functional.relu(self.hidden(self.trunk(largest_slice(images))))
        conditional = torch.sigmoid(self.output(torch.cat([self.dropout(features), clinical], dim=1)))
        return Output(risk=risk_at_horizon(conditional), features=features, conditional=conditional)


def largest_slice(images: Tensor) -> Tensor:
    """Return the axial slice with the largest tumour area, resampled linearly to (N, C, 128, 128).

    Args:
        images: images set to 0 outside the tumour, shape (N, C, X, Y, Z), with Z as the slice axis.
    """
    area = (images != 0).any(dim=1).sum(dim=(1, 2))
    rows = torch.arange(len(images), device=images.device)
    slices = images.permute(0, 4, 1, 2, 3)[rows, area.argmax(dim=1)]
    return functional.interpolate(slices.contiguous(), (SIDE, SIDE), mode="bilinear", align_corners=False)


def _convolution(inputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, WIDTH, 3, padding=1)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class CNNSurvival(DiscreteTimeMethod[CNNSurvivalNetwork]):
    """CNN-Survival on the slice with the largest tumour area; needs the manual mask in training and prediction."""

    def build(self, channels: int, clinical: int) -> CNNSurvivalNetwork:
        """Return the network."""
        return CNNSurvivalNetwork(channels, clinical)

    def objective(self, network: CNNSurvivalNetwork) -> Objective:  # noqa: ARG002
        """Return the discrete-time likelihood."""
        return Objective(survival=discrete_time_term)
