"""Writes a small cohort folder as a user would have it: NIfTI images, a table and a card."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from survbench.datasets.cards.card import read_card
from survbench.datasets.cohorts.usable import read_cohort

CARD = """
name: toy
title: Toy cohort
id: patient
endpoint: {name: PFS, time: months, event: event, unit: months}
images:
  pet: {modality: PET, file: "images/{id}_pet.nii.gz"}
  ct: {modality: CT, file: "images/{id}_ct.nii.gz"}
mask: {file: "images/{id}_mask.nii.gz"}
field_of_view_mm: [64, 64, 64]
clinical:
  - {name: age, column: age, kind: numeric, model: true}
  - {name: sex, column: sex, kind: categorical, levels: [f, m]}
licence: CC0
citation: none
"""
SHAPE = (16, 16, 16)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def write_image(path: Path, voxels, affine=AFFINE):
    """Write a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def write_cohort(folder: Path, patients: int = 12, *, card: str = CARD) -> Path:
    """Write a cohort in which every second patient has an event; return its folder."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["patient,months,event,age,sex"]
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    for n in range(patients):
        name = f"P{n:02d}"
        own = np.random.default_rng(n).uniform(-0.2, 0.2, 3)  # no two patients have the same mask
        ball = np.linalg.norm(grid - 7.5 - own, axis=-1) <= 2.5 + 0.25 * (n % 10)
        pet = (0.5 + 6.0 * ball + 0.2 * rng.random(SHAPE)).astype(np.float32)
        ct = (-1000.0 + 1040.0 * (np.linalg.norm(grid - 7.5, axis=-1) < 7) + rng.normal(0, 10, SHAPE)).astype(np.int16)
        for kind, voxels in (("pet", pet), ("ct", ct), ("mask", ball.astype(np.uint8))):
            write_image(folder / "images" / f"{name}_{kind}.nii.gz", voxels)
        rows.append(f"{name},{60 - 3 * (n % 10) + n / 10:.1f},{n % 2},{50 + n},{'fm'[n // 2 % 2]}")
    (folder / "clinical.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "cohort.yaml").write_text(card, encoding="utf-8")
    return folder


def read(folder: Path, **options):
    """Read the cohort that a folder's card describes."""
    return read_cohort(read_card(folder / "cohort.yaml"), folder, **options)


def lines(folder: Path):
    """Return the lines of the folder's table."""
    return (folder / "clinical.csv").read_text().splitlines()


def write_lines(folder: Path, rows):
    """Replace the folder's table."""
    (folder / "clinical.csv").write_text("\n".join(rows) + "\n")


def path_of(folder, file):
    """Return the path of an image, such as that of ``P01_pet``."""
    return folder / "images" / f"{file}.nii.gz"


def change(folder, file, function, dtype=np.float32):
    """Replace a file's voxels by a function of them, which may change them in place."""
    path = path_of(folder, file)
    voxels = nib.load(path).get_fdata()
    changed = function(voxels)
    write_image(path, (voxels if changed is None else changed).astype(dtype))


def put(where, value):
    """Return a function that writes a value into voxels."""

    def write(voxels):
        voxels[where] = value

    return write


def with_centres(folder, centres="ABABAB"):
    """Write the cohort with a patient of each of these centres."""
    write_cohort(folder, len(centres), card=CARD + "centre: hospital\n")
    head, *rows = lines(folder)
    write_lines(folder, [f"{head},hospital", *(f"{row},{c}" for row, c in zip(rows, centres, strict=True))])


def scale_pet(folder, numbers, factor):
    """Multiply the PET of some patients."""
    for n in numbers:
        change(folder, f"P{n:02d}_pet", lambda v: v * factor)
