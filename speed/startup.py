"""Print how long the command line takes to answer: median of five, wall seconds."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

BENCH = Path(sys.executable).with_name("bench")
AIMS = {("--help",): 0.3, ("list", "methods"): 0.5}


def main() -> None:
    """Measure."""
    for arguments, aim in AIMS.items():
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([BENCH, *arguments], check=True, capture_output=True)
            taken.append(time.perf_counter() - started)
        print(f"bench {' '.join(arguments):<14} {statistics.median(taken):.2f} s (aim {aim} s)")


if __name__ == "__main__":
    main()
