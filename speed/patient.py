"""Time one patient of the paper profile, 128 x 128 x 112 voxels of PET and CT: reading from the cache, and radiomics.

Reading copies the voxels from the memory map. A job opens each volume once and verifies its checksum; networks z-score
it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from survbench.cohort import Subject
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.features.feature_sets import DEFAULT_SET, feature_set
from survbench.volume import Modality, Volume, zscore
from timing import Figure, alone, least, show, timed

SHAPE = (128, 128, 112)
RADIUS = 19
"""Radius in voxels; the tumour is a ball of about 29,000 voxels."""
CHANNELS: tuple[Modality, ...] = ("PET", "CT")


def stored(folder: Path) -> VolumeStore:
    """Return a store with a patient of noise, with a ball as the tumour, and each volume stored by its modality."""
    random = np.random.default_rng(0)
    distance = np.linalg.norm(np.indices(SHAPE).T - np.array(SHAPE) / 2, axis=-1).T
    voxels = {
        "PET": random.gamma(2.0, 2.0, SHAPE).astype(np.float32),
        "CT": random.normal(0.0, 100.0, SHAPE).astype(np.float32),
        "MASK": distance < RADIUS,
    }
    store = VolumeStore(folder)
    for modality in (*CHANNELS, "MASK"):
        store.put(modality, voxels[modality], modality=modality, affine=np.eye(4))  # type: ignore[arg-type]
    return store


def copied(volumes: list[Volume]) -> None:
    """Read all voxels of the volumes."""
    for volume in volumes:
        np.array(volume.voxels())


def loading(folder: Path) -> None:
    """Print the time of reading."""
    store = stored(folder)
    names = (*CHANNELS, "MASK")
    opened = [store.open(name) for name in names]
    files = sorted(folder.rglob("*.npy"))
    calls: dict[str, Callable[[], object]] = {
        "np.load": lambda: [np.load(file) for file in files],
        "read": lambda: copied(opened),
        "open, with checksums": lambda: [store.open(name) for name in names],
        "z-score": lambda: [zscore(volume.voxels()) for volume in opened[:2]],
    }
    took = least({name: timed(call) for name, call in calls.items()}, repeats=20)
    anchor = took.pop("np.load")
    aims = {"read": "0.003 s"}
    show(
        "One patient from the cache",
        [
            Figure(what=n, seconds=s, anchor="np.load of its files", anchor_seconds=anchor, aim=aims.get(n, ""))
            for n, s in took.items()
        ],
    )


def radiomics(folder: Path) -> None:
    """Print the time of radiomics."""
    from survbench.features.radiomics import extract

    store = stored(folder)
    volumes = {"pet": store.open("PET"), "ct": store.open("CT"), "mask": store.open("MASK")}
    subject = Subject(id="patient", centre="", clinical={}, volumes=volumes)
    chosen = feature_set(DEFAULT_SET, list(CHANNELS))
    calls = {"ours": lambda: extract(subject, chosen), "whole": lambda: extract(subject, chosen, pad=None)}
    took = least({name: timed(call) for name, call in calls.items()}, repeats=2)
    figure = Figure(
        what=f"radiomics, set {DEFAULT_SET!r}",
        seconds=took["ours"],
        anchor="pyradiomics on the whole image",
        anchor_seconds=took["whole"],
    )
    show("Radiomics of one patient", [figure])


def measure() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        loading(Path(folder))
        radiomics(Path(folder))


if __name__ == "__main__":
    alone(measure, __doc__)
