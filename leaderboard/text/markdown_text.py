"""Text for Markdown: printed as it stands."""

from __future__ import annotations

import re
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
