"""Writes a small cohort whose masks have a primary tumour (label 1) and nodes (label 2), all of them boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cohort_folder import write_image

MASK = 'mask: {file: "images/{id}_mask.nii.gz", labels: {gtvp: 1, gtvn: 2}}'
CARD = f"""
name: labelled
title: Primary and nodes
id: patient
endpoint: {{name: PFS, time: months, event: event, unit: months}}
images:
  pet: {{modality: PET, file: "images/{{id}}_pet.nii.gz"}}
  ct: {{modality: CT, file: "images/{{id}}_ct.nii.gz"}}
{MASK}
field_of_view_mm: [64, 64, 64]
clinical:
  - {{name: age, column: age, kind: numeric, model: true}}
licence: CC0
citation: none
"""
SIDE, SPACING = 32, 2.0
"""Of the images, which are the grid of 32 voxels already: what is prepared are the voxels of the files."""
NODES = ((4, 6), (8, 10), (22, 24))
"""Where nodes are, on all axes. A node of 2 x 2 x 2 voxels has 0.064 ml and its centroid at the mean index."""


def primary_of(n):
    """Return the sides of a patient's primary, first and last index along each axis."""
    return ((14, 18), (14, 18), (14, 16 + n % 5))


def nodes_of(n):
    """Return the nodes of a patient; every fourth one has none."""
    return NODES[: n % 4]


def labels_of(n):
    """Return a patient's mask."""
    mask = np.zeros((SIDE,) * 3, dtype=np.uint8)
    mask[tuple(slice(*side) for side in primary_of(n))] = 1
    for node in nodes_of(n):
        mask[(slice(*node),) * 3] = 2
    return mask


def pet_of(n):
    """Return a patient's PET."""
    rng = np.random.default_rng(n)
    mask = labels_of(n)
    return (0.5 + (4.0 + n % 3) * (mask == 1) + 2.0 * (mask == 2) + rng.random(mask.shape)).astype(np.float32)


def write_labelled(folder: Path, patients: int = 12, *, mask: str = MASK) -> Path:
    """Write the cohort, with this line of the card for the mask; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    body = np.linalg.norm(np.stack(np.indices((SIDE,) * 3), axis=-1) - 15.5, axis=-1) < 15
    rows = ["patient,months,event,age"]
    for n in range(patients):
        rng = np.random.default_rng(100 + n)
        ct = (-1000.0 + 1040.0 * body + rng.normal(0, 10, body.shape)).astype(np.int16)
        for kind, voxels in (("pet", pet_of(n)), ("ct", ct), ("mask", labels_of(n))):
            write_image(folder / "images" / f"P{n:02d}_{kind}.nii.gz", voxels, affine)
        rows.append(f"P{n:02d},{60 - 4 * (n % 5) - n % 3 + n / 10:.1f},{n % 2},{50 + n}")
    (folder / "clinical.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "cohort.yaml").write_text(CARD.replace(MASK, mask), encoding="utf-8")
    return folder
