"""Writes a board: a table for terminals, Markdown, CSV, JSON, and one page that needs no network.

The same board gives the same bytes: keys in order, numbers with six significant digits, no time of writing.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.leaderboard.board import BOARD_SCHEMA, Board, Row

if TYPE_CHECKING:
    from rich.table import Table

KINDS = ("md", "csv", "json", "html")
NONE = "–"
WIDE = 120
"""Columns of a terminal from which the whole table is shown."""


def write_board(board: Board, folder: Path) -> None:
    """Write ``leaderboard.md``, ``.csv``, ``.json`` and ``.html`` into a folder, each whole or not at all."""
    texts = {"md": markdown(board), "csv": csv_text(board), "json": json_text(board), "html": html(board)}
    for kind in KINDS:
        path = folder / f"leaderboard.{kind}"
        part = path.with_name(f"{path.name}.part")
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(texts[kind])
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)


def to_json(board: Board) -> dict[str, Any]:
    """Return the board as JSON; see docs/reference/leaderboard-json.md."""
    raw = asdict(board)
    rows = []
    for row in raw.pop("rows"):
        reference = row.pop("is_reference")
        rows.append({**row, "reference": reference})
    rounded: dict[str, Any] = _rounded({"schema": BOARD_SCHEMA, **raw, "rows": rows})
    return rounded


def json_text(board: Board) -> str:
    """Return the board as JSON text."""
    return json.dumps(to_json(board), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def csv_text(board: Board) -> str:
    """Return the rows as CSV; text that a spreadsheet would take for a formula gets a leading apostrophe."""
    rows = [_flat(row) for row in to_json(board)["rows"]]
    names = list(rows[0]) if rows else []
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _harmless(v) for k, v in row.items()} for row in rows)
    return stream.getvalue()


def markdown(board: Board) -> str:
    """Return the board as Markdown."""
    heads = [
        "#",
        "Method",
        "Family",
        "C-index (95 % CI)",
        "External C (95 % CI)",
        "Dice",
        "p",
        "Holm p",
        "Time",
        "Published C",
    ]
    lines = [f"# {_plain(board.cohort['title'])}", "", *(f"{line}  " for line in summary(board)), ""]
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_plain(cell) for cell in cells(row)) + " |" for row in board.rows]
    lines += [
        "",
        (
            f"p: paired test against `{board.protocol['reference']}`, Holm-adjusted over all ranked methods. "
            "Published C: another cohort and budget, not to be compared with ours."
        ),
    ]
    lines += [f"- {_plain(warning)}" for warning in board.warnings]
    lines += [f"- `{row.method}` {row.status}: {_plain(row.reason)}" for row in board.rows if row.reason]
    return "\n".join(lines) + "\n"


def terminal_table(board: Board, *, width: int = 140) -> Table:
    """Return the board as a table for a terminal; below 120 columns without times and published values."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{board.cohort['title']} · profile {board.profile['name']}", title_justify="left")
    heads = ("#", "method", "C (95 % CI)", "external C (95 % CI)", "Dice", "p", "Holm p", "time", "published C")
    shown = [i for i in range(len(heads)) if width >= WIDE or heads[i] not in {"p", "time", "published C"}]
    for i in shown:
        table.add_column(heads[i], overflow="fold")
    for row in board.rows:
        rank, _, _, *rest = cells(row)
        texts = (rank, row.method, *rest)
        style = "dim" if row.is_reference else "red" if row.status not in {"ok", "skipped"} else ""
        table.add_row(*(Text(texts[i]) for i in shown), style=style)
    return table


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells as text: rank, title, family, C, external C, Dice, p, Holm p, time, published C."""
    if row.status != "ok":
        middle: tuple[str, ...] = (row.status, NONE, NONE, NONE, NONE)
    else:
        middle = (
            interval(row.c_index, row.c_index_low, row.c_index_high, row.c_index_seed_sd),
            interval(row.external_c_index, row.external_c_index_low, row.external_c_index_high),
            NONE if row.dice is None else f"{row.dice:.3f}",
            p_value(row.p),
            p_value(row.p_holm),
        )
    rank = str(row.rank) if row.rank is not None else "ref" if row.is_reference else NONE
    return (rank, row.title, row.family, *middle, seconds(row.seconds), published(row))


def interval(value: float | None, low: float | None, high: float | None, seed_sd: float | None = None) -> str:
    """Return a value with its interval and, where there are several seeds, their standard deviation."""
    if value is None:
        return NONE
    text = f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f}–{high:.3f})"
    return text if seed_sd is None else f"{text} ±{seed_sd:.3f}"


def p_value(p: float | None) -> str:
    """Return a p value as papers print it."""
    if p is None:
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """Return a duration in the unit that suits it."""
    if value is None:
        return NONE
    if value < 100:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def published(row: Row) -> str:
    """Return the published C-index, cross-validated / external."""
    if row.published is None or row.published.get("c_index") is None:
        return NONE
    outside = row.published.get("external_c_index")
    return f"{row.published['c_index']:.3f}" + ("" if outside is None else f" / {outside:.3f}")


def summary(board: Board) -> list[str]:
    """Return what the board was made under, in a few lines."""
    cohort, protocol, profile = board.cohort, board.protocol, board.profile
    lines = [f"{cohort['patients']} patients, {cohort['events']} events ({cohort['endpoint']})"]
    if board.external:
        outside = board.external
        lines[0] += f"; external: {outside['title']}, {outside['patients']} patients, {outside['events']} events"
    steps = f"{profile['training']['steps']:,} training steps"
    grid = " x ".join(map(str, cohort["grid"])) + " voxels" if cohort.get("grid") else "no images"
    lines.append(
        f"{len(protocol['folds'])} folds, {protocol['seeds']} seed(s), selection '{protocol['selection']}'; profile "
        f"'{profile['name']}': {grid}, {steps}; {board.resamples:,} bootstrap resamples"
    )
    return lines


def html(board: Board) -> str:
    """Return the board as one page that needs no network; everything that a plugin says is escaped."""
    from markupsafe import Markup

    assets = Path(__file__).parent
    page: str = _template().render(
        board=board,
        rows=[_view(board, row) for row in board.rows],
        summary=summary(board),
        scale=_Scale(board),
        style=Markup((assets / "board.css").read_text(encoding="utf-8")),  # noqa: S704  # ours
        script=Markup((assets / "board.js").read_text(encoding="utf-8")),  # noqa: S704  # ours
    )
    return page


class _Scale:
    """One axis for all intervals: C-index to per cent of the width."""

    def __init__(self, board: Board) -> None:
        known = [
            v
            for r in board.rows
            for v in (r.c_index_low, r.c_index_high, r.external_c_index_low, r.external_c_index_high)
            if v is not None
        ]
        self.low = min([0.45, *(v - 0.01 for v in known)])
        self.high = max([0.85, *(v + 0.01 for v in known)])
        self.ticks = [t / 10 for t in range(11) if self.low <= t / 10 <= self.high]
        oracle = next((r.c_index for r in board.rows if r.method == "oracle"), None)
        self.oracle = oracle

    def at(self, value: float) -> str:
        """Return where a C-index lies, in per cent from the left."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"


