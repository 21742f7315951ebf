"""Time the prediction of one patient by each network, with the engine and with torch's own layers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext

import torch
from networks import add_options, built, names, patients
from plain import plain
from survbench.models.engine.inference import predict
from timing import Figure, least, show, timed


def prediction(name: str, voxels: int, device: str, *, by_engine: bool) -> Callable[[], float]:
    """Return a function that returns the seconds of a prediction."""
    inputs = patients(1, voxels).inputs
    form = nullcontext if by_engine else plain
    with form():
        network, _, info = built(name, device=device)
    masked = info.params.get("masked_input", False)

    def call() -> None:
        with form():
            predict(network.eval(), inputs, masked_input=masked, device=torch.device(device))

    return timed(call)


def measure(options: argparse.Namespace) -> None:
    """Print a table."""
    torch.set_num_threads(1)
    figures = []
    for name in names(options):
        forms = {
            form: prediction(name, options.voxels, options.device, by_engine=form == "ours")
            for form in ("ours", "plain")
        }
        took = least(forms)
        figures.append(Figure(what=name, seconds=took["ours"], anchor="plain PyTorch", anchor_seconds=took["plain"]))
    show(f"Prediction of one patient, {options.voxels}^3, {options.device}", figures)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, voxels=64)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
