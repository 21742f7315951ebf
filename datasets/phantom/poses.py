"""Phantom patients who lie in the scanner in other poses, to test registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.datasets.cards.source import SourceCohort
from survbench.io.hashing import digest
from survbench.volume import Volume


def pose(rotation_deg: float, axis: ArrayLike, shift_mm: ArrayLike) -> NDArray[np.float64]:
    """Return the rigid transform, shape (4, 4), that turns a patient about an axis through the origin and shifts it."""
    from scipy.spatial.transform import Rotation

    direction = np.asarray(axis, dtype=np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(rotation_deg) * direction / np.linalg.norm(direction)).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def random_pose(rng: np.random.Generator, *, most_deg: float, spread_mm: float) -> NDArray[np.float64]:
    """Draw a pose: an angle up to ``most_deg`` about any axis, and normal shifts with ``spread_mm`` along each axis."""
    return pose(rng.uniform(0, most_deg), rng.normal(size=3), spread_mm * rng.normal(size=3))


def posed(volume: Volume, matrix: NDArray[np.float64]) -> Volume:
    """Return a phantom's volume as the same scanner shows the patient in another pose; nothing is interpolated."""
    render = volume.loader
    if not isinstance(render, partial):
        message = f"only the phantom can be drawn in another pose, not {volume!r}"
        raise TypeError(message)
    drawn = partial(render.func, *render.args, pose=matrix)
    fingerprint = digest([volume.fingerprint(), matrix.tolist()])
    return replace(volume, loader=drawn, fingerprint=partial(str, fingerprint))


def posed_cohort(source: SourceCohort, poses: Sequence[NDArray[np.float64]]) -> SourceCohort:
    """Return a phantom cohort whose patients lie in these poses, one for each."""
    subjects = tuple(
        replace(subject, volumes={name: posed(volume, matrix) for name, volume in subject.volumes.items()})
        for subject, matrix in zip(source.cohort.subjects, poses, strict=True)
    )
    return replace(source, cohort=replace(source.cohort, subjects=subjects))
