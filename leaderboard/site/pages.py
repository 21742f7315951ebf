"""File names of the site's pages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from survbench.io.hashing import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The location of a page in the site.

    Attributes:
        current: its file.
        pages: pairs of file and title in the navigation.
        root: path to the site's folder, ``""`` or ``"../"``.
    """

    current: str
    pages: tuple[tuple[str, str], ...]
    root: str = ""


def method_file(name: str) -> str:
    """Return the file name of a method's page.

    >>> method_file("deepmts")
    'deepmts.html'
    """
    return f"{method_folder(name)}.html"


def method_folder(name: str) -> str:
    """Return the folder of a method's charts, next to its page; an unsuitable name is replaced by a valid one."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')[:40]}-{digest(name)[:8]}"
