"""Every command line that the documentation shows is one that the command takes."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from survbench.cli import app
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", ".ci/run")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs" / "scripts").glob("*.py")),
    *sorted((ROOT / "speed").glob("*.py")),
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *(p for room in ("benchmark", "datasets", "features", "models") for p in sorted((ROOT / room).rglob("*.py"))),
    *(p for p in sorted((ROOT / "leaderboard").rglob("*")) if p.suffix in {".py", ".j2"}),
    *sorted((ROOT / "datasets").rglob("*.yaml")),
    *sorted((ROOT / "benchmark").rglob("*.txt")),
]
QUOTED = re.compile(r"(?<![\w`'\"-])(?:'|`|\")(bench [^'`\"\n{]*?)(?:'|`|\")")
"""A command in quotes within a sentence or a message."""
LINE = re.compile(
    r"^\s*(?:\$ |run: |- run: )?(?:build/empty/bin/|\.venv/bin/|\$\(BIN\)/)?(bench [a-z-].*)$", re.MULTILINE
)
"""A command on a line of its own: in a block of code, a script or a workflow."""


def commands():
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        found = [match[1] for match in QUOTED.finditer(text)]
        if page.suffix in {".md", ".yml", ""} or page.name == "Makefile":
            found += [match[1] for match in LINE.finditer(text)]
        for command in dict.fromkeys(found):
            yield page.relative_to(ROOT).as_posix(), command


def words_of(command):
    """Return the words that a shell would hand on: without comments, pipes and optional parts in brackets."""
    plain = re.split(r"\s#|\s\||\s>|\s&&|;|\s\[OPTIONS\]", command)[0]
    return shlex.split(plain.replace("[", "").replace("]", "").replace("...", "X"))[1:]


def test_there_are_command_lines_in_the_documentation():
    assert len(list(commands())) > 60


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_a_command_line_of_the_documentation_is_taken(page, command):
    result = CliRunner().invoke(app, [*words_of(command), "--help"])
    assert result.exit_code == 0, f"{page}: {command}\n{result.output}"


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "docs" / "scripts").glob("*_page.py")))
def test_a_page_that_is_made_from_code_is_up_to_date(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    made = importlib.import_module(name)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run 'make pages'"
