"""DeepMTS and its degraded models as methods of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from survbench.models.deepmts.backbone import BackboneName
from survbench.models.deepmts.network import DeepMTSNetwork, Parts
from survbench.models.engine import PUBLISHED_SCHEDULE
from survbench.models.losses import DiceDenominator, Objective, cox_loss, dice_loss, l2_penalty
from survbench.models.network_method import NetworkMethod
from survbench.models.tensors import Output
from torch import Tensor, nn


class DeepMTS(NetworkMethod):
    """Deep multi-task survival model (Meng et al., IEEE JBHI 26(9), 2022); every row of its ablations by leaving out parts.

    Args:
        backbone, decoder, csn, hard_sharing, taps: see :class:`~survbench.models.deepmts.network.Parts`.
        dice: denominator of the Dice loss, ``squared`` (paper) or ``linear`` (published program).
        l2: coefficient of the penalty on the dense kernels.
        head_dropout, csn_dropout: dropout before the dense layers and after the cascaded network's convolutions.
        schedule, translate_mm, rotate_degrees, flip_probability, masked_input: see :class:`NetworkMethod`.
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
        schedule: Sequence[tuple[int, float]] = PUBLISHED_SCHEDULE,
        translate_mm: float = 10.0,
        rotate_degrees: float = 5.0,
        flip_probability: float = 0.5,
        masked_input: bool = False,
    ) -> None:
        super().__init__(
            schedule=schedule,
            translate_mm=translate_mm,
            rotate_degrees=rotate_degrees,
            flip_probability=flip_probability,
            masked_input=masked_input,
        )
        self.parts = Parts(backbone=backbone, decoder=decoder, csn=csn, hard_sharing=hard_sharing, taps=taps)
        self.dice = dice
        self.l2 = l2
        self.head_dropout = head_dropout
        self.csn_dropout = csn_dropout

    def build(self, channels: int, clinical: int) -> DeepMTSNetwork:
        """Return the network of the chosen parts."""
        return DeepMTSNetwork(
            channels, clinical, self.parts, head_dropout=self.head_dropout, csn_dropout=self.csn_dropout
        )

    def objective(self, network: nn.Module) -> Objective:
        """Return L = L_seg + L_sur + L_2, without the terms of absent parts."""
        head = cast("DeepMTSNetwork", network).head
        return Objective(
            segmentation=partial(dice_loss, denominator=self.dice) if self.parts.decoder else None,
            survival=None if head is None else survival_loss,
            penalty=None if head is None or not self.l2 else lambda: l2_penalty(head.kernels(), self.l2),
        )

    def describe(self, channels: int = 2, clinical: int = 1) -> dict[str, int]:
        """Return the size of the network and the number of its deep features."""
        ...
