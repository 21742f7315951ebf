"""The error of an image file that cannot be used."""

from __future__ import annotations

from survbench.errors import BenchError


class ImageError(BenchError):
    """An image file that cannot be used: what is wrong, and how to fix it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}")
