"""Runs a network on patients: memory layout by device, a few patients at a time."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from survbench.models.tensors import Inputs, Output
from torch import nn

LAYOUTS = {"cpu": torch.channels_last_3d}
"""Memory layout by kind of device, elsewhere torch's own; measured by speed/training_step.py."""

AT_ONCE = 1
"""Patients in one prediction: sums are rounded differently in larger batches, and a patient's risk must not depend on
who else is predicted."""


def lay_out(network: nn.Module, device: torch.device) -> None:
    """Move a network to ``device``, in the memory layout that suits it there."""
    network.to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):  # the layout is one of 5-D tensors; there are 2-D networks, too
            module.to(memory_format=LAYOUTS.get(device.type, torch.contiguous_format))  # type: ignore[call-overload]  # not in torch's stub


def apply(network: nn.Module, inputs: Inputs, *, masked_input: bool) -> Output:
    """Run a network on patients that lie on its device; ``masked_input`` blanks what is outside the tumour mask."""
    images = inputs.masked().images if masked_input else inputs.images
    layout = LAYOUTS.get(images.device.type, torch.contiguous_format)
    output: Output = network(images.contiguous(memory_format=layout), inputs.clinical)
    return output


@torch.inference_mode()
def predict(network: nn.Module, inputs: Inputs, *, masked_input: bool, device: torch.device) -> Output:
    """Return what a network (on ``device``, in evaluation mode) predicts for all patients, as tensors on the CPU."""
    outputs = []
    for rows in np.array_split(np.arange(len(inputs)), range(AT_ONCE, len(inputs), AT_ONCE)):
        output = apply(network, inputs.take(rows).to(device), masked_input=masked_input)
        outputs.append({f.name: getattr(output, f.name) for f in fields(output)})
    joined = {
        name: None if value is None else torch.cat([o[name].cpu() for o in outputs])
        for name, value in outputs[0].items()
    }
    return type(output)(**joined)
