"""Inputs and outputs of networks, independent of any particular network or loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.cohort import Subject, UnlabelledCohort
from survbench.errors import BenchError
from survbench.volume import zscore
from torch import Tensor

MULTIPLE = 16
"""Sides must be multiples of this: four poolings by 2, with upsampled maps that must match the pooled ones."""
SMALLEST = 32
"""The smallest multiple of 16 for which the poolings of the cascaded network leave a voxel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """N patients on one grid.

    Attributes:
        images: z-scored channels, shape (N, C, X, Y, Z), float32.
        clinical: encoded clinical values, shape (N, columns), float32; there may be no columns.
        mask: tumour mask, shape (N, 1, X, Y, Z), boolean; None if not needed.
        affines: affines from array index to world millimetres, shape (N, 4, 4).
    """

    images: Tensor
    clinical: Tensor
    mask: Tensor | None
    affines: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def nbytes(self) -> int:
        """Size of images and masks in bytes."""
        return self.images.nbytes + (0 if self.mask is None else self.mask.nbytes)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Self:
        """Return these patients in this order, possibly with repeats."""
        index = torch.as_tensor(rows, device=self.images.device)
        return replace(
            self,
            images=self.images[index],
            clinical=self.clinical[index],
            mask=None if self.mask is None else self.mask[index],
            affines=self.affines[np.asarray(rows)],
        )

    def to(self, device: torch.device) -> Self:
        """Return the patients with their tensors on ``device``."""
        return replace(
            self,
            images=self.images.to(device),
            clinical=self.clinical.to(device),
            mask=None if self.mask is None else self.mask.to(device),
        )

    def masked(self) -> Self:
        """Return the patients with 0, the mean of a z-scored image, outside the tumour."""
        if self.mask is None:
            raise ValueError("there is no mask to multiply the images by")
        return replace(self, images=self.images * self.mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Patients with outcomes: ``time`` (float64) and ``event`` (boolean), shape (N,), on the CPU."""

    inputs: Inputs
    time: Tensor
    event: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A network's predictions for N patients; None for quantities that it does not predict.

    Attributes:
        risk: higher means an earlier event, shape (N,).
        probability: tumour probability per voxel, shape (N, 1, X, Y, Z).
        features: deep features that enter the survival head, shape (N, p).
        conditional: survival of each interval given survival up to it, shape (N, intervals); discrete-time networks.
    """

    risk: Tensor | None = None
    probability: Tensor | None = None
    features: Tensor | None = None
    conditional: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the output with ``function`` applied to every tensor that is present."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: None if value is None else function(value) for name, value in values.items()})


def joined(outputs: Sequence[Output]) -> Output:
    """Concatenate the outputs for several groups of patients."""
    names = [f.name for f in fields(Output) if getattr(outputs[0], f.name) is not None]
    return Output(**{name: torch.cat([getattr(output, name) for output in outputs]) for name in names})


def stack(cohort: UnlabelledCohort, clinical: NDArray[np.float64], *, mask: bool) -> Inputs:
    """Read a cohort's images into memory, z-scored per channel and patient.

    Args:
        cohort: patients whose volumes share one grid; channels are in the order of ``cohort.channels``.
        clinical: encoded clinical values, shape (n, columns).
        mask: whether the tumour masks are needed.

    Raises:
        BenchError: a volume is missing, the grid is unsuitable, or values are not finite.
    """
    shape = _common_shape(cohort, mask=mask)
    if not np.isfinite(clinical).all():
        raise BenchError("The encoded clinical values contain NaN or infinity. Run 'bench cohort check' on the cohort.")
    images = torch.empty((len(cohort), len(cohort.channels), *shape))
    masks = torch.empty((len(cohort), 1, *shape), dtype=torch.bool) if mask else None
    for row, subject in enumerate(cohort.subjects):
        for channel, name in enumerate(cohort.channels):
            images[row, channel] = torch.from_numpy(zscore(subject.volumes[name].voxels()))
        if not images[row].isfinite().all():
            raise BenchError(
                f"The images of {subject.id} contain NaN or infinity. Run 'bench cohort check' on the cohort."
            )
        if masks is not None:
            masks[row, 0] = torch.from_numpy(np.array(subject.volumes["mask"].voxels(), dtype=bool))
    return Inputs(
        images=images,
        clinical=torch.from_numpy(np.asarray(clinical, dtype=np.float32)),
        mask=masks,
        affines=np.stack([s.volumes[cohort.channels[0]].affine for s in cohort.subjects]),
    )


def _common_shape(cohort: UnlabelledCohort, *, mask: bool) -> tuple[int, int, int]:
    names = [*cohort.channels, *(["mask"] if mask else [])]
    shape = None
    for subject in cohort.subjects:
        _check_volumes(subject, names)
        for name in names:
            found = subject.volumes[name].shape
            shape = shape or found
            if found != shape:
                raise BenchError(
                    f"Volume {name!r} of {subject.id} has the grid {found}, others have {shape}; networks need one "
                    "grid for all patients. Prepare the cohort with 'bench run', which resamples it."
                )
    if shape is None:
        raise BenchError("The cohort has no patients.")
    if any(side % MULTIPLE or side < SMALLEST for side in shape):
        raise BenchError(
            f"A grid of {shape[0]} x {shape[1]} x {shape[2]} voxels does not suit the networks: every side must be a "
            f"multiple of {MULTIPLE} and at least {SMALLEST}. Choose a profile that gives such a grid."
        )
    return shape


def _check_volumes(subject: Subject, names: list[str]) -> None:
    missing = [name for name in names if name not in subject.volumes]
    if missing:
        have = ", ".join(subject.volumes) or "none"
        raise BenchError(
            f"{subject.id} has no volume {', '.join(map(repr, missing))}; it has: {have}. Add the file, leave out the "
            "patient, or choose methods that do not need it ('bench list methods')."
        )
