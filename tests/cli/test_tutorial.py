"""The tutorial: each of its commands works, in its order, and prints what the page shows, scores and times apart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-comparison.md"
LEFT_OUT = "..."
NUMBER = re.compile(r"[+-]?\d[\d.,]*")
DURATION = re.compile(r"<?\d[\d.]* (?:s|min)\b")


def steps():
    """Yield each command of the page with the lines that it is said to print."""
    for block in re.findall(r"^```console\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for step in block.split("$ ")[1:]:
            command, *lines = step.splitlines()
            yield command, [line for line in lines if line.strip() not in {"", LEFT_OUT}]


def pattern(line):
    """Return a pattern for a line: other numbers, durations, names of studies, widths of columns and order of rows
    may come.
    """
    line = re.sub(r"\.\.\./", "", line)
    line = DURATION.sub("0", line)
    line = re.sub(r"-smoke-[0-9a-f]{8}", "-smoke-ID", line)
    words = [re.escape(word) for word in NUMBER.sub("0", line).split() if not set(word) <= set("┏┳┓┡╇┩└┴┘━─")]
    return r".*".join(words).replace("0", NUMBER.pattern).replace("\\-smoke\\-ID", r"-smoke-[0-9a-f]{8}")


@pytest.mark.slow
def test_every_command_of_the_tutorial_prints_what_the_page_shows(tmp_path):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "160",
    }
    try:
        for command, lines in steps():
            shell = ["sh", "-c", command]
            ended = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            printed = ended.stdout + ended.stderr
            assert ended.returncode == 0, f"{command}\n{printed}"
            for line in lines:
                assert re.search(pattern(line), printed), f"{command}\n\nhas no line\n{line}\nin\n{printed}"
    finally:
        pip = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "my-method"]
        subprocess.run(pip, check=False, capture_output=True)


def test_a_line_of_the_tutorial_is_not_found_where_its_words_are_not():
    assert re.search(pattern("│ 1 │ a    │ volume │ 0.783 (0.609–0.897) │"), "│ 4 │ a │ volume │ 0.7 (0.6–0.9) │")
    assert re.search(pattern("│ 1 │ volume │ <0.1 s │"), "│ 1 │ volume │ 2 min │")
    assert not re.search(pattern("│ 1 │ a │ volume │ 0.783 │"), "│ 1 │ a │ tlg │ 0.783 │")
    assert not re.search(pattern("my-method: all checks passed."), "my-method: 1 check failed.")
