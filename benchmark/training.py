"""How long networks train, and with which settings of the engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from survbench.io.config import Strict

Positive = Annotated[int, Field(gt=0)]


class Training(Strict):
    """How long networks train.

    The published schedule (15,000 steps) is compressed to ``steps``; with far fewer steps the published learning rates
    and batch-norm momentum do nothing, so they are scaled, and the board prints by how much. ``clip_norm`` bounds the
    norm of the gradient. It is not published, and needed on small grids: at 32 voxels the deepest maps of the cascaded
    network are single voxels, batch normalisation over a batch of them makes the first gradients of L_sur a thousand
    times those of L_seg, and Adam divides by what it has seen for a thousand steps.

    Settings of the engine, in the key of every fit like the others: ``micro_batches`` sends a batch through the network
    in that many parts where it does not fit into memory whole (gradients accumulate, the losses stay those of the whole
    batch, batch normalisation sees a part at a time); ``precision`` of the forward and backward pass; ``memory_layout``
    of images and kernels, by ``auto`` the one that measured fastest on the device.
    """

    steps: Positive
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)]
    learning_rate_scale: Annotated[float, Field(gt=0)] = 1.0
    batch_norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.01
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    evaluations: Annotated[int, Field(ge=0)] = 20
    micro_batches: Positive = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_layout: Literal["auto", "contiguous", "channels_last"] = "auto"

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Training:
        if self.batch_size % self.micro_batches or self.batch_size < 2 * self.micro_batches:
            raise ValueError(
                f"a batch of {self.batch_size} cannot go in {self.micro_batches} micro_batches of equal size, at "
                "least 2 patients each"
            )
        return self
