"""Commands of earlier versions: hidden, and each says what it is called now."""

from __future__ import annotations

import typer

RENAMED = {
    "info": "'bench list NAME'",
    "logs": "'bench status JOB'",
    "validate": "'bench cohort check COHORT'",
    "features": "'bench list feature-sets' and 'bench cohort features COHORT'",
    "features list": "'bench list feature-sets'",
    "features describe": "'bench list NAME'",
    "features extract": "'bench cohort features COHORT'",
    "leaderboard": "'bench study board'",
    "leaderboard build": "'bench study board'",
    "selection": "'bench method show METHOD'",
    "masks": "'bench method show METHOD --masks DIR'",
    "null-check": "'bench study null-check'",
    "track": "'bench ui --only-track'",
    "import-risks": "'bench study import CSV --name NAME'",
    "test": "'bench method test METHOD'",
    "new": "'bench method new NAME'",
}
"""What was typed after ``bench``, with or without a second word -> what to type now."""


def register(app: typer.Typer) -> None:
    """Add a hidden command for the first word of every old name; it takes any arguments."""
    for name in dict.fromkeys(old.split()[0] for old in RENAMED):
        app.command(
            name,
            hidden=True,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )(renamed)


def renamed(context: typer.Context) -> None:
    """Say what an old command is called now, and end with 2."""
    first = str(context.info_name)
    longer = " ".join([first, *context.args[:1]])
    old = longer if longer in RENAMED else first
    typer.echo(f"'bench {old}' is now {RENAMED[old]}.", err=True)
    raise typer.Exit(2)
