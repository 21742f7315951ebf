"""Text of logs and errors without what says whose machine it was."""

from __future__ import annotations

import re

_PATH = re.compile(
    r"""
    (?P<quote>["'])(?P<quoted>(?:file:|~|[A-Za-z]:)?[\\/][^"'\n]*)(?P=quote)  # in quotes a path may hold spaces
    | (?<![\w.:/\\<])(?P<bare>(?:file:|~\w*|[A-Za-z]:)?[\\/](?:[^\s"'<>|;,()\[\]]*[^\s"'<>|;,()\[\].:]))
    """,
    re.VERBOSE,
)
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)


def without_paths(text: str) -> str:
    """Return text with absolute paths and addresses cut to an ellipsis; of source files the name stays.

    >>> without_paths('File "/home/ada/my code/fit.py", line 3: no /data/Smith_John.nii.gz')
    'File "…/fit.py", line 3: no …'
    """
    return _PATH.sub(_cut, _ADDRESS.sub("…", text))


def _cut(match: re.Match[str]) -> str:
    quote, path = match["quote"] or "", match["quoted"] or match["bare"]
    name = re.split(r"[\\/]", path)[-1]
    return f"{quote}…/{name}{quote}" if name.endswith(".py") else f"{quote}…{quote}"
