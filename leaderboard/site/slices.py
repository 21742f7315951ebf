"""Example slices as SVG: a small picture with the outlines of the manual and the predicted mask."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from survbench.work.example_slices import Example, Pixels

if TYPE_CHECKING:
    from markupsafe import Markup

INSIDE = 127.5
"""Level of an outline, a probability of 0.5."""


def svg(example: Example) -> Markup:
    """Return a slice with its outlines; if no tumour is predicted on it, it has only the manual outline."""
    from markupsafe import Markup
    from survbench.leaderboard.site.assets import template

    height, width = example.image.shape
    picture = template("slice.svg.j2").render(
        example=example,
        width=width,
        height=height,
        png=base64.b64encode(_png(example.image)).decode("ascii"),
        outlines=[("manual", _outline(example.manual)), ("predicted", _outline(example.probability))],
    )
    return Markup(picture)  # noqa: S704  # our template, which escapes


def _png(image: Pixels) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _outline(values: NDArray[np.generic]) -> str:
    """Return the contours of values at :data:`INSIDE` as the data of an SVG path, closed at the picture border."""
    from contourpy import contour_generator

    framed = np.pad(values.astype(np.float64), 1)
    # the frame adds a pixel, and a pixel's centre is half a pixel from its corner
    lines = [np.asarray(line) - 0.5 for line in contour_generator(z=framed).lines(INSIDE)]
    return "".join("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in line) + "Z" for line in lines)
