"""Files that hold a text which must not leave: ids in place of which there are pseudonyms, and folders of a machine."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

LONG = 6
"""Characters from which a text is looked for in binary files, too; shorter ones occur there by chance."""
_PICTURE = re.compile(rb"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*")
_ENCODINGS = ("utf-8", "utf-16-le", "utf-32-le")
NUMBER_EDGES = r"(?<![0-9]\.)", r"(?!\.[0-9]*[1-9])"
"""What must not stand before and behind a number: it would be a part of a decimal number. "30012345.0" is the same."""
_EDGE = rb"[0-9A-Za-z\x80-\xff]"


def files_that_hold(texts: Collection[str], files: Mapping[str, Path | bytes]) -> list[str]:
    """Return which files hold one of some texts, as a word of its own or in their name.

    Archives (also npz) are looked into, and columns of text in Parquet; pictures within pages are not.

    Args:
        texts: to look for.
        files: content, or the file that has it, by name.
    """
    if not texts:
        return []
    anywhere, in_texts = _pattern(texts), _pattern([text for text in texts if len(text) >= LONG])
    found = []
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        if anywhere.search(name.encode()) or any(
            (anywhere if _is_text(part) else in_texts).search(part) for part in _parts(name, data)
        ):
            found.append(name)
    return found


def _pattern(texts: Collection[str]) -> re.Pattern[bytes]:
    """Return what finds texts in any of the encodings in which arrays and files hold them; without texts nothing."""
    before, behind = (edge.encode() for edge in NUMBER_EDGES)
    numbers, words = (_spelled(text for text in texts if is_number(text) == wanted) for wanted in (True, False))
    ways = [before + _any_of(numbers) + behind] if numbers else []
    ways += [_any_of(words)] if words else []
    if not ways:
        return re.compile(b"(?!)")
    return re.compile(b"(?<!" + _EDGE + b")(?:" + b"|".join(ways) + b")(?!" + _EDGE + b")")


def is_number(text: str) -> bool:
    """Say whether a text, such as an id, may be a number of a table."""
    return all(letter in "0123456789.," for letter in text)


def _spelled(texts: Iterable[str]) -> list[bytes]:
    return sorted({text.encode(encoding) for text in texts for encoding in _ENCODINGS})


def _any_of(words: list[bytes]) -> bytes:
    """Return a pattern of sorted words that shares their beginnings: a list of a thousand ids, tried one by one at
    every byte of a model, takes minutes.
    """
    ways = [
        re.escape(bytes([first])) + _any_of([word[1:] for word in of])
        for first, of in groupby(filter(None, words), key=itemgetter(0))
    ]
    ways += [b""] if b"" in words else []
    return ways[0] if len(ways) == 1 else b"(?:" + b"|".join(ways) + b")"


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _parts(name: str, data: bytes) -> Iterator[bytes]:
    if name.endswith(".parquet"):
        yield from _columns(data)
    elif zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield member.encode()
                yield archive.read(member)
    else:
        yield _PICTURE.sub(b"", data)


def _columns(data: bytes) -> Iterator[bytes]:
    import pandas as pd

    table = pd.read_parquet(io.BytesIO(data))
    for name in table.select_dtypes(["string", "object"]):
        yield "\n".join(map(str, table[name].dropna().astype(str).unique())).encode()
