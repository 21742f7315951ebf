"""Verbs on cohorts: ``validate`` and ``cohort init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from survbench.cli.text import AsJson, examples, say, say_json


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command(
        "validate",
        epilog=examples("bench validate my-cohort/", "bench validate sts51 --data ~/sts51"),
    )(validate)
    group = typer.Typer(help="Describe a cohort of your own.", no_args_is_help=True)
    group.command("init", epilog=examples("bench cohort init my-cohort/ --table clinical.csv"))(init)
    app.add_typer(group, name="cohort")


def validate(
    cohort: Annotated[str, typer.Argument(help="A named cohort, a folder with cohort.yaml, or a card file.")],
    data: Annotated[Path | None, typer.Option(help="Folder of a named cohort's data.", file_okay=False)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check a cohort's table, files and voxels, and list all problems at once."""
    from survbench.datasets.validate import validate_named

    report = validate_named(cohort, data=data)
    if as_json:
        say_json([{"subject": p.subject, "severity": p.severity, "what": p.what, "remedy": p.remedy} for p in report])
    elif not report:
        say(f"{cohort}: no problems.")
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(f"{cohort}: {len(report)} findings"), title_justify="left")
        for column in ("subject", "severity", "what", "what to do"):
            table.add_column(column, overflow="fold")
        for problem in report:
            cells = (problem.subject or "(cohort)", problem.severity, problem.what, problem.remedy)
            table.add_row(*map(Text, cells))  # cells of a foreign table are no markup
        Console().print(table)
    if any(p.severity == "error" for p in report):
        raise typer.Exit(1)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with images and tables.", exists=True, file_okay=False)],
    table: Annotated[Path, typer.Option(help="CSV, TSV or Parquet, a row per patient.", exists=True, dir_okay=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing card.")] = False,
) -> None:
    """Draft a card for a table and images or features; look it over, then 'bench validate FOLDER'."""
    from survbench.datasets.draft import draft_card
    from survbench.errors import BenchError

    target = folder / "cohort.yaml"
    if target.exists() and not force:
        raise BenchError(f"{target} exists. Give --force to replace it.")
    target.write_text(draft_card(folder, table), encoding="utf-8")
    say(f"Wrote {target}. Guesses are marked there; check them, then run 'bench validate {folder}'.")
