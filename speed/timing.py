"""Measure and print for the scripts in this folder: seconds, an anchor's seconds in the same run, and their ratio."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
BENCH = Path(sys.executable).with_name("bench")
ENVIRONMENT = os.environ | {"PYTHONSAFEPATH": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
HEAD = ("", "seconds", "ratio", "anchor's", "anchor", "aim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of a table.

    Attributes:
        what: what was measured.
        seconds: its time; CPU seconds unless ``what`` says otherwise.
        anchor: what it is compared with; empty for none.
        anchor_seconds: the anchor's time in the same run.
        aim: the target in words.
    """

    what: str
    seconds: float
    anchor: str = ""
    anchor_seconds: float | None = None
    aim: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row, in the order of the head."""
        other = self.anchor_seconds
        ratio, beside = ("", "") if other is None else (three_digits(self.seconds / other), three_digits(other))
        return self.what, three_digits(self.seconds), ratio, beside, self.anchor, self.aim


def three_digits(value: float) -> str:
    """Return a number with about three digits, without an exponent.

    >>> three_digits(0.0012345), three_digits(12.345), three_digits(12345.6)
    ('0.00123', '12.3', '12,346')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def exponent(took: Mapping[int, float]) -> float:
    """Return the slope of the log of seconds against the log of size.

    >>> exponent({1: 2.0, 10: 200.0})
    2.0
    """
    return round(float(np.polyfit(np.log([*took]), np.log([*took.values()]), 1)[0]), 2)


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print a table in Markdown, padded for a terminal."""
    table(title, HEAD, [figure.cells() for figure in figures])


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print any table in Markdown, padded for a terminal."""
    lines = [head, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    padded.insert(1, " | ".join("-" * width for width in widths))
    print(f"\n{title}\n")
    print("\n".join(f"| {line} |" for line in padded), flush=True)


def alone(measure: Callable[[], None], description: str | None) -> None:
    """Run a part without options as a script of its own, whose ``--help`` shows its description."""
    kind = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=description, formatter_class=kind).parse_args()
    measure()


def cpu() -> float:
    """Return the CPU seconds of this process and of its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(call: Callable[[], object], clock: Callable[[], float] = cpu) -> Callable[[], float]:
    """Return a function that makes a call and returns its seconds."""

    def measure() -> float:
        started = clock()
        call()
        return clock() - started

    return measure


def least(measures: Mapping[str, Callable[[], float]], *, repeats: int = 5, warm_up: bool = True) -> dict[str, float]:
    """Return the smallest time of each measure. Measures take turns, so that a busy machine slows all of them alike.

    Args:
        measures: functions that return seconds, by name.
        repeats: number of turns.
        warm_up: whether to take one extra turn first that does not count.
    """
    turns = [{name: measure() for name, measure in measures.items()} for _ in range(repeats + warm_up)]
    return {name: min(turn[name] for turn in turns[warm_up:]) for name in measures}


def command(*words: str | Path) -> Callable[[], object]:
    """Return a function that runs a command and raises an error if the command fails."""
    return lambda: subprocess.run(words, check=True, capture_output=True, env=ENVIRONMENT, cwd=ROOT.parent)


def python(code: str) -> Callable[[], object]:
    """Return a function that runs code in a fresh interpreter."""
    return command(sys.executable, "-c", code)
