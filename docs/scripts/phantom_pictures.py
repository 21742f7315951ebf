"""Draw a few phantom patients, axial and coronal, with the outline of the tumour mask: ``phantom_pictures.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from survbench.cohort import Subject
from survbench.datasets.phantom.cohort import phantom_cohorts
from survbench.plan.profile import builtin_profiles

TARGET = Path(__file__).parents[1] / "images" / "phantom.png"
VOXELS = 128
PATIENTS = 4


def draw(axes: np.ndarray, subject: Subject, label: str) -> None:
    """Draw CT and PET of a patient: axial and coronal slices through the largest tumour area."""
    mask = subject.volumes["mask"].voxels()
    z = int(np.argmax(mask.sum(axis=(0, 1))))
    y = int(np.argmax(mask.sum(axis=(0, 2))))
    slices = {"axial": np.s_[:, :, z], "coronal": np.s_[:, y, :]}
    windows = {"ct": ("gray", -200, 300), "pet": ("gray_r", 0, 10)}
    for column, (channel, plane) in enumerate((c, p) for p in slices for c in windows):
        colours, low, high = windows[channel]
        image, outline = (subject.volumes[n].voxels()[slices[plane]].T for n in (channel, "mask"))
        axis = axes[column]
        axis.imshow(image, cmap=colours, vmin=low, vmax=high, origin="lower", interpolation="nearest")
        axis.contour(outline, levels=[0.5], colors="#d1495b", linewidths=1)
        axis.set_axis_off()
        axis.set_title(
            f"{label} {channel.upper()}, {plane}" if column == 0 else f"{channel.upper()}, {plane}", fontsize=8
        )


def main() -> None:
    """Draw patients of both centres."""
    mpl.rcParams["savefig.dpi"] = 90
    train, external = phantom_cohorts(builtin_profiles()["paper"].phantom, VOXELS)
    chosen = [*train.cohort.subjects[: PATIENTS - 1], external.cohort.subjects[0]]
    figure, axes = plt.subplots(PATIENTS, 4, figsize=(9, 8.4), layout="constrained")
    for row, subject in zip(axes, chosen, strict=True):
        draw(row, subject, subject.id)
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, metadata={"Software": None})


if __name__ == "__main__":
    main()
