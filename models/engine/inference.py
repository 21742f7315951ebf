"""Run a network on patients: memory layout by device, a few patients at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import numpy as np
import torch
from survbench.models.engine.tensors import Inputs, Output, joined
from torch import Tensor, nn

MemoryLayout = Literal["auto", "contiguous", "channels_last"]
LAYOUTS = {"cpu": torch.channels_last_3d}
"""Memory layout by kind of device; other devices use torch's default. Measured by speed/training_step.py."""

AT_ONCE = 1
"""Patients per prediction: sums are rounded differently in larger batches, and a patient's risk must not depend on the
other patients."""


def exact() -> AbstractContextManager[None]:
    """Make cuDNN compute in full single precision and deterministically inside the block; no effect on a CPU.

    On a GPU, the backward passes of 3-D pooling and resampling sum in no fixed order, so fits repeat only to rounding.
    """
    manager: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return manager


def lay_out(network: nn.Module, device: torch.device, layout: MemoryLayout = "auto") -> None:
    """Move a network to ``device``, in the given memory layout."""
    network.to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):  # the layout applies to 5-D tensors, and some networks are 2-D
            module.to(memory_format=_memory_format(device, layout))  # type: ignore[call-overload]  # not in torch's stub


def apply(network: nn.Module, inputs: Inputs, *, masked_input: bool, layout: MemoryLayout = "auto") -> Output:
    """Run a network on patients on its device; ``masked_input`` sets voxels outside the tumour mask to 0."""
    images = inputs.masked().images if masked_input else inputs.images
    memory_format = _memory_format(images.device, layout)
    output: Output = network(images.contiguous(memory_format=memory_format), inputs.clinical)
    return output


def _memory_format(device: torch.device, layout: MemoryLayout) -> torch.memory_format:
    if layout == "auto":
        return LAYOUTS.get(device.type, torch.contiguous_format)
    return torch.channels_last_3d if layout == "channels_last" else torch.contiguous_format


@torch.inference_mode()
def predict(network: nn.Module, inputs: Inputs, *, masked_input: bool, device: torch.device) -> Output:
    """Return the predictions of a network (on ``device``, in evaluation mode) for all patients, on the CPU."""
    groups = np.array_split(np.arange(len(inputs)), range(AT_ONCE, len(inputs), AT_ONCE))
    with exact():
        outputs = [apply(network, inputs.take(rows).to(device), masked_input=masked_input) for rows in groups]
    return joined([output.map(Tensor.cpu) for output in outputs])
