"""Random shifts, rotations and flips of a batch (DeepMTS, section 4.7), combined and resampled once on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.models.engine.tensors import Inputs
from survbench.volume import left_right_axis
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """One random affine map per patient.

    Attributes:
        translate_mm: largest shift along each axis; uniform. The paper's 10 pixels are 10 mm.
        rotate_degrees: largest rotation about each axis; uniform.
        flip_probability: probability of mirroring left and right.
    """

    translate_mm: float = 10.0
    rotate_degrees: float = 5.0
    flip_probability: float = 0.5

    def __call__(self, inputs: Inputs, rng: np.random.Generator) -> Inputs:
        """Return the patients, each moved by a map drawn from ``rng``."""
        return resample(inputs, np.stack([self.draw(affine, rng) for affine in inputs.affines]))

    def draw(self, affine: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the map of one patient.

        Args:
            affine: affine of the patient's grid, shape (4, 4); it determines which array axis runs from left to right.
            rng: random number generator.

        Returns:
            Map of shape (3, 4) from a point to the point whose value it takes, both in millimetres from the centre of
            the grid along the array axes.
        """
        rotation = np.eye(3)
        for axis, angle in enumerate(np.deg2rad(rng.uniform(-self.rotate_degrees, self.rotate_degrees, 3))):
            rotation = rotation @ _rotation(axis, angle)
        if rng.random() < self.flip_probability:
            rotation[left_right_axis(affine)] *= -1
        shift = rng.uniform(-self.translate_mm, self.translate_mm, 3)
        return np.column_stack([rotation, shift])


def resample(inputs: Inputs, maps: NDArray[np.float64]) -> Inputs:
    """Resample every patient once, images and mask together, by linear interpolation; values from outside the grid are
    0.

    Args:
        inputs: N patients.
        maps: shape (N, 3, 4), see :meth:`Augmentation.draw`.

    Returns:
        The resampled patients, with masks cut at 0.5.
    """
    shape = inputs.images.shape[2:]
    # half the extent of each grid in mm: grid_sample uses -1 to 1 between the outer faces of the outer voxels
    half = np.linalg.norm(inputs.affines[:, :3, :3], axis=1) * np.array(shape) / 2
    relative = np.concatenate([maps[:, :, :3] * half[:, None, :], maps[:, :, 3:]], axis=2) / half[:, :, None]
    # grid_sample takes coordinates from the last array axis to the first
    reversed_axes = np.concatenate([relative[:, ::-1, 2::-1], relative[:, ::-1, 3:]], axis=2)
    theta = torch.from_numpy(reversed_axes.astype(np.float32)).to(inputs.images.device)
    volumes = inputs.images
    if inputs.mask is not None:
        volumes = torch.cat([volumes, inputs.mask.to(volumes.dtype)], dim=1)
    grid = functional.affine_grid(theta, [*volumes.shape], align_corners=False)
    moved = functional.grid_sample(volumes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    channels = inputs.images.shape[1]
    return replace(
        inputs,
        images=moved[:, :channels],
        mask=None if inputs.mask is None else moved[:, channels:] > 0.5,
    )


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix
