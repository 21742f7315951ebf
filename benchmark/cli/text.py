"""Words and options that several verbs share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[Path, typer.Option("--out", help="Output folder of 'bench run'.", file_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DEFAULT_OUT = Path("bench-results")


def examples(*lines: str) -> str:
    """Return an epilog of copy-paste examples, one a line."""
    return "\n\n".join(["[bold]Examples[/bold]", *lines])


def say(text: str = "") -> None:
    """Print a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """Print a value as JSON to standard output."""
    say(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def null(value: Any) -> Any:
    """Return a value for JSON, in which what is not a number is None."""
    from survbench.files import finite

    if isinstance(value, dict):
        return {key: null(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [null(each) for each in value]
    return finite(value) if isinstance(value, float) else value


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> duration(42), duration(200), duration(7300)
    ('42 s', '3 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
