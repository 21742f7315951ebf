"""Write docs/reference/commands.md from the command line's own help: ``commands_page.py``."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from survbench.cli import app
from typer.cli import get_docs_for_click

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"
ABOVE = """# Commands

This page is written by `docs/scripts/commands_page.py` from what `--help` prints.

"""
EXAMPLES = re.compile(r"^\[bold\]Examples\[/bold\]\n\n((?:bench .*\n+)+)", re.MULTILINE)
"""The examples below a command's help: a line of their own each."""


def page() -> str:
    """Return the text of the page, without the names that commands had in earlier versions."""
    command = typer.main.get_command(app)
    for name in [name for name, one in command.commands.items() if one.hidden]:  # type: ignore[attr-defined]
        del command.commands[name]  # type: ignore[attr-defined]
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="bench"), name="bench")
    _, _, rest = text.partition("\n\n")
    return f"{ABOVE}{EXAMPLES.sub(_block, rest)}".rstrip() + "\n"


def _block(found: re.Match[str]) -> str:
    lines = "\n".join(line for line in found[1].splitlines() if line)
    return f"**Examples**:\n\n```sh\n{lines}\n```\n\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
