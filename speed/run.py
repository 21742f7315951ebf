"""Measure every figure of docs/explanation/speed.md: seconds, and their ratio to an anchor measured in the same run.

Seconds are CPU seconds on one thread, unless a line says wall. On a shared machine, ratios are what counts. Each part
is also a script of its own with more options; radiomics of whole cohorts are measured only by ``extraction.py``.
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
    parser.add_argument("--growth", action="store_true", help="also measure how costs grow")
    options = parser.parse_args()
    training_step.measure(options)
    prediction.measure(options)
    bootstrap.measure()
    patient.measure()
    startup.measure()
    commands.measure()
    memory.measure("quick")
    if options.growth:
        growth.measure()


if __name__ == "__main__":
    main()
