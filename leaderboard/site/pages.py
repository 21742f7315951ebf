"""Where the pages of the site stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from survbench.io.hashing import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a page of the site stands.

    Attributes:
        current: its file.
        pages: (file, title) of those that the navigation names.
        root: the way to the site's folder, ``""`` or ``"../"``.
    """

    current: str
    pages: tuple[tuple[str, str], ...]
    root: str = ""


def method_file(name: str) -> str:
    """Return the file of a method's page.

    >>> method_file("deepmts")
    'deepmts.html'
    """
    return f"{method_folder(name)}.html"


def method_folder(name: str) -> str:
    """Return the folder of a method's charts, beside its page; a name that cannot be a file name gets one."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')[:40]}-{digest(name)[:8]}"
