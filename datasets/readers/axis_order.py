"""Compare the grids of a mask and an image: the same voxels in another axis order, or what differs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.volume import Volume

TOLERANCE_MM = 0.1
"""Largest distance in mm between the same corner of a mask and of the image that it was drawn on."""
SAME_DIGITS = 1e-6
"""Difference (mm, or component of a unit vector) below which numbers of two headers are the same."""


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """An order in which the same voxels can be stored.

    Attributes:
        axes: for each axis of the new array: the axis of the old array, and whether it is reversed.
    """

    axes: tuple[tuple[int, bool], ...]

    def shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the new shape of an array."""
        x, y, z = (shape[axis] for axis, _ in self.axes)
        return x, y, z

    def turn(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return an array with its axes in the new order."""
        turned = voxels.transpose([axis for axis, _ in self.axes])
        return np.ascontiguousarray(turned[tuple(slice(None, None, -1 if back else 1) for _, back in self.axes)])

    def index(self, index: NDArray[np.intp], shape: tuple[int, int, int]) -> NDArray[np.intp]:
        """Return voxel indices, shape (n, 3), of an array of shape ``shape`` as indices of the reordered array."""
        columns = [shape[axis] - 1 - index[:, axis] if back else index[:, axis] for axis, back in self.axes]
        return np.stack(columns, axis=1)

    @property
    def words(self) -> str:
        """What is reordered, as a phrase that follows "with"; empty for the order as stored."""
        axes = [axis for axis, _ in self.axes]
        back = [str(new + 1) for new, (_, back) in enumerate(self.axes) if back]
        found = [] if axes == [0, 1, 2] else [f"its axes in the order {', '.join(str(axis + 1) for axis in axes)}"]
        if back:
            found.append(f"{'axis' if len(back) == 1 else 'axes'} {', '.join(back)} reversed")
        return " and then ".join(found)

    def affine(self, affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """Return the affine of the reordered array, given the affine and the shape of the original array."""
        turn = np.zeros((4, 4))
        turn[3, 3] = 1
        for new, (old, back) in enumerate(self.axes):
            turn[old, new] = -1 if back else 1
            turn[old, 3] = shape[old] - 1 if back else 0
        return np.asarray(affine @ turn, dtype=np.float64)


AS_STORED = AxisOrder(((0, False), (1, False), (2, False)))
ORDERS = tuple(
    sorted(
        (
            AxisOrder(tuple(zip(axes, back, strict=True)))
            for axes in permutations(range(3))
            for back in product((False, True), repeat=3)
        ),
        key=lambda order: sum((axis != new) + back for new, (axis, back) in enumerate(order.axes)),
    )
)[1:]
"""All other orders of three axes, simplest first."""


def corners(shape: tuple[int, int, int], affine: NDArray[Any]) -> NDArray[np.float64]:
    """Return the world coordinates in mm of the centres of the eight corner voxels, shape (8, 3)."""
    index = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    index[:, :3] *= np.array(shape) - 1
    return np.asarray((index @ np.asarray(affine, dtype=np.float64).T)[:, :3], dtype=np.float64)


def order_of(mask: Volume, image: Volume) -> AxisOrder | None:
    """Return the axis order that puts each voxel of a mask on the image voxel of the same index, or None."""
    order = _axes_along(mask, image)
    if order is None or order.shape(mask.shape) != image.shape:
        return None
    places = corners(image.shape, order.affine(mask.affine, mask.shape))
    apart = np.abs(places - corners(image.shape, image.affine)).max()
    return order if apart <= TOLERANCE_MM else None


def _axes_along(mask: Volume, image: Volume) -> AxisOrder | None:
    """Return the order that aligns a mask's axes with the image's, whatever its shape.

    None if a step along a mask axis is not a step along an image axis.
    """
    step = np.linalg.inv(image.affine[:3, :3]) @ mask.affine[:3, :3]  # image index per step along a mask axis
    signs = np.rint(step)
    if (np.abs(signs).sum(axis=0) != 1).any() or (np.abs(signs).sum(axis=1) != 1).any():
        return None
    return AxisOrder(tuple((int(np.argmax(np.abs(row))), bool(row.sum() < 0)) for row in signs))


def difference(mask: Volume, image: Volume) -> str:
    """Return, for a message, what differs between the grids of a mask and an image that are not the same."""
    order = _axes_along(mask, image)
    if (mask.shape if order is None else order.shape(mask.shape)) != image.shape:
        return _voxels(mask, image)
    found = []
    axes = [[_direction(volume.affine[:3, axis]) for axis in range(3)] for volume in (mask, image)]
    if axes[0] != axes[1]:
        found.append(f"axes towards {', '.join(axes[0])}, not {', '.join(axes[1])}")
    if not np.allclose(mask.spacing, image.spacing, rtol=0, atol=SAME_DIGITS):
        found.append(f"spacing {_by(mask.spacing)} mm, not {_by(image.spacing)} mm")
    elif axes[0] == axes[1] and not np.allclose(mask.affine[:3, :3], image.affine[:3, :3], rtol=0, atol=SAME_DIGITS):
        found.append("axes of another direction")
    if not np.allclose(mask.affine[:3, 3], image.affine[:3, 3], rtol=0, atol=SAME_DIGITS):
        found.append(f"origin at {_point(mask)}, not at {_point(image)} mm")
    # distance from each mask corner to the nearest image corner: the order in which voxels are stored does not matter
    between = corners(mask.shape, mask.affine)[:, None] - corners(image.shape, image.affine)[None]
    apart = float(np.linalg.norm(between, axis=2).min(axis=1).max())
    return f"{', '.join(found)}; corners up to {apart:.3g} mm apart"


def _voxels(mask: Volume, image: Volume) -> str:
    """Return the shapes of a mask and an image of different shapes, with voxel sizes if these differ, too."""
    if not np.allclose(mask.spacing, image.spacing, rtol=0, atol=SAME_DIGITS):
        return f"{_by(mask.shape)} voxels of {_size(mask)}, not {_by(image.shape)} of {_size(image)}"
    turned = "; are its axes in another order?" if sorted(mask.shape) == sorted(image.shape) else ""
    return f"{_by(mask.shape)} voxels, not {_by(image.shape)}{turned}"


def _size(volume: Volume) -> str:
    sides = tuple(dict.fromkeys(f"{mm:.7g}" for mm in volume.spacing))
    return f"{sides[0] if len(sides) == 1 else _by(volume.spacing)} mm"


def _direction(column: NDArray[np.float64]) -> str:
    """Return the direction of the body that an axis points to most closely."""
    axis = int(np.argmax(np.abs(column)))
    return ("right", "front", "head")[axis] if column[axis] > 0 else ("left", "back", "feet")[axis]


def _by(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{n:.7g}" for n in numbers)


def _point(volume: Volume) -> str:
    return f"({', '.join(f'{mm:.7g}' for mm in volume.affine[:3, 3])})"