def _view(board: Board, row: Row) -> dict[str, Any]:
    """Return what the page shows of a row."""
    rank, title, family, c, outside, overlap, p, p_holm, time, pub = cells(row)
    notes = [row.notes] if row.notes else []
    if row.needs_mask:
        notes.append("needs the manual tumour mask to predict")
    if row.oracle_gap is not None:
        gap = interval(row.oracle_gap, row.oracle_gap_low, row.oracle_gap_high)
        notes.append(f"oracle is ahead by {gap}")
    if row.difference is not None:
        gap = interval(row.difference, row.difference_low, row.difference_high)
        notes.append(f"difference from {board.protocol['reference']}: {gap}")
    if row.parameters is not None:
        notes.append(f"{row.parameters:,} parameters")
    if row.reason:
        notes.append(row.reason)
    return {
        "row": row, "rank": rank, "title": title, "family": family, "c": c, "external": outside, "dice": overlap,
        "p": p, "p_holm": p_holm, "time": time, "published": pub, "notes": notes,
        "source": (row.published or {}).get("source", ""), "coverage": f"{100 * row.coverage:.0f} %",
    }  # fmt: skip


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("board.html.j2")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    published_values = row["published"] or {}
    flat = {k: v for k, v in sorted(row.items()) if k != "published"}
    for name in ("source", "c_index", "external_c_index", "dice"):
        flat[f"published_{name}"] = published_values.get(name)
    return flat


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _plain(text: Any) -> str:
    """Return text that cannot break a Markdown table or become HTML."""
    one_line = " ".join(str(text).split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
