"""Writes tables as Markdown, CSV, LaTeX and JSON; the same table gives the same bytes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from survbench.io.files import rounded, write_text
from survbench.leaderboard.paper.tables import Cells, Table
from survbench.leaderboard.text.csv_text import csv_text
from survbench.leaderboard.text.latex_text import tex
from survbench.leaderboard.text.markdown_text import plain, table_lines

KINDS = ("md", "csv", "tex", "json")
PREAMBLE = r"""\documentclass[a4paper,landscape]{article}
\usepackage[margin=1.5cm]{geometry}
\usepackage{booktabs,graphicx}
\pagestyle{empty}
\begin{document}
"""
"""The class, a wide page, and what the tables need: rules, and smaller print where a table is wider than a line."""
MOST_ROWS = 30
"""Rows of a table on one page of LaTeX."""
HEAD, TEXT = 12, 36
"""Letters after which a heading and a cell of text go on in the next line, in LaTeX."""
ASIDE = re.compile(r"\([^()]{,12}\)")
"""What stays on one line: a short text in brackets."""


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Write every table in every form into a folder, and remove tables that there are no more."""
    names = {f"{table.name}.{kind}" for table in tables for kind in KINDS}
    for path in folder.glob("*.*"):
        if path.suffix[1:] in KINDS and path.name not in names:
            path.unlink()
    if tables:
        folder.mkdir(exist_ok=True)
    for table in tables:
        texts = {"md": markdown(table), "csv": table_csv(table), "tex": latex(table), "json": json_text(table)}
        for kind in KINDS:
            write_text(folder / f"{table.name}.{kind}", texts[kind])


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    heads = [column.head for column in table.columns]
    rows = ([column.text(row) for column in table.columns] for row in table.rows)
    lines = [f"# {plain(table.title)}", "", *table_lines(heads, rows)]
    lines += ["", *(f"- {plain(note)}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def table_csv(table: Table) -> str:
    """Return a table's values as CSV."""
    return csv_text(list(table.rows[0]), (list(row.values()) for row in table.rows))


def json_text(table: Table) -> str:
    """Return a table's values as JSON text: ``name title notes rows``."""
    content = {
        "name": table.name,
        "title": table.title,
        "notes": list(table.notes),
        "rows": [rounded(row) for row in table.rows],
    }
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def latex(table: Table) -> str:
    """Return a table as a LaTeX document of its own: as wide as a line at most, without the columns that a page has no
    room for, long ones in parts.
    """
    table = replace(table, columns=tuple(column for column in table.columns if column.in_latex))
    lines: list[str] = []
    for first in range(0, len(table.rows), MOST_ROWS):
        lines += _float(table, table.rows[first : first + MOST_ROWS], " (continued)" if first else "")
    lines += [rf"{{\scriptsize\raggedright\noindent {tex(note)}\par}}" for note in table.notes]
    return PREAMBLE + "\n".join([*lines, r"\end{document}"]) + "\n"


def _float(table: Table, rows: Sequence[Cells], more: str) -> list[str]:
    """Return some rows as a float of LaTeX, its lines."""
    columns = "l" * table.left + "r" * (len(table.columns) - table.left)
    heads = [rf"\textbf{{{_stacked(column.head, HEAD, 'b')}}}" for column in table.columns]
    return [
        r"\begin{table}[htbp]",
        r"\centering",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{tex(table.title + more)}}}",
        rf"\sbox0{{\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _line(heads),
        r"\midrule",
        *(_line(_cells(table, row)) for row in rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\ifdim\wd0>\linewidth \resizebox{\linewidth}{!}{\usebox0}\else \usebox0\fi",
        r"\end{table}",
    ]


def _cells(table: Table, row: Cells) -> list[str]:
    texts = [column.text(row) for column in table.columns]
    return [*(_stacked(text, TEXT, "t") for text in texts[: table.left]), *map(tex, texts[table.left :])]


def _stacked(text: str, letters: int, place: str) -> str:
    """Return text in lines of about so many letters, so that its column stays narrow; ``t`` and ``b`` say which of them
    stands in line with its neighbours.
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
    """Return a line whose start the end of the line before it does not take for an argument."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line
