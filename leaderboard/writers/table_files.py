"""Write tables as Markdown, CSV, LaTeX and JSON; the same table gives the same bytes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from survbench.io.csv_text import csv_text
from survbench.io.files import rounded, write_text
from survbench.io.study_files import BOARD
from survbench.leaderboard.text.latex_text import tex
from survbench.leaderboard.text.markdown_text import plain, table_lines
from survbench.leaderboard.text.table import Item, Table

EXAMPLE = "example.tex"
"""A document that shows how a paper includes the board and the tables."""
PREAMBLE = r"""\documentclass[a4paper]{article}
\usepackage{booktabs,graphicx}
\begin{document}
"""
"""The class, and the two packages that the tables need: for rules, and to scale tables wider than a line."""
LABEL = "tab:survbench-"
SUFFIXES = (".md", ".csv", ".tex", ".json")
MOST_ROWS = 30
"""Number of table rows per page of LaTeX."""
HEAD, TEXT = 12, 36
"""Number of letters after which LaTeX headings and text cells are wrapped."""
ASIDE = re.compile(r"\([^()]{,12}\)")
"""Text that is not wrapped: short text in brackets."""


def write_tables(tables: Sequence[Table[Any]], folder: Path) -> None:
    """Write every table in every form into a folder, with a document that includes them, and remove tables that no
    longer exist.
    """
    files = {f"{table.name}.{kind}": text for table in tables for kind, text in texts(table).items()}
    for path in folder.glob("*.*"):
        if path.suffix in SUFFIXES and path.name not in files:
            path.unlink()
    if not tables:
        return
    folder.mkdir(exist_ok=True)
    for name, text in {**files, EXAMPLE: example(tables)}.items():
        write_text(folder / name, text)


def texts(table: Table[Item]) -> dict[str, str]:
    """Return a table as Markdown, CSV, LaTeX and JSON, by suffix."""
    content = {"name": table.name, "title": table.title, "notes": list(table.notes), "rows": list(table.rows)}
    return {
        "md": markdown(table),
        "csv": table_csv(table),
        "tex": latex(table),
        "json": as_json(rounded(content)),
    }


def markdown(table: Table[Item]) -> str:
    """Return a table as Markdown."""
    lines = [f"# {plain(table.title)}", "", *(f"{name}: {plain(value)}  " for name, value in table.facts.items())]
    lines += [""] if table.facts else []
    heads = [column.head for column in table.columns]
    if table.items:
        lines += [*table_lines(heads, ([column.text(item) for column in table.columns] for item in table.items)), ""]
    lines += [f"- {plain(note)}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def table_csv(table: Table[Item]) -> str:
    """Return a table's values as CSV; values that a row does not have are empty."""
    rows = table.rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(names, ([row.get(name) for name in names] for row in rows))


def as_json(content: Any) -> str:
    """Return content as JSON text with ordered keys, so that the same content gives the same bytes."""
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def latex(table: Table[Item]) -> str:
    r"""Return a table as LaTeX for ``\input``: at most as wide as a line, without the columns that do not fit on a
    page. Long tables are split into parts, the first of which has the label. Needs the packages booktabs and graphicx.
    """
    kept = [column.in_latex for column in table.columns]
    columns = tuple(column for column in table.columns if column.in_latex)
    table = replace(table, columns=columns, left=sum(kept[: table.left]))
    lines = [rf"% \usepackage{{booktabs,graphicx}}; refer to it by \ref{{{LABEL}{table.name}}}"]
    for first in range(0, len(table.items), MOST_ROWS):
        lines += _float(table, table.items[first : first + MOST_ROWS], part=first // MOST_ROWS)
    lines += [rf"{{\scriptsize\raggedright\noindent {tex(note)}\par}}" for note in table.notes]
    return "\n".join(lines) + "\n"


def example(tables: Sequence[Table[Any]]) -> str:
    """Return a document that includes the board, from the folder above, and all tables."""
    names = [f"../{BOARD}", *(table.name for table in tables)]
    return "\n".join([PREAMBLE.rstrip(), *(rf"\input{{{name}}}" for name in names), r"\end{document}"]) + "\n"


def _float(table: Table[Item], items: Sequence[Item], *, part: int) -> list[str]:
    """Return the lines of a LaTeX float with the rows of these items."""
    columns = "l" * table.left + "r" * (len(table.columns) - table.left)
    heads = [rf"\textbf{{{_stacked(column.head, HEAD, 'b')}}}" for column in table.columns]
    return [
        r"\begin{table}[htbp]",
        r"\centering",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{tex(table.title + (' (continued)' if part else ''))}}}",
        *([] if part else [rf"\label{{{LABEL}{table.name}}}"]),
        rf"\sbox0{{\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _line(heads),
        r"\midrule",
        *(_line(_cells(table, item)) for item in items),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\ifdim\wd0>\linewidth \resizebox{\linewidth}{!}{\usebox0}\else \usebox0\fi",
        r"\end{table}",
    ]


def _cells(table: Table[Item], item: Item) -> list[str]:
    texts = [column.text(item) for column in table.columns]
    return [*(_stacked(text, TEXT, "t") for text in texts[: table.left]), *map(tex, texts[table.left :])]


def _stacked(text: str, letters: int, place: str) -> str:
    """Return text wrapped at about ``letters`` letters, to keep its column narrow; ``place`` (``t`` or ``b``) says
    which of its lines is aligned with the neighbouring cells.
    """
    unbroken = ASIDE.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(unbroken, letters, break_long_words=False, break_on_hyphens=False)
    if len(lines) < 2:
        return tex(text)
    stacked = r"\\".join(map(_guarded, map(tex, lines)))
    return rf"\begin{{tabular}}[{place}]{{@{{}}l@{{}}}}{stacked}\end{{tabular}}"


def _line(cells: Sequence[str]) -> str:
    return _guarded(" & ".join(cells)) + r" \\"


def _guarded(line: str) -> str:
    """Return a line that LaTeX cannot read as an argument of the end of the line before it."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line
