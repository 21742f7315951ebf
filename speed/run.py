"""Every figure of docs/explanation/speed.md: seconds, and their ratio to an anchor that is measured in the same run.

Seconds are those of the processor on one thread, unless a line says wall. On a machine that others use, too, ratios
count. Each part is a script of its own with more options; radiomics of whole cohorts are ``extraction.py`` alone.
"""

from __future__ import annotations

import argparse

import bootstrap
import commands
import growth
import memory
import networks
import patient
import prediction
import startup
import training_step


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks.add_options(parser, voxels=32)
    training_step.add_batch(parser)
    parser.add_argument("--growth", action="store_true", help="how costs grow, too")
    chosen = parser.parse_args()
    training_step.measure(chosen)
    prediction.measure(chosen)
    bootstrap.measure()
    patient.measure()
    startup.measure()
    commands.measure()
    memory.measure("quick")
    if chosen.growth:
        growth.measure()


if __name__ == "__main__":
    main()
