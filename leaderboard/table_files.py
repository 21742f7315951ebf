"""Writes tables as Markdown, CSV, LaTeX and JSON; the same table gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from survbench.files import write_text
from survbench.leaderboard.render import harmless, plain, rounded
from survbench.leaderboard.tables import Table

KINDS = ("md", "csv", "tex", "json")
PREAMBLE = r"""\documentclass[a4paper,landscape]{article}
\usepackage[margin=1.5cm]{geometry}
\usepackage{booktabs}
\pagestyle{empty}
\begin{document}
"""
"""The class, a page wide enough, and booktabs: all that the tables need."""
COMMANDS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$", '"': "''",
    "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "·": r"$\cdot$",
    "µ": r"$\mu$", "…": r"\dots{}", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "‘": "`", "’": "'", "“": "``", "”": "''",
}  # fmt: skip
ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x308: '"', 0x30A: "r", 0x30C: "v", 0x327: "c"}
"""Combining marks that the standard fonts have."""


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Write every table in every form into a folder, and remove tables that there are no more."""
    names = {f"{table.name}.{kind}" for table in tables for kind in KINDS}
    for path in folder.glob("*.*"):
        if path.suffix[1:] in KINDS and path.name not in names:
            path.unlink()
    if tables:
        folder.mkdir(exist_ok=True)
    for table in tables:
        texts = {"md": markdown(table), "csv": csv_text(table), "tex": latex(table), "json": json_text(table)}
        for kind in KINDS:
            write_text(folder / f"{table.name}.{kind}", texts[kind])


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    heads = [plain(column.head) for column in table.columns]
    lines = [f"# {plain(table.title)}", "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(plain(column.text(row)) for column in table.columns) + " |" for row in table.rows]
    lines += ["", *(f"- {plain(note)}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def csv_text(table: Table) -> str:
    """Return a table's values as CSV; text that a spreadsheet would take for a formula gets a leading apostrophe."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(table.rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: harmless(rounded(value)) for key, value in row.items()} for row in table.rows)
    return stream.getvalue()


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
    """Return a table as a LaTeX document of its own, without the columns that a page has no room for."""
    table = replace(table, columns=tuple(column for column in table.columns if column.in_latex))
    columns = "l" * table.left + "r" * (len(table.columns) - table.left)
    lines = [
        r"\begin{table}[h]",
        r"\centering",
        r"\scriptsize",
        rf"\caption{{{tex(table.title)}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _line([tex_head(column.head) for column in table.columns]),
        r"\midrule",
        *(_line([tex(column.text(row)) for column in table.columns]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        *(rf"{{\scriptsize\noindent {tex(note)}\par}}" for note in table.notes),
        r"\end{document}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n"


def tex(text: str) -> str:
    r"""Return text on one line that LaTeX prints as it stands, with the standard fonts and nothing executed.

    A character that the standard fonts do not have is given by its code.

    >>> tex("50 % of Müller_1")
    '50 \\% of M\\"{u}ller\\_1'
    """
    return "".join(map(_character, " ".join(text.split())))


def tex_head(text: str) -> str:
    """Return a heading in bold, in lines of about 16 letters so that columns stay narrow."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < 16:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    stacked = r"\\".join(tex(line) for line in lines)
    return rf"\textbf{{\begin{{tabular}}[b]{{@{{}}l@{{}}}}{stacked}\end{{tabular}}}}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _character(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    if character.isascii():
        return character if character.isprintable() else ""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and len(marks) == 1 and ord(marks[0]) in ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{ACCENTS[ord(marks[0])]}{{{letter}}}"
    return f"[U+{ord(character):04X}]"
