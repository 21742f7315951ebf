"""Text for Markdown: printed as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MARKUP = re.compile(r"[\\`*_~\[\]<>|&$]")
"""What Markdown, as GitHub reads it, takes for more than itself within a line."""


def plain(text: Any) -> str:
    r"""Return text on one line as Markdown in which nothing is a tag, a link, code, emphasis, a formula or the end of a
    cell.

    >>> print(plain("__init__() got <b> | $x$"))
    \_\_init\_\_() got \<b\> \| \$x\$
    """
    return MARKUP.sub(r"\\\g<0>", " ".join(str(text).split()))


def table_lines(heads: Iterable[Any], rows: Iterable[Iterable[Any]]) -> list[str]:
    r"""Return a table as lines of Markdown, every cell printed as it stands.

    >>> print(*table_lines(["a", "b"], [[1, "x|y"]]), sep="\n")
    | a | b |
    |---|---|
    | 1 | x\|y |
    """
    head, *body = ([plain(cell) for cell in cells] for cells in (heads, *rows))
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *body)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]
