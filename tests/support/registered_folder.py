"""Writes a cohort folder whose patients lie in different poses, with a card that registers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cohort_folder import CARD, write_cohort, write_image
from survbench.datasets.phantom.poses import random_pose

SPACING, SIDE = 4.0, 20
GRID = np.diag([SPACING, SPACING, SPACING, 1.0])
GRID[:3, 3] = -SPACING * (SIDE - 1) / 2
BLOCKS = (
    # centre and half sides in mm, HU, SUV: a body that looks different from every side
    ((0, 0, 0), (28, 24, 30), 40, 1.0),
    ((14, 6, 8), (6, 10, 5), 900, 0.3),
    ((-12, -10, 4), (8, 5, 9), -900, 0.1),
    ((2, 12, -14), (12, 4, 6), 500, 2.0),
)


def registered_card(registration: str = "{template: P00, channel: ct}", *, name: str = "toy") -> str:
    """Return the card; ``registration`` is YAML, "" for none."""
    card = CARD.replace("name: toy", f"name: {name}")
    return card + (f"registration: {registration}\n" if registration else "")


def write_registered(folder: Path, patients: int = 4, *, card: str | None = None, seed: int = 0) -> Path:
    """Write patients in random poses and return the folder. P00, the template, lies straight."""
    write_cohort(folder, patients, card=registered_card() if card is None else card)
    rng = np.random.default_rng(seed)
    for n in range(patients):
        pose = random_pose(rng, most_deg=10, spread_mm=3) if n or seed else np.eye(4)
        ct, pet, mask = draw(pose, rng, radius=7 + n % 10 / 2)
        for kind, voxels in (("ct", ct), ("pet", pet), ("mask", mask)):
            write_image(folder / "images" / f"P{n:02d}_{kind}.nii.gz", voxels, GRID)
    return folder


def draw(pose, rng, *, radius=8.0):
    """Return CT, PET and mask of a patient in a pose."""
    index = np.indices((SIDE,) * 3).reshape(3, -1)
    world = SPACING * (index - (SIDE - 1) / 2)
    inverse = np.linalg.inv(pose)
    x = (inverse[:3, :3] @ world + inverse[:3, 3:]).reshape(3, SIDE, SIDE, SIDE)
    ct, pet = np.full(x.shape[1:], -1000.0), np.zeros(x.shape[1:])
    for centre, half, hu, suv in BLOCKS:
        depth = np.min([h - np.abs(a - c) for a, c, h in zip(x, centre, half, strict=True)], axis=0)
        share = np.clip(0.5 + depth / SPACING, 0, 1)
        ct, pet = ct + share * (hu - ct), pet + share * (suv - pet)
    ball = np.linalg.norm(x - np.reshape((0, -2, -4), (3, 1, 1, 1)), axis=0) <= radius
    pet = np.where(ball, 6.0, pet) + 0.1 * rng.random(pet.shape)
    return (ct + rng.normal(0, 10, ct.shape)).astype(np.int16), pet.astype(np.float32), ball.astype(np.uint8)
