"""Time a training step of the networks, with the engine and with torch's own layers.

A step includes batch, forward pass, losses, backward pass, gradient bound and Adam, without augmentation. With
``--check``, compare the losses of both forms instead of their times: without dropout, at the published learning rate.
With ``--masks``, compare the mean losses of both forms over random dropout masks, at the initial weights.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import product

import torch
from networks import PUBLISHED_RATE, add_options, fit, names, patients
from plain import PARTS, plain
from survbench.models.engine.tensors import Labelled
from timing import Figure, cpu, least, show, table

STEPS = 2
"""Number of steps measured per turn, after one unmeasured step."""
TURNS = 5
ROUNDING = "nothing; images one rounding apart"
"""The form that shows how far training alone amplifies the smallest difference."""


def steps_of(name: str, train: Labelled, chosen: argparse.Namespace, *parts: str | None) -> Callable[[], float]:
    """Return a function that returns the seconds of one step, by the engine or, if parts are given, with these parts in
    plain form (None: all parts).
    """

    def clock() -> float:
        if chosen.device == "cuda":
            torch.cuda.synchronize()
            return time.perf_counter()
        return cpu()

    def measure() -> float:
        times: list[float] = []
        with plain(*filter(None, parts)) if parts else nullcontext():
            fit(
                name,
                train,
                steps=1 + STEPS,
                batch=chosen.batch,
                device=chosen.device,
                report=lambda _step, _losses: times.append(clock()),
            )
        return (times[-1] - times[0]) / STEPS

    return measure


def measure(chosen: argparse.Namespace) -> None:
    """Print a table of steps, and a table of the first network's cost without each accelerated part of the engine."""
    torch.set_num_threads(1)
    train = patients(chosen.batch, chosen.voxels)
    size = f"{chosen.voxels}^3, batch {chosen.batch}, {chosen.device}"
    figures = []
    for name in names(chosen):
        took = least(
            {"ours": steps_of(name, train, chosen), "plain": steps_of(name, train, chosen, None)}, repeats=TURNS
        )
        figures.append(Figure(what=name, seconds=took["ours"], anchor="plain PyTorch", anchor_seconds=took["plain"]))
    show(f"Training step, {size}", figures)
    first = names(chosen)[0]
    forms = {"all": steps_of(first, train, chosen), **{part: steps_of(first, train, chosen, part) for part in PARTS}}
    took = least(forms, repeats=TURNS)
    show(
        f"Training step of {first} with one part of the engine in its plain form, {size}",
        [
            Figure(what=f"plain {part}", seconds=took[part], anchor="the engine", anchor_seconds=took["all"])
            for part in PARTS
        ],
    )
    if chosen.device == "cuda":
        print(f"\nPeak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


def losses(
    name: str,
    train: Labelled,
    *parts: str | None,
    batch: int,
    steps: int,
    dropout: bool = False,
    rate: float = PUBLISHED_RATE,
) -> dict[str, torch.Tensor]:
    """Return each loss at every step by name, from the engine or a plain form; parts are as in :func:`steps_of`."""
    found: list[Mapping[str, float]] = []
    with plain(*filter(None, parts)) if parts else nullcontext():
        fit(
            name,
            train,
            steps=steps,
            batch=batch,
            dropout=dropout,
            rate=rate,
            report=lambda _step, values: found.append(values),
        )
    return {key: torch.tensor([values[key] for values in found], dtype=torch.float64) for key in found[0]}


def difference(ours: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Return the largest difference of any loss at any step, relative to that loss's mean size."""
    return max(float((ours[key] - other[key]).abs().max() / ours[key].abs().mean()) for key in ours)


def check(chosen: argparse.Namespace) -> None:
    """Print how far apart the losses of the engine and of its plain forms are after some steps."""
    torch.set_num_threads(1)
    rows = []
    for name, word in product(names(chosen), chosen.precision):
        train = patients(4 * chosen.batch, chosen.voxels, getattr(torch, word))
        sizes = {"batch": chosen.batch, "steps": chosen.steps}
        ours = losses(name, train, **sizes)
        apart = {"everything": difference(ours, losses(name, train, None, **sizes))}
        for part in PARTS if chosen.parts else ():
            apart[part] = difference(ours, losses(name, train, part, **sizes))
        apart[ROUNDING] = difference(ours, losses(name, nudged(train), **sizes))
        rows += [(name, word, form, f"{value:.1e}") for form, value in apart.items()]
    title = f"Largest relative difference of a loss over {chosen.steps} steps, {chosen.voxels}^3, batch {chosen.batch}"
    table(title, ("network", "precision", "plain form of", "difference"), rows)


def check_dropout(chosen: argparse.Namespace) -> None:
    """Print the mean of each loss over dropout masks, and the difference between both forms in standard errors."""
    torch.set_num_threads(1)
    rows = []
    train = patients(
        chosen.batch, chosen.voxels
    )  # a batch contains all patients, so only the dropout masks differ between steps
    for name in names(chosen):
        ours, other = (
            losses(name, train, *parts, batch=chosen.batch, steps=chosen.masks, dropout=True, rate=0.0)
            for parts in ((), (None,))
        )
        for loss in ours:
            error = float(torch.hypot(ours[loss].std(), other[loss].std())) / math.sqrt(chosen.masks)
            apart = float(ours[loss].mean() - other[loss].mean()) / error if error else 0.0
            means = [f"{float(values.mean()):.5f} ({float(values.std()):.5f})" for values in (ours[loss], other[loss])]
            rows.append((name, loss, *means, f"{apart:.1f}"))
    title = f"Mean (SD) of losses over {chosen.masks} dropout masks, {chosen.voxels}^3, batch {chosen.batch}"
    table(title, ("network", "loss", "engine", "plain PyTorch", "difference in standard errors"), rows)


def nudged(train: Labelled) -> Labelled:
    """Return the patients with every voxel replaced by the next larger number."""
    images = torch.nextafter(train.inputs.images, torch.tensor(torch.inf, dtype=train.inputs.images.dtype))
    return replace(train, inputs=replace(train.inputs, images=images))


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Add the batch size option."""
    parser.add_argument("--batch", type=int, default=4, help="patients in a batch (default: 4)")


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, voxels=32)
    add_batch(parser)
    parser.add_argument("--check", action="store_true", help="compare losses instead of seconds, on a CPU")
    parser.add_argument("--steps", type=int, default=20, help="number of steps to check (default: 20)")
    parser.add_argument("--parts", action="store_true", help="also check each part of the engine alone")
    parser.add_argument("--precision", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    parser.add_argument("--masks", type=int, metavar="N", help="compare mean losses over N dropout masks instead")
    chosen = parser.parse_args()
    (check_dropout if chosen.masks else check if chosen.check else measure)(chosen)


if __name__ == "__main__":
    main()
