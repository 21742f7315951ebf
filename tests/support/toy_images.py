"""Small image cohorts whose outcome is written into the images: the larger the bright ball, the earlier the event."""

from __future__ import annotations

import numpy as np
from survbench.cohort import ClinicalColumn, Cohort, Subject
from survbench.volume import Volume

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def volume(voxels, modality="PET", affine=AFFINE):
    return Volume(modality, voxels.shape, affine, lambda: voxels, lambda: "none")


def toy_cohort(n=8, *, shape=(32, 32, 32), channels=("pet", "ct"), events=None, mask=True, seed=0):
    """Return ``n`` patients of which every second one (or those of ``events``) has an event."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(side) for side in shape], indexing="ij"), axis=-1)
    subjects, radii = [], rng.permutation(np.linspace(4.0, 9.0, n))
    for row, radius in enumerate(radii):
        centre = np.array(shape) / 2 + rng.uniform(-3, 3, 3)
        ball = np.linalg.norm(grid - centre, axis=-1) <= radius
        images = {name: volume((2.0 * ball + 0.3 * rng.standard_normal(shape)).astype(np.float32)) for name in channels}
        if mask:
            images["mask"] = volume(ball, "MASK")
        subjects.append(Subject(f"P{row:03d}", "A", {"stage": "IVa" if row % 3 else "III"}, images))
    return Cohort(
        subjects=tuple(subjects),
        channels=tuple(channels),
        clinical_columns=(ClinicalColumn("stage", "ordinal", ("III", "IVa")),),
        time=100.0 - 10.0 * radii,
        event=np.arange(n) % 2 == 0 if events is None else np.asarray(events),
    )
