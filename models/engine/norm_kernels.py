"""Batch normalisation, a floor (ReLU) and a sum in few passes over memory: compiled loops for one CPU thread.

Maps are passed as tables of voxels by channels, with several voxels per row: rows of at least 64 numbers fill the
vector registers, while a row of 8 channels would leave them half empty. Sums are kept per column, in the precision of
the numbers within a block of rows and in double precision over the blocks. They are computed about the first voxel, so
that one pass also gives the variance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
BLOCK = 64
"""Number of rows summed in the precision of the numbers."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call, and cache the machine code on disk if numba finds a writable folder."""
    try:
        result: Callable[..., Any] = numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # neither this file's folder nor the user's cache folder is writable
        result = numba.njit(function, nogil=True, error_model="numpy")
    return result


@compiled
def _moments(x: Floats, channels: int) -> tuple[Floats, Floats]:
    rows, wide = x.shape
    first = np.empty(wide, x.dtype)
    for j in range(wide):
        first[j] = x[0, j % channels]
    part, squares = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    mean, variance = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    for start in range(0, rows, BLOCK):
        part[:] = 0
        squares[:] = 0
        for row in range(start, min(start + BLOCK, rows)):
            for j in range(wide):
                distance = x[row, j] - first[j]
                part[j] += distance
                squares[j] += distance * distance
        for j in range(wide):
            mean[j % channels] += part[j]
            variance[j % channels] += squares[j]
    count = rows * wide // channels
    for c in range(channels):
        shift = mean[c] / count
        variance[c] = np.maximum(variance[c] / count - shift * shift, 0.0)
        mean[c] = first[c] + shift
    return mean, variance


@compiled
def normalise(
    x: Floats, added: Floats, weight: Floats, bias: Floats, eps: float, floor: float, y: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Write ``max((x - mean) / sqrt(variance + eps) * weight + bias, floor) + added`` to ``y``.

    Args:
        x: the maps, shape (rows, columns); a column belongs to channel ``column % channels``.
        added: maps to add, same shape; without rows nothing is added.
        weight: shape (channels,).
        bias: same shape.
        eps: added to the variance.
        floor: 0 for ReLU, minus infinity for none.
        y: the result, shape of ``x``.

    Returns:
        (mean, variance, scale, shift): mean and uncorrected variance by channel, in double precision; scale and shift
        by column, such that ``x * scale + shift`` is normalised.
    """
    channels = len(weight)
    mean, variance = _moments(x, channels)
    scale, shift = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    for j in range(x.shape[1]):
        c = j % channels
        scale[j] = weight[c] / np.sqrt(variance[c] + eps)
        shift[j] = bias[c] - mean[c] * scale[j]
    low = x.dtype.type(floor)
    for row in range(len(x)):
        for j in range(x.shape[1]):
            value = x[row, j] * scale[j] + shift[j]
            y[row, j] = np.maximum(value, low)  # unlike max, np.maximum keeps NaN
        if len(added):
            for j in range(x.shape[1]):
                y[row, j] += added[row, j]
    return mean, variance, scale, shift


@compiled
def propagate(
    dy: Floats, x: Floats, moments: tuple[Floats, Floats, Floats, Floats], eps: float, floor: float, dx: Floats
) -> tuple[Floats, Floats]:
    """Write the gradient with respect to ``x`` to ``dx``; return the gradients with respect to weight and bias.

    Args:
        dy: gradient with respect to the output of :func:`normalise`.
        x: as in :func:`normalise`.
        moments: the result of :func:`normalise`.
        eps: as in :func:`normalise`.
        floor: as in :func:`normalise`.
        dx: the result, shape of ``x``.
    """
    mean, variance, scale, shift = moments
    rows, wide = x.shape
    channels = len(mean)
    low, zero = x.dtype.type(floor), x.dtype.type(0)
    centre = np.empty(wide, x.dtype)
    for j in range(wide):
        centre[j] = mean[j % channels]
    plain, moment = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    by_weight, by_bias = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    for start in range(0, rows, BLOCK):
        plain[:] = 0
        moment[:] = 0
        for row in range(start, min(start + BLOCK, rows)):
            for j in range(wide):
                passed = zero if x[row, j] * scale[j] + shift[j] <= low else dy[row, j]
                plain[j] += passed
                moment[j] += passed * (x[row, j] - centre[j])
        for j in range(wide):
            by_bias[j % channels] += plain[j]
            by_weight[j % channels] += moment[j]
    count = rows * wide // channels
    constant, slope = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    for j in range(wide):
        c = j % channels
        constant[j] = by_bias[c] / count
        slope[j] = by_weight[c] / count / (variance[c] + eps)
    for row in range(rows):
        for j in range(wide):
            passed = zero if x[row, j] * scale[j] + shift[j] <= low else dy[row, j]
            dx[row, j] = (passed - constant[j] - (x[row, j] - centre[j]) * slope[j]) * scale[j]
    for c in range(channels):
        by_weight[c] /= np.sqrt(variance[c] + eps)
    return by_weight, by_bias
