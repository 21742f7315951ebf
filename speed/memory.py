"""Print the memory of fits: the networks in a profile's committed results, and the paper profile's images.

A fit's memory is its process's peak, including libraries and shared pages.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from math import prod

from networks import CHANNELS, every_network
from survbench.plan.profile import load_profile
from timing import ROOT, table

GRID = (128, 128, 112)
"""The paper profile's grid."""


def peaks(profile: str) -> dict[str, list[int]]:
    """Return the peak megabytes of each fit by method."""
    path = ROOT / "leaderboard" / "results" / f"phantom-{profile}" / "runs.json"
    found: defaultdict[str, list[int]] = defaultdict(list)
    for run in json.loads(path.read_text(encoding="utf-8")).values():
        if run["job"]["kind"] == "fit" and run["record"]["peak_memory_mb"] is not None:
            found[run["job"]["method"]].append(run["record"]["peak_memory_mb"])
    return dict(found)


def gigabytes(patients: int) -> tuple[float, float]:
    """Return the gigabytes of images (float32) and masks (one byte per voxel) of patients on the paper's grid."""
    voxels = patients * prod(GRID)
    return 4 * CHANNELS * voxels / 1e9, voxels / 1e9


def measure(profile: str) -> None:
    """Print both tables."""
    networks, found = every_network(), peaks(profile)
    rows = [(name, f"{max(found[name]):,}") for name in networks if name in found]
    others = [peak for name, fits in found.items() if name not in networks for peak in fits]
    rows.append(("every other method", f"{max(others):,} or less"))
    table(f"Most memory of a fit, profile {profile}", ("method", "MB"), rows)
    paper = load_profile("paper")
    assert paper.phantom is not None  # noqa: S101  # the paper profile has one
    train = paper.phantom.train
    fold = train * (paper.folds - 1) // paper.folds
    table(
        "Images of the paper profile in memory",
        ("patients", "images, GB", "masks, GB"),
        [
            (f"{who} ({n})", *(f"{size:.2f}" for size in gigabytes(n)))
            for who, n in (("all", train), ("a fold's", fold))
        ],
    )


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="quick", help="profile of the committed results (default: quick)")
    measure(parser.parse_args().profile)


if __name__ == "__main__":
    main()
