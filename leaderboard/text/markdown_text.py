"""Escape text for Markdown, so that it is printed as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MARKUP = re.compile(r"[\\`*_~\[\]<>|&$]")
"""Characters with a special meaning within a line of GitHub's Markdown."""


def plain(text: Any) -> str:
    r"""Return text on one line of Markdown in which nothing is read as a tag, link, code, emphasis, formula or cell
    end.

    >>> print(plain("__init__() got <b> | $x$"))
    \_\_init\_\_() got \<b\> \| \$x\$
    """
    return MARKUP.sub(r"\\\g<0>", " ".join(str(text).split()))


def table_lines(heads: Iterable[Any], rows: Iterable[Iterable[Any]]) -> list[str]:
    r"""Return a table as lines of Markdown, with every cell printed as it is.

    >>> print(*table_lines(["a", "b"], [[1, "x|y"]]), sep="\n")
    | a | b |
    |---|---|
    | 1 | x\|y |
    """
    head, *body = ([plain(cell) for cell in cells] for cells in (heads, *rows))
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *body)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]
