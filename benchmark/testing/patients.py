"""Simulated patients whose inputs determine the outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import ClinicalColumn, Cohort, FeatureTable, Subject
from survbench.volume import Modality, Volume

SIDE = 32
CHANNELS: dict[str, Modality] = {"pet": "PET", "ct": "CT", "t1": "MR", "t2": "MR"}


def strong_cohort(patients: int, *, seed: int, modalities: Collection[Modality] = ()) -> Cohort:
    """Return simulated patients whose inputs determine the outcome: the size and brightness of a ball in the images,
    the mask, a clinical column, a feature, and the truth. Every second one has an event. There are two centres.

    Args:
        patients: how many.
        seed: of chance.
        modalities: that a method cannot do without. Patients have PET and CT; where MR is among these, they have two
            sequences of MR, and PET or CT only if named, too.
    """
    shown = modalities if "MR" in modalities else ("PET", "CT")
    channels = tuple(name for name, modality in CHANNELS.items() if modality in shown)
    rng = np.random.default_rng([seed, patients])
    hazard = rng.permutation(np.linspace(-1.0, 1.0, patients))
    subjects = tuple(
        _subject(f"{'AB'[seed % 2]}{n:03d}", "AB"[n // 2 % 2], float(h), channels, rng) for n, h in enumerate(hazard)
    )
    noise = rng.normal(size=(patients, 5))
    return Cohort(
        subjects=subjects,
        channels=channels,
        clinical_columns=(
            ClinicalColumn("stage", "ordinal", ("I", "II", "III", "IV")),
            ClinicalColumn("age", "numeric"),
        ),
        features=FeatureTable(("signal", *(f"noise_{n}" for n in range(5))), np.column_stack([hazard, noise])),
        truth=hazard,
        time=30.0 * np.exp(-1.2 * hazard) * np.exp(rng.normal(0, 0.05, patients)),
        event=np.arange(patients) % 2 == 0,
    )


def _subject(name: str, hospital: str, hazard: float, channels: tuple[str, ...], rng: np.random.Generator) -> Subject:
    shape, affine = (SIDE, SIDE, SIDE), np.diag([4.0, 4.0, 4.0, 1.0])
    centre = SIDE / 2 + rng.uniform(-2, 2, 3)
    offset = np.ix_(*(np.arange(n) - c for n, c in zip(shape, centre, strict=True)))
    distance = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2)
    ball = distance <= 6.5 + 3.0 * hazard
    volumes = {}
    for key, modality, voxels in (*_images(channels, ball, hazard, rng), ("mask", "MASK", ball)):
        voxels.flags.writeable = False
        volumes[key] = Volume(modality, shape, affine, _constant(voxels), _constant(f"{name}-{key}"))
    stage = ("I", "II", "III", "IV")[min(3, int(2 * (hazard + 1)))]
    structures = {
        key: Volume("MASK", shape, affine, _constant(voxels), _constant(f"{name}-{key}"))
        for key, voxels in _structures(ball, offset, 0.9 * distance[ball].max(), hazard)
    }
    return Subject(name, hospital, {"stage": stage, "age": 60.0 + 10 * hazard}, volumes, structures=structures)


def _structures(
    ball: NDArray[np.bool_], offset: Sequence[NDArray[np.float64]], reach: float, hazard: float
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield name and voxels of the structures that the ball consists of: caps, of which patients at higher risk have
    more, and the rest; those at the lowest risk have none.

    Args:
        ball: the mask.
        offset: voxels from its centre along each axis, to be broadcast.
        reach: so many voxels from the centre a cap begins.
        hazard: from -1 to 1.
    """
    caps = np.zeros_like(ball)
    for n in range(round(2 * (hazard + 1))):
        axis, sign = divmod(n, 2)
        caps |= ball & ((1 - 2 * sign) * offset[axis] > reach)
    for key, voxels in (("primary", ball & ~caps), ("nodes", caps)):
        voxels.flags.writeable = False
        yield key, voxels


def _images(
    channels: tuple[str, ...], ball: NDArray[np.bool_], hazard: float, rng: np.random.Generator
) -> Iterator[tuple[str, Modality, NDArray[Any]]]:
    """Yield name, modality and voxels of each channel: SUV, HU, or the arbitrary units of MR."""
    for name in channels:
        modality = CHANNELS[name]
        if modality == "PET":
            voxels = 0.5 + (6 + 3 * hazard) * ball + 0.2 * rng.random(ball.shape)
        elif modality == "CT":
            voxels = 20.0 + 40 * ball + 10 * rng.standard_normal(ball.shape)
        else:
            voxels = 300.0 + (200 + 50 * hazard) * ball + 20 * rng.random(ball.shape)
        yield name, modality, voxels.astype(np.float32)


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
