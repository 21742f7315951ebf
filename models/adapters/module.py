"""A method of any torch module that maps images to one Cox risk or to the intervals of a discrete-time model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Gives, MethodInfo, Resources
from survbench.cohort import Need, UnlabelledCohort
from survbench.errors import UnknownNameError
from survbench.models.engine.layers import ImageNetwork
from survbench.models.engine.losses import Objective, cox_term
from survbench.models.engine.network_method import NetworkMethod
from survbench.models.engine.tensors import Output
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_term, risk_at_horizon, survival_curve
from torch import Tensor, nn

Head = Literal["cox", "discrete-time"]


class AdaptedNetwork(ImageNetwork):
    """A module of the user with the head that the engine trains."""

    def __init__(self, module: nn.Module, head: Head, *, clinical: bool) -> None:
        super().__init__()
        self.module = module
        self.head = head
        self.clinical = clinical
        self.features = INTERVALS if head == "discrete-time" else 1

    def survival_output(self) -> nn.Linear | None:
        """Return the module's last linear layer."""
        linear = [layer for layer in self.module.modules() if isinstance(layer, nn.Linear)]
        return linear[-1] if linear else None

    def forward(self, images: Tensor, clinical: Tensor) -> Output:
        """Map images (N, C, X, Y, Z) and clinical values (N, columns) to risks, and to conditional survival.

        Raises:
            ValueError: the module gives another shape than (N, 1), or (N, 6) with a discrete-time head.
        """
        outputs = self.module(images, clinical) if self.clinical else self.module(images)
        if outputs.shape != (len(images), self.features):
            raise ValueError(
                f"the network gave shape {tuple(outputs.shape)} for {len(images)} patients; with the {self.head} head "
                f"it must give ({len(images)}, {self.features})"
            )
        if self.head == "cox":
            return Output(risk=outputs[:, 0], features=outputs)
        conditional = torch.sigmoid(outputs)
        return Output(risk=risk_at_horizon(conditional), features=outputs, conditional=conditional)


class ModuleMethod(NetworkMethod[AdaptedNetwork]):
    """A survival model whose :meth:`network` is trained by the engine, as the built-in networks are: with the profile's
    steps, batches with events, augmentation, and checkpoints.
    """

    head: ClassVar[Head] = "cox"
    """``cox``: one output, the log hazard ratio. ``discrete-time``: six outputs, the logits of surviving the intervals
    that end after 12, 24, 36, 60, 84 and 120 months (Nnet-survival)."""
    clinical: ClassVar[bool] = False
    """Whether the module is called with (images, clinical values); otherwise with images alone."""

    @abstractmethod
    def network(self, channels: int, clinical: int) -> nn.Module:
        """Return a fresh module for images (N, channels, X, Y, Z) and clinical values (N, clinical)."""

    @classmethod
    def declare(
        cls, name: str, *, reference: str, needs: Iterable[Need] = ("images",), quick_seconds: float = 20.0, **more: Any
    ) -> MethodInfo:
        """Return the declaration of the method.

        Args:
            name: of the method, kebab case.
            reference: where it comes from.
            needs: what it sees, in a fit and in a prediction.
            quick_seconds: CPU seconds of a fit of the ``quick`` profile, for the estimate of a run.
            more: other arguments of :class:`survbench.api.MethodInfo`, such as ``modalities`` or ``title``.
        """
        if cls.head not in get_args(Head):
            raise UnknownNameError("head", cls.head, get_args(Head), see="docs/how-to/write-a-plugin.md")
        seen = frozenset(needs) | (frozenset({"clinical"}) if cls.clinical else frozenset())
        gives: frozenset[Gives] = frozenset({"risk"} if cls.head == "cox" else {"risk", "survival"})
        declared = {
            "title": name,
            "family": "outside",
            "needs_fit": seen,
            "needs_predict": seen,
            "gives": gives,
            "resources": Resources(gpu=True, quick_seconds=quick_seconds),
        }
        return MethodInfo(
            name=name,
            reference=reference,
            target=f"{cls.__module__}:{cls.__qualname__}",
            stochastic=True,
            selects=True,
            **{**declared, **more},
        )

    def build(self, channels: int, clinical: int) -> AdaptedNetwork:
        """Return the network with its head."""
        return AdaptedNetwork(self.network(channels, clinical), self.head, clinical=self.clinical)

    def objective(self, network: AdaptedNetwork) -> Objective:  # noqa: ARG002
        """Return the Cox loss over the fold, or the discrete-time likelihood."""
        if self.head == "cox":
            return Objective(survival=cox_term, over_fold=True)
        return Objective(survival=discrete_time_term)

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times)); of a discrete-time head only."""
        return survival_curve(self._collect(cohort, "conditional"), times)
