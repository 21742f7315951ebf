"""Fit survbench's networks with the training engine on random patients."""

from __future__ import annotations

import math
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from survbench.api import Context, MethodInfo, Seeds
from survbench.models.engine import trainer
from survbench.models.engine.inference import lay_out
from survbench.models.engine.layers import ImageNetwork
from survbench.models.engine.recipe import Recipe
from survbench.models.engine.seeding import seeded
from survbench.models.engine.tensors import Inputs, Labelled
from survbench.plan.registry import registry
from survbench.training import Training
from survbench.work.construct import construct
from torch import nn

SOME = ("deepmts", "mt-casnet", "sur-hs", "mdsn", "dlpm")
CHANNELS, CLINICAL = 2, 1
PUBLISHED_RATE = 1e-4
"""Published learning rate of the first 2,500 steps."""


def every_network() -> tuple[str, ...]:
    """Return the names of all methods that train a network on images."""
    return tuple(info.name for info in registry().methods.values() if info.selects and "images" in info.needs_fit)


def add_options(parser: ArgumentParser, *, voxels: int) -> None:
    """Add options for networks, grid and device."""
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=list(SOME), help=f"default: {' '.join(SOME)}")
    parser.add_argument("--all", action="store_true", help="all networks")
    parser.add_argument("--voxels", type=int, default=voxels, help=f"voxels per side (default: {voxels})")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")


def names(chosen: Namespace) -> list[str]:
    """Return the names of the networks selected by the options."""
    return list(every_network()) if chosen.all else list(chosen.networks)


def patients(count: int, voxels: int, dtype: torch.dtype = torch.float32) -> Labelled:
    """Return random patients on a grid with ``voxels`` per side; every other patient has an event."""
    random = torch.Generator().manual_seed(0)
    grid = (voxels, voxels, voxels)
    inputs = Inputs(
        images=torch.randn(count, CHANNELS, *grid, generator=random, dtype=dtype),
        clinical=torch.randn(count, CLINICAL, generator=random, dtype=dtype),
        mask=torch.rand(count, 1, *grid, generator=random) > 0.9,
        affines=np.broadcast_to(np.eye(4), (count, 4, 4)),
    )
    time = torch.rand(count, generator=random, dtype=torch.float64)
    return Labelled(inputs=inputs, time=time, event=torch.arange(count) % 2 == 0)


def built(name: str, *, device: str, dtype: torch.dtype = torch.float32) -> tuple[ImageNetwork, Any, MethodInfo]:
    """Return a fresh network, its method, and the method's declaration."""
    info = registry().methods[name]
    method = construct(info.target, info.params)
    with seeded(0, torch.device(device)):
        network: ImageNetwork = method.build(CHANNELS, CLINICAL)
    network.to(dtype)
    lay_out(network, torch.device(device))
    return network, method, info


def fit(
    name: str,
    train: Labelled,
    *,
    steps: int,
    batch: int,
    device: str = "cpu",
    dropout: bool = True,
    rate: float = PUBLISHED_RATE,
    report: Callable[[int, Mapping[str, float]], None],
) -> None:
    """Train a network as a fit does, with bounded gradients but without augmentation.

    Args:
        name: name of the method.
        train: patients; their images determine the precision.
        steps: number of steps.
        batch: number of patients per batch.
        device: ``"cpu"`` or ``"cuda"``.
        dropout: whether to use dropout.
        rate: learning rate of all steps.
        report: called after each step with its number and the losses.
    """
    network, method, info = built(name, device=device, dtype=train.inputs.images.dtype)
    if not dropout:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    recipe = Recipe(schedule=((0, rate),), masked_input=info.params.get("masked_input", False))
    # a checkpoint would be timed, and torch's own Adam has no state() for it
    with tempfile.TemporaryDirectory() as scratch, patch.object(trainer, "CHECKPOINT_SECONDS", math.inf):
        context = Context(
            seeds=Seeds(0, 0, name),
            training=Training(steps=steps, batch_size=batch, clip_norm=1.0, evaluations=0),
            scratch=Path(scratch),
            device=device,
            report=report,
        )
        trainer.Trainer(network, train, objective=method.objective(network), recipe=recipe, ctx=context).run()
