"""The verb ``import-risks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from survbench.cli.studies import StudyName, find_study
from survbench.cli.text import DEFAULT_OUT, Out, examples, say


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "import-risks",
        epilog=examples(
            "bench import-risks cox-in-r.csv --name cox-in-r",
            'bench import-risks risks.csv --name nomogram --title "Nomogram of the colleagues"',
        ),
    )(import_risks)


def import_risks(
    table: Annotated[
        Path, typer.Argument(metavar="CSV", help="id, risk (higher = earlier event), optional fold, cohort.")
    ],
    name: Annotated[str, typer.Option(help="Of the row, lower case with hyphens.")],
    title: Annotated[str, typer.Option(help="On the board (default: the name).")] = "",
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
) -> None:
    """Put an outside model's risks on a study's board, tested like the rest.

    The risk of a patient must come from a model that was fitted on the other folds of the study (its splits.json); the
    external cohort may be left out. The same file again changes nothing, another one under the same name replaces it.
    """
    from survbench.import_risks import import_risks as put
    from survbench.runner import build_and_write
    from survbench.store import Store

    out = out.expanduser().absolute()
    store, chosen = Store(out), find_study(out, study)
    with store.lock():
        chosen = put(chosen, store, table, name=name, title=title)
        board = build_and_write(chosen, store)
    row = next(row for row in board.rows if row.method == name)
    c = "not known" if row.c_index is None else f"{row.c_index:.3f}"
    say(f"{name} is on the board of {chosen.name}: C {c}, rank {row.rank}.")
    say(f"Leaderboard: {chosen.folder(out) / 'leaderboard.html'} (also .md, .csv, .json)")
