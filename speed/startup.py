"""Time the start of the command line and the import in CPU seconds, compared with an idle interpreter."""

from __future__ import annotations

from timing import BENCH, Figure, alone, command, least, python, show, timed

NOTHING = "python -c pass"
STARTS = {
    "bench --help": (command(BENCH, "--help"), "0.3 s"),
    "bench list": (command(BENCH, "list"), "0.5 s"),
    "bench list methods": (command(BENCH, "list", "methods"), "0.5 s"),
    "import survbench": (python("import survbench"), ""),
}


def measure() -> None:
    """Print a table."""
    took = least({NOTHING: timed(python("pass")), **{name: timed(call) for name, (call, _) in STARTS.items()}})
    figures = [
        Figure(what=name, seconds=took[name], anchor=NOTHING, anchor_seconds=took[NOTHING], aim=aim)
        for name, (_, aim) in STARTS.items()
    ]
    show("Start", figures)


if __name__ == "__main__":
    alone(measure, __doc__)
