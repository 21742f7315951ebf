"""How long networks train, and with which settings of the engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from survbench.io.config import Strict

Positive = Annotated[int, Field(gt=0)]
PUBLISHED_STEPS = 15_000


class ShortBudget(Strict):
    """What replaces the published way of training where there are a hundred times fewer steps than published.

    It is one for all networks and leaves their architecture alone; docs/explanation/short-budgets.md has the
    measurements behind it.

    Attributes:
        peak_learning_rate: the rate rises to this in a straight line, then falls to 0 along half a cosine (one cycle).
        warm_up: share of the steps in which it rises.
        adam_beta2: how long Adam remembers squared gradients; published 0.999, the mean of about 1,000 steps.
        zero_start: start the weights of the last survival layer at 0, so that a random risk sends no gradient into the
            segmentation branch.
        risk_set: whom the Cox loss compares an event with: the patients of the ``batch``, as published, or all of the
            training ``fold``, by the risks that the network gave them last. It needs ``zero_start``. Losses of
            intervals are those of the batch always.
        survival_weight: factor of L_sur among the losses, whichever loss that is.
    """

    peak_learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.1
    adam_beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    zero_start: bool = False
    risk_set: Literal["batch", "fold"] = "batch"
    survival_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _remembers_from_zero(self) -> ShortBudget:
        if self.risk_set == "fold" and not self.zero_start:
            raise ValueError(
                "risk_set 'fold' takes 0 for the risk of patients that no batch has had yet, so the network must start "
                "there; give zero_start: true, or risk_set: batch"
            )
        return self


class Training(Strict):
    """How long networks train.

    The published schedule (15,000 steps) is compressed to ``steps`` and its learning rates are multiplied by
    ``learning_rate_scale``, or ``short_budget`` replaces it. The board prints which. ``clip_norm`` bounds the
    norm of the gradient. It is not published, and needed on small grids: at 32 voxels the deepest maps of the cascaded
    network are single voxels, batch normalisation over a batch of them makes the first gradients of L_sur a thousand
    times those of L_seg, and Adam divides by what it has seen for a thousand steps.

    Settings of the engine, in the key of every fit like the others: ``micro_batches`` sends a batch through the network
    in that many parts where it does not fit into memory whole (gradients accumulate, the losses stay those of the whole
    batch, batch normalisation sees a part at a time); ``precision`` of the forward and backward pass; ``memory_layout``
    of images and kernels, by ``auto`` the one that measured fastest on the device.
    """

    steps: Annotated[int, Field(gt=0, le=1_000_000_000)]
    batch_size: Annotated[int, Field(ge=2, le=100_000, multiple_of=2)]
    learning_rate_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.01
    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    short_budget: ShortBudget | None = None
    evaluations: Annotated[int, Field(ge=0, le=100_000)] = 20
    micro_batches: Positive = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_layout: Literal["auto", "contiguous", "channels_last"] = "auto"

    @property
    def words(self) -> str:
        """How far this is from the published training, for a reader of the board."""
        published = self.steps == PUBLISHED_STEPS
        steps = f"{self.steps:,} steps" + ("" if published else f" instead of the published {PUBLISHED_STEPS:,}")
        if self.short_budget is not None:
            return f"{steps}, in one cycle of learning rates up to {self.short_budget.peak_learning_rate:g}"
        if self.learning_rate_scale != 1:
            return f"{steps}, at {self.learning_rate_scale:g} times the published learning rates"
        return f"{steps}, as published" if published else f"{steps}, at the published learning rates"

    @model_validator(mode="after")
    def _one_schedule(self) -> Training:
        if self.short_budget is not None and self.learning_rate_scale != 1:
            raise ValueError(
                "learning_rate_scale multiplies the published learning rates, which short_budget replaces; give one "
                "of the two"
            )
        return self

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Training:
        if self.batch_size % self.micro_batches or self.batch_size < 2 * self.micro_batches:
            raise ValueError(
                f"a batch of {self.batch_size} cannot go in {self.micro_batches} micro_batches of equal size, at "
                "least 2 patients each"
            )
        return self
