"""Markdown as its readers see it."""

from __future__ import annotations

from itertools import pairwise

from markdown_it import MarkdownIt

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def cells_of(text):
    """Return the cells of all rows of tables, as text; a cell in which anything is more than text is None."""
    rows = []
    for before, token in pairwise(READER.parse(text)):
        if token.type == "tr_open":
            rows.append([])
        if before.type in {"th_open", "td_open"}:
            plain = all(part.type in {"text", "text_special"} for part in token.children)
            rows[-1].append("".join(part.content for part in token.children) if plain else None)
    return rows
