"""What ``bench`` offers: a short list of commands, examples for each, and a hint for every name that was."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from survbench import __version__, cli
from survbench.cli.renamed import RENAMED

COMMANDS = [
    "run",
    "compare",
    "predict",
    "list",
    "status",
    "ui",
    "doctor",
    "cohort ingest",
    "cohort init",
    "cohort check",
    "cohort features",
    "cohort example",
    "method new",
    "method test",
    "method show",
    "study board",
    "study pack",
    "study import",
    "study ensemble",
    "study export",
    "study null-check",
    "study verify",
]
GROUPS = ["cohort", "method", "study"]
HEAVY = {"numpy", "pandas", "pydantic", "torch", "yaml", "mlflow", "optuna", "rich"}


def commands_in(text):
    """Return the commands that a help page lists, in their order."""
    return re.findall(r"^│ ([a-z][a-z-]+) ", text, flags=re.MULTILINE)


def test_help_lists_ten_commands_at_most_and_none_of_the_old_names(bench):
    ended = bench("--help")
    assert ended.returncode == 0
    assert commands_in(ended.stdout) == list(dict.fromkeys(c.split()[0] for c in COMMANDS))
    assert len(commands_in(ended.stdout)) <= 10


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(bench, group):
    ended = bench(group, "--help")
    assert ended.returncode == 0
    assert commands_in(ended.stdout) == [c.split()[1] for c in COMMANDS if c.startswith(f"{group} ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(bench, command):
    ended = bench(*command.split(), "--help")
    assert ended.returncode == 0
    _, examples = ended.stdout.split("Examples")
    assert f" bench {command}" in examples


def test_the_command_line_loads_nothing_heavy():
    code = "import sys, survbench.cli; print(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(ended.stdout.split()) == set()


def test_listing_methods_loads_no_library_that_fits_them():
    code = "import sys; from survbench.cli.list import KINDS; KINDS['methods'].rows(); print(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "pandas", "sksurv", "lifelines", "scipy"} & set(ended.stdout.split()) == set()


def test_the_version_is_a_line(bench):
    ended = bench("--version")
    assert (ended.returncode, ended.stdout) == (0, f"survbench {__version__}\n")


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_says_what_it_is_called_now(bench, old):
    for more in ([], ["anything", "--full", "--to=x", "-h"], ["--help"]):
        arguments = [*old.split(), *more]
        ended = bench(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"'bench {old}' is now {RENAMED[old]}.\n"


def test_what_old_names_point_to_exists():
    named = [name for now in RENAMED.values() for name in re.findall(r"'bench ([a-z]+(?: [a-z][a-z-]+)?)", now)]
    assert len(named) >= len(RENAMED)
    assert set(named) <= {*COMMANDS, "list feature-sets"}


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["lst"], "Did you mean 'list'?"), (["cohort", "chek"], "Did you mean 'check'?"), (["status", "--jsn"], "--json")],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_a_typo_is_met_with_the_right_word(bench, arguments, hint):
    ended = bench(*arguments)
    assert ended.returncode == 2
    assert hint in ended.stderr


def test_a_full_disk_ends_with_a_sentence(bench, monkeypatch):
    def full():
        raise OSError(28, "2,048 bytes cannot be written (No space left on device)", "/results/run.json")

    monkeypatch.setattr(cli, "app", full)
    ended = bench("run")
    assert ended.returncode == 1
    expected = (
        "Error: 2,048 bytes cannot be written (No space left on device) (/results/run.json). What is done is kept."
    )
    assert ended.stderr.startswith(expected)
