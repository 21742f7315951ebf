"""DeepMTS and its ablations as methods."""

from __future__ import annotations

from functools import partial
from typing import Any

from survbench.models.engine.losses import DiceDenominator, Objective, cox_term, dice_loss, l2_penalty
from survbench.models.engine.network_method import NetworkMethod
from survbench.models.networks.deepmts.backbone import BackboneName
from survbench.models.networks.deepmts.network import DeepMTSNetwork, Parts


class DeepMTS(NetworkMethod[DeepMTSNetwork]):
    """The deep multi-task survival model of Meng et al. (IEEE JBHI 26(9), 2022), and its ablations, with parts left
    out.

    Args:
        backbone, decoder, csn, hard_sharing, taps: see :class:`~survbench.models.networks.deepmts.network.Parts`.
        dice: denominator of the Dice loss, ``squared`` (paper) or ``linear`` (published program).
        l2: coefficient of the penalty on the dense kernels.
        head_dropout, csn_dropout: dropout before the dense layers, and after the cascaded network's convolutions.
        training: see :class:`~survbench.models.engine.network_method.NetworkMethod`.
    """

    def __init__(
        self,
        *,
        backbone: BackboneName = "residual",
        decoder: bool = True,
        csn: bool = True,
        hard_sharing: bool = True,
        taps: bool = True,
        dice: DiceDenominator = "squared",
        l2: float = 0.1,
        head_dropout: float = 0.5,
        csn_dropout: float = 0.05,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.parts = Parts(backbone=backbone, decoder=decoder, csn=csn, hard_sharing=hard_sharing, taps=taps)
        self.dice = dice
        self.l2 = l2
        self.head_dropout = head_dropout
        self.csn_dropout = csn_dropout

    def build(self, channels: int, clinical: int) -> DeepMTSNetwork:
        """Return the network with the selected parts."""
        return DeepMTSNetwork(
            channels, clinical, self.parts, head_dropout=self.head_dropout, csn_dropout=self.csn_dropout
        )

    def objective(self, network: DeepMTSNetwork) -> Objective:
        """Return L = L_seg + L_sur + L_2, without the terms of missing parts."""
        head = network.head
        return Objective(
            segmentation=partial(dice_loss, denominator=self.dice) if network.decoder is not None else None,
            survival=cox_term if head is not None else None,
            over_fold=True,
            penalty=(lambda: l2_penalty(head.kernels(), self.l2)) if head is not None and self.l2 else None,
        )
