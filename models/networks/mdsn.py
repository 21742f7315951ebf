"""MDSN, the multi-modality deep survival network of Jing et al. (Comput Methods Programs Biomed 197, 2020)."""

from __future__ import annotations

import torch
from survbench.models.engine.layers import ImageNetwork, convolution, dense, global_average
from survbench.models.engine.losses import Objective, cox_term
from survbench.models.engine.network_method import NetworkMethod
from survbench.models.engine.norm import BatchNorm
from survbench.models.engine.tensors import Output
from survbench.models.networks.dense import DenseBlock, Transition
from torch import Tensor, nn
from torch.nn import functional

STEM = 24
GROWTH = 16
BOTTLENECK = 64
BLOCKS = (3, 6, 16)
"""Number of bottlenecks in each dense block."""
STEM_KERNEL, STEM_STRIDE = (5, 5, 3), (3, 3, 2)
"""Along x, y and the slice axis; designed for stacks of anisotropic MR slices."""
DROPOUT = 0.05


class MDSNNetwork(ImageNetwork):
    """Stem, three dense blocks with transitions to the growth rate, global average, and, joined with the clinical
    values, one linear neuron.

    No program was published. Widths and strides follow a public re-implementation that has the 53 convolutions reported
    by DeepMTS (section 2.2); the global average is from the publication.
    """

    def __init__(self, channels: int, clinical: int) -> None:
        super().__init__()
        self.stem = convolution(channels, STEM, STEM_KERNEL, stride=STEM_STRIDE, valid=True)
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        inputs = STEM
        for number, bottlenecks in enumerate(BLOCKS):
            block = DenseBlock(inputs, bottlenecks, growth=GROWTH, width=BOTTLENECK, dropout=DROPOUT, bias=False)
            self.blocks.append(block)
            inputs = block.channels
            if number < len(BLOCKS) - 1:
                self.transitions.append(Transition(inputs, GROWTH, dropout=0.0, bias=False))
                inputs = GROWTH
        self.norm = BatchNorm(inputs)
        self.risk = dense(inputs + clinical, 1)
        self.features = inputs

    def survival_output(self) -> nn.Linear:
        """Return the linear neuron."""
        return self.risk

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map images (N, C, X, Y, Z) and clinical values (N, columns) to risks."""
        maps = functional.max_pool3d(self.stem(images), 3, stride=2)
        for block, transition in zip(self.blocks, self.transitions, strict=False):
            maps = functional.avg_pool3d(transition(block(maps)), 2)
        features = global_average(self.norm(self.blocks[-1](maps)))
        risk = self.risk(torch.cat([features, clinical], dim=1))
        return Output(risk=torch.squeeze(risk, dim=1), features=features)


class MDSN(NetworkMethod[MDSNNetwork]):
    """MDSN with the Cox loss, trained with DeepMTS's schedule and augmentation, as in the paper's comparison."""

    def build(self, channels: int, clinical: int) -> MDSNNetwork:
        """Return the network."""
        return MDSNNetwork(channels, clinical)

    def objective(self, network: MDSNNetwork) -> Objective:  # noqa: ARG002
        """Return the Cox loss."""
        return Objective(survival=cox_term, over_fold=True)
