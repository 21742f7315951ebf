"""Draw what a second interpolation loses on a resolution phantom, and print the numbers: ``interpolation.py``.

A CT of line pairs and small spheres, 0.98 x 0.98 x 2 mm as head-and-neck scanners write it, is brought to the 1 mm grid
of a template that is turned by 5 degrees: once, by the composed transform, and twice, by way of 1 mm voxels in the
scanner's frame (DeepMTS, section 4.2).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from survbench.datasets.phantom.poses import pose
from survbench.datasets.preprocessing.grid import Grid
from survbench.datasets.preprocessing.resample import isotropic, preprocess
from survbench.volume import Volume

TARGET = Path(__file__).parents[1] / "images" / "interpolation.png"
SPACING, SHAPE = (0.98, 0.98, 2.0), (112, 112, 24)
PERIODS_MM = (2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0)
DIAMETERS_MM = (4.0, 6.0, 8.0, 12.0)
SHOWN_MM = (3.0, 4.0, 5.0, 6.0)
CONTRAST_HU = 1000.0
GRID = Grid((96, 96, 32), 1.0)
TO_PATIENT = pose(5, [1, 2, 6], [3.3, -2.4, 1.7])
EDGE = 16
"""Voxels at the border of the grid that are not measured."""
STYLES = {"exact": "0.6", "once": "#1b7837", "twice": "#d1495b"}


def points(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the world points of a grid's voxels, shape (3, x, y, z)."""
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


def scanned(draw) -> Volume:
    """Return a CT of what a function of world points draws."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = -np.array(SPACING) * (np.array(SHAPE) - 1) / 2
    return Volume("CT", SHAPE, affine, partial(np.asarray, draw(points(affine, SHAPE)).astype(np.float32)), str)


def results(draw) -> dict[str, np.ndarray]:
    """Return a phantom on the template's grid: as it is, interpolated once, and interpolated twice."""
    image, affine = scanned(draw), TO_PATIENT @ GRID.affine((0.0, 0.0, 0.0))
    return {
        "exact": draw(points(affine, GRID.shape)),
        "once": preprocess(image, GRID.shape, affine),
        "twice": preprocess(isotropic(image), GRID.shape, affine),
    }


def lines(period_mm: float, world: np.ndarray) -> np.ndarray:
    """Return HU of lines across x."""
    return CONTRAST_HU / 2 * (1 + np.cos(2 * np.pi * world[0] / period_mm))


def sphere(diameter_mm: float, world: np.ndarray) -> np.ndarray:
    """Return HU of a sphere with the soft edge of a scanner (1.5 mm)."""
    depth = diameter_mm / 2 - np.linalg.norm(world - np.reshape(TO_PATIENT[:3, 3], (3, 1, 1, 1)), axis=0)
    return CONTRAST_HU * np.clip(0.5 + depth / 1.5, 0, 1)


def groups(world: np.ndarray) -> np.ndarray:
    """Return HU of four groups of lines, one above the other."""
    x, y, _ = world
    image = np.zeros(x.shape)
    for number, period in enumerate(SHOWN_MM):
        inside = (np.abs(x) < 36) & (np.abs(y - 20 * (1.5 - number)) < 7)
        image = np.where(inside, lines(period, world), image)
    return image


def main() -> None:
    """Measure, print and draw."""
    middle = (slice(EDGE, -EDGE), slice(EDGE, -EDGE), slice(10, -10))
    contrast: dict[str, list[float]] = {"once": [], "twice": []}
    for period in PERIODS_MM:
        found = results(partial(lines, period))
        for name, values in contrast.items():
            values.append(float(found[name][middle].std() / found["exact"][middle].std()))
    print("| line pairs | once | twice |\n|---|---|---|")
    for number, period in enumerate(PERIODS_MM):
        print(f"| {period:g} mm | {contrast['once'][number]:.0%} | {contrast['twice'][number]:.0%} |")
    print("\n| sphere | exact | once | twice |\n|---|---|---|---|")
    for diameter in DIAMETERS_MM:
        found = results(partial(sphere, diameter))
        print(f"| {diameter:g} mm | " + " | ".join(f"{found[name].max():.0f} HU" for name in STYLES) + " |")
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), layout="constrained")
    for axis, (name, image) in zip(axes, results(groups).items(), strict=False):
        axis.imshow(
            image[:, ::-1, GRID.shape[2] // 2].T, cmap="gray", vmin=0, vmax=CONTRAST_HU, interpolation="nearest"
        )
        axis.set_title(
            {"exact": "as it is", "once": "one interpolation", "twice": "two interpolations"}[name], fontsize=9
        )
        axis.set_axis_off()
    for name, values in contrast.items():
        axes[3].plot(PERIODS_MM, values, marker="o", markersize=3, color=STYLES[name], label=name)
    axes[3].set(xlabel="line pair (mm)", ylabel="contrast that is left", ylim=(0, 1.02))
    axes[3].legend(frameon=False, fontsize=8)
    figure.savefig(TARGET, metadata={"Software": None})


if __name__ == "__main__":
    mpl.rcParams["savefig.dpi"] = 100
    main()
