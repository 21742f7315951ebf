"""DeepMTS (Meng et al., IEEE JBHI 26(9), 2022, figure 2), complete and as the ablations in its tables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from survbench.models.engine.layers import ImageNetwork
from survbench.models.engine.tensors import Output
from survbench.models.networks.deepmts.backbone import BackboneName, Decoder, Encoder, HardSharing
from survbench.models.networks.deepmts.csn import CascadedSurvivalNetwork
from survbench.models.networks.deepmts.head import SurvivalHead
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of figure 2 that a network has; the defaults are DeepMTS.

    ======================  =========  =======  ============  =======
    model                   decoder    csn      hard_sharing  taps
    ======================  =========  =======  ============  =======
    DeepMTS                 yes        yes      yes           yes
    Seg-Backbone, U-net     yes        no       no
    Sur-HS                  no         no       yes           yes
    Sur-CasNet              no         yes      no
    MT-HS                   yes        no       yes           yes
    MT-HS baseline          yes        no       yes           no
    MT-CasNet               yes        yes      no
    ======================  =========  =======  ============  =======

    Attributes:
        backbone: type of the blocks in encoder and decoder.
        decoder: the segmentation branch; its probability is also an input of the cascaded network.
        csn: the cascaded survival network.
        hard_sharing: deep features from the encoder.
        taps: 1x1x1 convolutions between the encoder's maps and their global averages.
    """

    backbone: BackboneName = "residual"
    decoder: bool = True
    csn: bool = True
    hard_sharing: bool = True
    taps: bool = True


class DeepMTSNetwork(ImageNetwork):
    """Map images (N, channels, X, Y, Z) and a clinical vector (N, clinical) to risk and tumour probability.

    With a decoder, every side of the grid must be a multiple of 16; with the cascaded network, at least 32 voxels.
    """

    def __init__(
        self, channels: int, clinical: int, parts: Parts, *, head_dropout: float = 0.5, csn_dropout: float = 0.05
    ) -> None:
        super().__init__()
        shared = parts.decoder or parts.hard_sharing
        self.encoder = Encoder(channels, parts.backbone) if shared else None
        self.decoder = Decoder(parts.backbone) if parts.decoder else None
        self.hard_sharing = HardSharing(taps=parts.taps) if parts.hard_sharing else None
        self.csn = CascadedSurvivalNetwork(channels + parts.decoder, dropout=csn_dropout) if parts.csn else None
        branches = [branch.features for branch in (self.hard_sharing, self.csn) if branch is not None]
        self.head = SurvivalHead(branches, clinical, dropout=head_dropout) if branches else None
        self.features = sum(branches)

    def survival_output(self) -> nn.Linear | None:
        """Return the head's linear neuron."""
        return None if self.head is None else self.head.risk

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Run the existing parts; the gradient of the risk flows through the probability into the backbone."""
        maps = self.encoder(images) if self.encoder is not None else []
        probability = self.decoder(maps) if self.decoder is not None else None
        features = []
        if self.hard_sharing is not None:
            features.append(self.hard_sharing(maps))
        if self.csn is not None:
            features.append(self.csn(images if probability is None else torch.cat([images, probability], dim=1)))
        if self.head is None:
            return Output(probability=probability)
        return Output(risk=self.head(features, clinical), probability=probability, features=torch.cat(features, dim=1))
